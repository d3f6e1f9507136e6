"""The machine's disk: an ext4 image in an XFS store with reflinks, so that copies are instant (facts/testbed.md §2)."""

from __future__ import annotations

import time
from pathlib import Path

from . import mounts
from .layout import GIB, Layout
from .sh import BedError, run

STORE_SIZE = 60 * GIB
RELEASE_SECONDS = 5.0

#: Without barriers a guest's fsync need not wait for the host's disk. A copy of the image still holds what the guest had synced: ext4
#: waits for the journal's blocks before the commit record, and the loop device has written them to the image by then.
MOUNT_OPTIONS = "noatime,barrier=0,discard"


class Disk:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def up(self, golden: Path) -> None:
        """Makes the store and copies the golden image into it; the golden itself is only read."""
        at = self.layout
        at.store_file.parent.mkdir(parents=True, exist_ok=True)
        with at.store_file.open("xb") as file:
            file.truncate(STORE_SIZE)
        run(["mkfs.xfs", "-q", "-m", "reflink=1", str(at.store_file)])
        mounts.mount_loop(at.store_file, at.store, "noatime,discard")
        run(["cp", "--sparse=always", "--reflink=auto", str(golden), str(at.disk)], timeout=600)

    def mount(self) -> None:
        mounts.mount_loop(self.layout.disk, self.layout.root, MOUNT_OPTIONS)

    def unmount(self) -> None:
        mounts.swapoff_below(self.layout.root)
        mounts.unmount_all(self.layout.root)
        self._wait_released()

    def _wait_released(self) -> None:
        """The loop device goes when the last namespace that saw the mount is gone, which the kernel does a little later."""
        limit = time.monotonic() + RELEASE_SECONDS
        while left := mounts.loops_of(self.layout.store):
            if time.monotonic() > limit:
                raise BedError(f"{', '.join(left)} is still in use: by a swap file, or by another mount namespace")
            time.sleep(0.02)

    def copy(self, name: str) -> None:
        """Keeps the disk as `name`; of a mounted disk that is what a power cut leaves."""
        self._clone(self.layout.disk, self._snapshot(name))

    def replace(self, name: str) -> None:
        """Makes `name` the disk again; it must not be mounted."""
        if not self.has(name):
            raise BedError(f"no snapshot {name!r}")
        self._clone(self._snapshot(name), self.layout.disk)

    def has(self, name: str) -> bool:
        return self._snapshot(name).exists()

    def discard(self, name: str) -> None:
        self._snapshot(name).unlink()

    def down(self) -> None:
        self.unmount()
        mounts.unmount_all(self.layout.store)
        self.layout.store_file.unlink(missing_ok=True)

    def _snapshot(self, name: str) -> Path:
        return self.layout.store / f"snapshot-{name}.img"

    def _clone(self, source: Path, target: Path) -> None:
        target.unlink(missing_ok=True)
        run(["cp", "--reflink=always", str(source), str(target)])
