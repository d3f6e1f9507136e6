"""What fixtures and tests share."""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass

from testbed.bed import Bed
from testbed.layout import GIB

#: RAM of the machine in bytes. From 6 GB on the product makes no swap file, so that several beds can be up at once (facts/testbed.md §1.3).
MEMORY = int(os.environ.get("TOOTSTRAP_BED_MEMORY", "4")) * GIB

#: Is the bed's machine as the installation left it?
REUSABLE: dict[Bed, bool] = {}


@dataclass(frozen=True)
class Installation:
    """The one real run of the StackScript that the other tests start from."""

    status: int
    console: str
    seconds: float
    zones: list[tuple[dict, list[dict]]]
    #: (secret's name, file) wherever on the disk a first password was, right after.
    holders: set[tuple[str, str]]


def fresh_world(bed: Bed) -> None:
    """Linode's account, DNS, caches and faults as at the start."""
    bed.services.control.reset()
    # Real publication takes seconds; tests about it set their own.
    bed.services.control.set_publication_delay(3.0)


def wait_healthy(bed: Bed, timeout: float = 120) -> None:
    """Until every container that has a health check says healthy."""
    script = "docker ps -a --format '{{.Names}} {{.Status}}'"
    limit = time.monotonic() + timeout
    while True:
        lines = bed.machine.sh(script).splitlines()
        bad = [line for line in lines if "Up" not in line or "(health: starting)" in line or "(unhealthy)" in line]
        if lines and not bad:
            return
        assert time.monotonic() < limit, f"not healthy after {timeout:g} s: {bad or 'no containers'}"
        time.sleep(0.5)


def killed_for_memory(bed: Bed, since: float) -> list[str]:
    """What the kernel's OOM killer ended in the machine's control groups since that moment of the monotonic clock."""
    said = subprocess.run(["dmesg", "--color=never"], capture_output=True, text=True, errors="replace", check=True).stdout
    kills = [line for line in said.splitlines() if "oom-kill:" in line and f"/{bed.layout.cgroup}" in line]
    moment = re.compile(r"^\[ *([\d.]+)\]")
    return [line for line in kills if (found := moment.match(line)) and float(found[1]) >= since]
