"""Mounts, loop devices and swap of a bed's disks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .sh import BedError, output, run


def under(directory: Path) -> list[Path]:
    """Mount points at or below `directory`, deepest last mounted first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split()[4].encode().decode("unicode_escape"))
        if point == directory or directory in point.parents:
            found.append(point)
    return found[::-1]


def mount_loop(image: Path, directory: Path, options: str) -> None:
    """The loop device goes away with the mount (autoclear)."""
    directory.mkdir(parents=True, exist_ok=True)
    run(["mount", "-o", f"loop,{options}", str(image), str(directory)])


def share(directory: Path) -> None:
    """Makes `directory` a mount whose unmounts other mount namespaces follow.

    Every container that starts keeps a hidden copy of the host's mounts. Where the host's root is private (no systemd as PID 1),
    such a copy would hold a disk long after it was unmounted here.
    """
    run(["mount", "--bind", str(directory), str(directory)])
    run(["mount", "--make-private", str(directory)])
    run(["mount", "--make-shared", str(directory)])


def unmount_all(directory: Path) -> None:
    for point in under(directory):
        run(["umount", str(point)])


def swapoff_below(root: Path) -> None:
    """A swap file pins its file system and holds the host's pages: off before anything is killed or unmounted (testbed.md §1.3)."""
    for line in Path("/proc/swaps").read_text().splitlines()[1:]:
        name, kind = line.split()[:2]
        path = Path(name.removesuffix("\\040(deleted)"))
        if kind != "file":
            continue
        # The path is shown as its mount namespace sees it: from the machine `/swapfile`, from here `<root>/swapfile`.
        candidate = path if root in path.parents else root / path.relative_to("/")
        if candidate.exists():
            run(["swapoff", str(candidate)], check=False)


def swapoff_unseen(store: Path, disk: str) -> None:
    """Swap on the disk `disk` in the store, mounted where we cannot see it: in the mount namespace of a run that was killed.

    The disk's loop device is known by the file's number, since its path is of that namespace.
    """
    for outer in _loops(lambda backing: backing.removesuffix(" (deleted)") == str(store)):
        with _mounted(outer) as files:
            listed = output(["losetup", "--noheadings", "--output", "NAME", "--associated", str(files / disk)])
            for inner in listed.split():
                with _mounted(inner) as root:
                    swapoff_below(root)


@contextmanager
def _mounted(device: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        run(["mount", device, directory])
        try:
            yield Path(directory)
        finally:
            run(["umount", directory])


def _loops(matches: Callable[[str], bool]) -> list[str]:
    devices = json.loads(output(["losetup", "--json", "--list", "--output", "NAME,BACK-FILE"]) or "{}").get("loopdevices", [])
    return [device["name"] for device in devices if matches(str(device["back-file"]))]


def loops_of(directory: Path) -> list[str]:
    """Loop devices whose backing file is below `directory`."""
    return _loops(lambda backing: backing.startswith(f"{directory}/"))


def require_gone(directory: Path) -> None:
    left = [*map(str, under(directory)), *loops_of(directory)]
    if left:
        raise BedError(f"still mounted or attached below {directory}: {', '.join(left)}")
