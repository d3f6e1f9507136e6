"""One cgroup subtree a machine (facts/testbed.md §1.1): limits, freezing, and nobody else's processes in reach."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from .layout import Layout
from .sh import run

ROOT = Path("/sys/fs/cgroup")


def host_is_v1() -> bool:
    """On a host with cgroup v2 only, systemd-nspawn's own defaults do."""
    return not (ROOT / "cgroup.controllers").exists()


def controllers() -> list[Path]:
    """The mounted hierarchies of a v1 host: one directory each, `systemd` and `unified` included; co-mounted ones once."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted({Path(words[1]) for words in mounts if words[2] in ("cgroup", "cgroup2") and Path(words[1]).parent == ROOT})


class Subtree:
    """The control groups of one machine on a v1 host; on a v2 host one group that holds nspawn."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def groups(self) -> list[Path]:
        if host_is_v1():
            return [controller / self.layout.cgroup for controller in controllers()]
        return [ROOT / self.layout.cgroup]

    def up(self) -> None:
        for group in self.groups():
            group.mkdir(exist_ok=True)
            if group.parent.name.startswith("cpuset"):
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (group / name).write_text((group.parent / name).read_text())
        if host_is_v1():
            self._view()

    def _view(self) -> None:
        """What the machine sees as /sys/fs/cgroup."""
        view = self.layout.cgroups
        view.mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", "tmpfs", "-o", "mode=755,size=1m", "tootstrap-bed", str(view)])
        for group in self.groups():
            target = view / group.parent.name
            target.mkdir()
            run(["mount", "--bind", str(group), str(target)])

    def exists(self) -> bool:
        return all(group.is_dir() for group in self.groups())

    def join(self) -> None:
        """Moves the calling process in; for use between fork and exec."""
        for group in self.groups():
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def join_beside(self, leader: int) -> None:
        """Moves the calling process to where the guest's PID 1 is; for commands entered from outside."""
        for line in Path(f"/proc/{leader}/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            mount = self._mount(names)
            if mount:
                (mount / path.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))

    @staticmethod
    def _mount(names: str) -> Path | None:
        """Where the hierarchy is mounted that /proc/PID/cgroup calls `names`."""
        if not host_is_v1():
            return ROOT
        wanted = {"": "unified", "name=systemd": "systemd"}.get(names, names)
        return next((mount for mount in controllers() if mount.name == wanted), None)

    def pids(self) -> list[int]:
        return sorted({pid for found in self.pids_by_group().values() for pid in found})

    def pids_by_group(self) -> dict[Path, list[int]]:
        """By every group of every hierarchy. One that vanishes meanwhile has none."""
        found = {}
        for group in self.groups():
            for directory, _, _ in os.walk(group):
                path = Path(directory)
                found[path] = [int(pid) for pid in _read(path / "cgroup.procs").split()]
        return found

    def limit_memory(self, size: int) -> None:
        """`size` in bytes; the kernel's OOM killer acts inside the machine then."""
        group = self.of("memory")
        name = "memory.limit_in_bytes" if host_is_v1() else "memory.max"
        (group / name).write_text(str(size))

    def cpu_seconds(self) -> float:
        """Processor time that everything in the machine has used since it was made."""
        if host_is_v1():
            return int((self.of("cpuacct") / "cpuacct.usage").read_text()) / 1e9
        used = dict(line.split() for line in (self.of("") / "cpu.stat").read_text().splitlines())
        return int(used["usage_usec"]) / 1e6

    def freeze(self, frozen: bool) -> None:
        """A machine that hangs: everything in it stops, the network stays."""
        if host_is_v1():
            (self.of("freezer") / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
        else:
            (self.of("") / "cgroup.freeze").write_text("1" if frozen else "0")

    def down(self) -> None:
        """Removes the groups; the machine must have ended."""
        for group in self.groups():
            for directory in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                directory.rmdir()
            if group.is_dir():
                group.rmdir()

    def of(self, controller: str) -> Path:
        """The machine's group of that controller; on a v2 host its only one."""
        if not host_is_v1():
            return self.groups()[0]
        return next(group for group in self.groups() if controller in group.parent.name.split(","))


def _read(path: Path) -> str:
    """Empty if the group has gone: before it was opened, or since."""
    try:
        return path.read_text()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        return ""
