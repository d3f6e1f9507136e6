"""Who is at work on the machine while something runs, looked at several times a second from outside: processes of Rails, the agent's memory,
processor time by unit and by command. Independent of what tootstrap says about itself."""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from testbed import cgroup
from testbed.machine import Machine

AGENT = "tootstrap"
CONTAINER = "[0-9a-f]{64}"
TICKS = os.sysconf("SC_CLK_TCK")

@dataclass(frozen=True)
class Work:
    """What was seen. Seconds are processor time."""

    #: Command lines of the new Ruby processes whose parent is none: each is a boot of Rails, or of what `bundle exec` started. Workers that
    #: Puma forks are not.
    rails: list[str] = field(default_factory=list)
    #: The agent's peak resident memory, in bytes.
    memory: int = 0
    #: The agent itself, and what it started, by program and verb, with everything that those started and waited for.
    commands: dict[str, float] = field(default_factory=dict)
    #: By unit or container. Of a unit that of its processes and of what those waited for, of a container all.
    units: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict:
        return asdict(self)


class Process:
    """One process of the machine. What it is may change while it is young: forked first, another program then."""

    YOUNG = 10

    def __init__(self, pid: str, groups: str) -> None:
        self.pid, self.groups = pid, groups
        self.looks, self.program, self.words = 0, "", list[str]()
        self.parent: Process | None = None
        self.children: list[Process] = []
        #: Number of the census' round in which it was seen last. What is there in round 0 was there before.
        self.seen = 0
        self.existed = False
        #: Seconds: its own, of children that it waited for, and of both before the census.
        self.own, self.waited, self.before = 0.0, 0.0, 0.0
        self.memory = 0

    @property
    def is_ruby(self) -> bool:
        return self.program.startswith("ruby")

    @property
    def is_agent(self) -> bool:
        return self.program == AGENT

    @property
    def started_by_agent(self) -> bool:
        return self.parent is not None and self.parent.is_agent and not self.is_agent

    @property
    def unit(self) -> str:
        """The last part of its control group's name."""
        found = re.search(r"(?:name=systemd|0:):(.*)", self.groups)
        return found[1].rpartition("/")[2] if found else ""

    @property
    def leads(self) -> bool:
        """Nobody of its unit but PID 1 waits for it."""
        return self.parent is None or self.parent.unit != self.unit or self.parent.is_init

    @property
    def is_init(self) -> bool:
        return self.program == "systemd" and (self.parent is None or self.parent.program == "systemd-nspawn")

    @property
    def spent(self) -> float:
        """Seconds of it and of what it waited for. PID 1 waits for everybody, a shim for its container: that is not their work."""
        return self.own + (0.0 if self.is_init or self.program.startswith("containerd-shim") else self.waited)

    @property
    def cpu(self) -> float:
        """`spent`, and what still ran when it was seen last; since the census began."""
        return self.spent - self.before + sum(child.cpu for child in self.children if child.seen >= self.seen and not child.leads)

    @property
    def name(self) -> str:
        """`apt-get install`; of a script its own name."""
        words = self.words[1:] if self.program.startswith(("python", "perl")) else self.words
        verb = next((word for word in words[1:] if re.fullmatch("[a-z][a-z-]+", word)), "")
        program = os.path.basename(words[0]) if words and words[0] else "too short to be seen"
        return f"{program} {verb}".strip()

    def look(self, others: dict[str, "Process"], number: int) -> None:
        self.looks += 1
        try:
            at = Path("/proc") / self.pid
            stat = (at / "stat").read_text().rpartition(")")[2].split()
            self.parent = others.get(stat[1], self.parent)
            self.own, self.waited = ((int(a) + int(b)) / TICKS for a, b in (stat[11:13], stat[13:15]))
            self.seen = number
            if self.looks <= self.YOUNG:
                self.groups = (at / "cgroup").read_text()
                self.program = os.path.basename(os.readlink(at / "exe")).removesuffix(" (deleted)")
                self.words = (at / "cmdline").read_text(errors="replace").strip("\0").split("\0")
            if self.is_agent:
                peak = re.search(r"VmHWM:\s*(\d+)", (at / "status").read_text())
                self.memory = int(peak[1]) << 10 if peak else 0
        except (FileNotFoundError, ProcessLookupError):
            return
        if number == 0:
            self.existed = True
            self.before = self.spent


class Census(threading.Thread):
    """From now until `end`."""

    def __init__(self, machine: Machine, every: float = 0.2) -> None:
        super().__init__(daemon=True)
        self.machine, self.every = machine, every
        self.group = machine.layout.cgroup
        self.live: dict[str, Process] = {}
        self.all: list[Process] = []
        self.foreign: set[str] = set()
        self.rounds = 0
        self.accounts = Accounts(machine)
        self.trouble: Exception | None = None
        self.over = threading.Event()
        self._look()
        self.start()

    def run(self) -> None:
        try:
            while not self.over.wait(self.every):
                self._look()
        except Exception as trouble:
            # Told by `end`, in the thread that waits.
            self.trouble = trouble

    def _look(self) -> None:
        self.accounts.look()
        pids = {name for name in os.listdir("/proc") if name.isdigit()}
        self.foreign &= pids
        self.live = {pid: process for pid, process in self.live.items() if pid in pids}
        for pid in pids - self.live.keys() - self.foreign:
            groups = _groups(pid)
            if f"/{self.group}/" in groups:
                self.live[pid] = Process(pid, groups)
                self.all.append(self.live[pid])
            else:
                self.foreign.add(pid)
        for process in self.live.values():
            process.look(self.live, self.rounds)
        self.rounds += 1

    def end(self) -> Work:
        self.over.set()
        self.join()
        if self.trouble:
            raise self.trouble
        for process in self.all:
            if process.parent:
                process.parent.children.append(process)
        rails = [process for process in self.all if process.is_ruby and not process.existed and not (process.parent and process.parent.is_ruby)]
        commands: Counter[str] = Counter()
        for process in self.all:
            if process.started_by_agent:
                commands[process.name] += process.cpu
            elif process.is_agent:
                commands["the agent itself"] += process.own
        memory = max((process.memory for process in self.all if process.is_agent), default=0)
        assert memory, "no tootstrap was seen at work"
        spent = {name: round(seconds, 2) for name, seconds in commands.items()}
        return Work([" ".join(process.words) for process in rails], memory, spent, self._units())

    def _units(self) -> dict[str, float]:
        """With containers by their names; those that are gone are the ones that something was run in once."""
        listed = self.machine.sh("! command -v docker >/dev/null || docker ps --all --no-trunc --format '{{.ID}} {{.Names}}'")
        names = dict(line.split() for line in listed.splitlines())
        units: Counter[str] = Counter()
        for path, seconds in self.accounts.spent.items():
            found = re.search(CONTAINER, path)
            units[f"container {names.get(found[0], 'that ran once')}" if found else path] += seconds
        for process in self.all:
            if process.leads and not re.search(CONTAINER, process.unit):
                units[process.unit or "outside of units"] += process.cpu
        return {name: round(seconds, 2) for name, seconds in units.most_common() if seconds >= 0.05}


class Accounts:
    """The processor time of the control groups of containers; that of a group that is gone is what it last was."""

    PATTERNS = ("docker/*", "system.slice/docker-*.scope")

    def __init__(self, machine: Machine) -> None:
        controller = "cpuacct" if cgroup.host_is_v1() else ""
        self.root = machine.cgroup.of(controller)
        self.last: dict[str, float] = {}
        #: Seconds of each since the beginning.
        self.spent: Counter[str] = Counter()
        self.look()
        self.spent.clear()

    def look(self) -> None:
        for pattern in self.PATTERNS:
            for group in self.root.glob(pattern):
                used = self._used(group)
                if used is not None:
                    path = str(group.relative_to(self.root))
                    before = self.last.get(path, 0.0)
                    # A group that came anew under the same name begins at zero.
                    self.spent[path] += used - before if used >= before else used
                    self.last[path] = used

    @staticmethod
    def _used(group: Path) -> float | None:
        try:
            if cgroup.host_is_v1():
                return int((group / "cpuacct.usage").read_text()) / 1e9
            return int((group / "cpu.stat").read_text().split()[1]) / 1e6
        except OSError:
            # Gone meanwhile, or a file among the groups.
            return None


def _groups(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
