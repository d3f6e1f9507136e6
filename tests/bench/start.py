"""From the download of the binary to the first step: the real install.sh on a bare machine, ended as soon as the step is told of."""

from __future__ import annotations

import json
import time

from .measuring import Meter, Sample
from .world import ENVIRONMENT, World

PART = "start"
TRANSFER, STEP = "download alone", "install.sh to the first step"
SCRIPT = "/root/install.sh"
URL = "https://get.tootstrap.example/tootstrap-x86_64-linux-musl"

#: As install.sh does it.
DOWNLOAD = f"if command -v curl >/dev/null; then curl -fsSL -o /dev/null {URL}; else wget -qO /dev/null {URL}; fi"


def calls(world: World, run: int) -> list[Sample]:
    """The download alone, and everything until the first event of a step."""
    meter = world.bare()
    world.machine.put(SCRIPT, (world.dist / "install.sh").read_bytes())
    transfer = meter.call(PART, TRANSFER, run, ["sh", "-ec", DOWNLOAD])
    return [transfer, _first_step(meter, transfer, run)]


def _first_step(meter: Meter, like: Sample, run: int) -> Sample:
    """Wall clock from outside, with what entering the machine takes; of the installation itself nothing is kept."""
    began = time.monotonic()
    process = meter.machine.popen(["sh", SCRIPT, "--harden", "--json"], env=ENVIRONMENT)
    assert process.stdout is not None and process.stderr is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line.decode(errors="replace"))
            if line.startswith(b"{") and json.loads(line)["event"] in ("applying", "waiting", "step"):
                wall = time.monotonic() - began
                return Sample(PART, STEP, run, round(wall, 3), None, like.load, like.idle, 0)
    finally:
        process.kill()
        process.wait()
    raise AssertionError(f"install.sh told of no step:\n{''.join(said)[-2000:]}\n{process.stderr.read().decode(errors='replace')[-2000:]}")
