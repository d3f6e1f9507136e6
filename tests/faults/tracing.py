"""What the process that does the work, and all that it starts, does with files and commands: strace in its unit; and core dumps."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from testbed.machine import Machine

#: On a tmpfs, for root alone: environments in it hold secrets. In a directory of the bed's name, which no search looks into.
TRACE = "/dev/shm/testbed/trace"
DROP_IN = "/run/systemd/system/tootstrap-work.service.d"
CALLS = "execve,open,openat,creat,mkdir,mkdirat,mknod,mknodat,chmod,fchmod,fchmodat,rename,renameat,renameat2,link,linkat"
UNIT = """\
[Service]
LimitCORE=infinity
ExecStart=
ExecStart=/usr/bin/strace -f --seccomp-bpf -qq -v -y -s 8192 -A -e trace={calls} -o {trace} {program} work
"""

STRING = r'"((?:[^"\\]|\\.)*)"'
#: Where a relative path begins: a descriptor that strace resolved.
AT = r"(?:AT_FDCWD|\d+)(?:<([^>]*)>)?"
OPEN = re.compile(rf"open(?:at)?\((?:{AT}, )?{STRING}, ([A-Z_|]*O_CREAT[A-Z_|]*), (0[0-7]+)\)\s+= \d+")
CHMOD = re.compile(rf"(?:chmod\({STRING}|fchmodat\({AT}, {STRING}|fchmod\(\d+<([^>]*)>), (0[0-7]+)")
RENAME = re.compile(rf"rename(?:at2?)?\((?:{AT}, )?{STRING}, (?:{AT}, )?{STRING}[^)]*\)\s+= 0")
EXECVE = re.compile(rf"execve\({STRING}, (\[.*?\]), (?:\[|0x)")


@dataclass(frozen=True)
class Creation:
    """A file made, or its mode set."""

    path: str
    mode: int


@dataclass(frozen=True)
class Trace:
    text: str

    @classmethod
    def of(cls, machine: Machine) -> "Trace":
        return cls(machine.get(TRACE).decode(errors="replace"))

    @cached_property
    def lines(self) -> list[str]:
        """One call a line: those that another thread's interrupted are put together again."""
        found, begun = [], {}
        for line in self.text.splitlines():
            pid, _, call = line.partition(" ")
            if call.endswith(" <unfinished ...>"):
                begun[pid] = call.removesuffix(" <unfinished ...>")
            elif resumed := re.match(r"\s*<\.\.\. \w+ resumed>(.*)$", call):
                found.append(f"{pid} {begun.pop(pid, '')}{resumed[1]}")
            else:
                found.append(line)
        return found

    @cached_property
    def events(self) -> dict[str, list[Creation]]:
        """By path: creations and changes of mode."""
        found = defaultdict(list)
        for line in self.lines:
            if made := OPEN.search(line):
                path = _joined(made[1], made[2])
                found[path].append(Creation(path, int(made[4], 8)))
            elif changed := CHMOD.search(line):
                path = changed[1] or (_joined(changed[2], changed[3]) if changed[3] else changed[4])
                found[path].append(Creation(path, int(changed[5], 8)))
        return dict(found)

    @property
    def created(self) -> int:
        return sum(map(len, self.events.values()))

    @cached_property
    def former_names(self) -> dict[str, set[str]]:
        """By path: what was renamed to it."""
        found = defaultdict(set)
        for line in self.lines:
            if moved := RENAME.search(line):
                found[_joined(moved[3], moved[4])].add(_joined(moved[1], moved[2]))
        return dict(found)

    def creations(self, path: str) -> list[Creation]:
        """Of the file at this path, under whatever name it was made."""
        names = {path} | self.former_names.get(path, set())
        return [creation for name in names for creation in self.events.get(name, [])]

    def about(self, path: str) -> list[str]:
        """The lines that name the file or what it may have been before."""
        directory, _, name = path.rpartition("/")
        return [line[:300] for line in self.text.splitlines() if directory in line and name in line][:40]

    @cached_property
    def arguments(self) -> list[bytes]:
        """Of every command, without its environment."""
        return [made[2].encode() for line in self.lines if (made := EXECVE.search(line))]


def _joined(directory: str | None, path: str) -> str:
    return path if path.startswith("/") or not directory else f"{directory}/{path}"


def prepare(machine: Machine, program: str) -> None:
    """strace on the machine, around the worker of the next runs; the worker's unit allows core dumps."""
    machine.sh("apt-get -q update && apt-get -q install -y --no-install-recommends strace", timeout=300)
    machine.run(["mkdir", "-m", "700", TRACE.rpartition("/")[0]])
    machine.put(f"{DROP_IN}/trace.conf", UNIT.format(calls=CALLS, trace=TRACE, program=program))
    machine.run(["systemctl", "daemon-reload"])


def end(machine: Machine) -> None:
    """No tracing any more."""
    machine.run(["rm", "-rf", TRACE, DROP_IN])


def worker(machine: Machine, program: str, timeout: float = 60) -> int:
    """The process that does the work, once it is at work."""
    limit = time.monotonic() + timeout
    while time.monotonic() < limit:
        found = machine.run(["pgrep", "--full", "--exact", f"{program} work"], check=False).stdout.split()
        if found and machine.exists("/run/tootstrap.lock"):
            return int(found[0])
        time.sleep(0.2)
    raise AssertionError("nobody is at work")


def wait_gone(machine: Machine, pid: int, timeout: float = 60) -> None:
    limit = time.monotonic() + timeout
    while machine.exists(f"/proc/{pid}/exe") or machine.run(["systemctl", "is-active", "tootstrap-work.service"], check=False).returncode == 0:
        assert time.monotonic() < limit, f"process {pid} does not end"
        time.sleep(0.2)


def cores(machine: Machine) -> list[str]:
    """Core dumps: the kernel's pattern here is a plain name, and the programs' directory is /."""
    return machine.sh("find / /root /var/lib/systemd/coredump /var/crash -maxdepth 1 -type f -name 'core*' 2>/dev/null || true").split()


def remove_cores(machine: Machine) -> None:
    machine.run(["rm", "-f", *cores(machine)])


def is_out_of_reach(machine: Machine, path: str) -> bool:
    """Does one of the directories above keep others out?"""
    parents = [path.rsplit("/", depth)[0] for depth in range(1, path.count("/"))]
    modes = machine.run(["stat", "-c", "%a", *parents]).stdout.decode().split()
    return any(int(mode, 8) & 0o001 == 0 for mode in modes)
