"""What one call on the machine costs: wall clock, processor time of it and of all that it started, peak memory of the agent."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed.machine import Machine

DIRECTORY = "/run/bench"
#: Around the process that works in its own unit (src/cli/work.rs): without this its time would be systemd's.
DROP_IN = "/run/systemd/system/tootstrap-work.service.d/bench.conf"

#: bash's `time` has milliseconds and counts all descendants that were waited for.
TIMED = """\
#!/bin/bash
TIMEFORMAT='%3R %3U %3S'
exec 3>&2
status=0
{{ time {command} 2>&3 || status=$?; }} 2>{file}
exit $status
"""


def idle_share(seconds: float = 0.3) -> float:
    """Of the host's processor time within so many seconds."""

    def times() -> tuple[int, int]:
        words = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return words[3] + words[4], sum(words)

    idle, whole = times()
    time.sleep(seconds)
    idle_then, whole_then = times()
    return (idle_then - idle) / max(1, whole_then - whole)


@dataclass(frozen=True)
class Sample:
    """One measured call. Seconds; `load` is the one-minute load average of the host just before, `idle` the share of its processors'
    time that nobody used then."""

    part: str
    variant: str
    run: int
    wall: float
    #: None: not measured.
    cpu: float | None
    load: float
    idle: float
    status: int
    #: Peak resident memory in bytes, where it was watched.
    memory: int | None = None
    #: How many changes the program reported, where it counts them.
    changed: int | None = None

    def as_json(self) -> dict:
        return asdict(self)


class Meter:
    """Measures calls on one machine that is up. `program`: where the agent is."""

    def __init__(self, machine: Machine, program: str) -> None:
        self.machine = machine
        #: What the latest call printed.
        self.said = ""
        machine.put(f"{DIRECTORY}/work", TIMED.format(command=f"{program} work", file=f"{DIRECTORY}/inner"), 0o755)
        machine.put(f"{DIRECTORY}/call", TIMED.format(command='"$@"', file=f"{DIRECTORY}/outer"), 0o755)
        machine.put(DROP_IN, f"[Service]\nExecStart=\nExecStart={DIRECTORY}/work\n")
        machine.run(["systemctl", "daemon-reload"])

    def call(
        self,
        part: str,
        variant: str,
        run: int,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        expect: Sequence[int] = (0,),
        timeout: float = 1800,
        watch: bool = False,
    ) -> Sample:
        """Runs it. `watch`: looks at the memory of every tootstrap meanwhile, which costs time: not for timing."""
        self.machine.run(["rm", "-f", f"{DIRECTORY}/inner"])
        load, idle = os.getloadavg()[0], idle_share()
        watching = Memory(self.machine) if watch else None
        done = self.machine.run([f"{DIRECTORY}/call", *argv], env=env, check=False, timeout=timeout)
        memory = watching.end() if watching else None
        self.said = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode in expect, f"{part}, {variant}: `{' '.join(argv)}` ended with {done.returncode}:\n{self.said[-3000:]}"
        wall, *cpu = self._times("outer")
        if self.machine.exists(f"{DIRECTORY}/inner"):
            cpu += self._times("inner")[1:]
        return Sample(part, variant, run, wall, round(sum(cpu), 3), round(load, 2), round(idle, 2), done.returncode, memory)

    def _times(self, name: str) -> list[float]:
        """Wall, user, system."""
        return [float(word) for word in self.machine.get(f"{DIRECTORY}/{name}").split()]


class Memory(threading.Thread):
    """The most memory that a process called tootstrap of the machine had resident: its own high-water mark, read until it ends."""

    EVERY = 0.002
    #: Rounds in which a new process may still become tootstrap: until then it is whatever started it.
    YOUNG = 50

    def __init__(self, machine: Machine) -> None:
        super().__init__(daemon=True)
        self.group = machine.layout.cgroup
        self.ages: dict[str, int] = {}
        self.mine: set[str] = set()
        self.peak = 0
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(self.EVERY):
            pids = {name for name in os.listdir("/proc") if name.isdigit()}
            self.ages = {pid: self.ages.get(pid, 0) + 1 for pid in pids}
            self.mine = {pid for pid in pids if pid in self.mine or (self.ages[pid] <= self.YOUNG and self._is_mine(pid))}
            for pid in self.mine:
                # Not what a child has become that was a copy of it for a moment.
                self.peak = max(self.peak, self._peak(pid) if self._is_mine(pid) else 0)

    def _is_mine(self, pid: str) -> bool:
        try:
            return Path(f"/proc/{pid}/comm").read_text().startswith("tootstrap") and self.group in Path(f"/proc/{pid}/cgroup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False

    @staticmethod
    def _peak(pid: str) -> int:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return 0
        line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
        return int(line.split()[1]) << 10 if line else 0

    def end(self) -> int:
        self.over.set()
        self.join()
        assert self.peak, "no tootstrap was seen at work"
        return self.peak
