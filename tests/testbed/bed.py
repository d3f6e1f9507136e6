"""The bed as a whole: network, services, machine, client; `with Bed() as bed:` removes everything at the end, whatever happened."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType, TracebackType

from . import build, guest, mounts, net, procs, supervisor
from .client import Client
from .clock import ClockGuard
from .layout import GIB, Layout
from .machine import Machine
from .net import Network
from .services import Instance
from .services_process import Services
from .sh import BedError

#: The memory of the plan most people choose for Mastodon, "Shared CPU 4 GB".
DEFAULT_MEMORY = 4 * GIB


class Bed:
    """`release`: Debian's name of the machine's system. `dist`: what the release host serves. `golden`: another disk image than the built
    one; `registry`: another storage of container images."""

    def __init__(
        self,
        name: str = "tb",
        release: str = "bullseye",
        dist: Path | None = None,
        *,
        golden: Path | None = None,
        registry: Path | None = None,
        services: bool = True,
        boot: bool = True,
        memory: int | None = DEFAULT_MEMORY,
    ) -> None:
        self.layout = Layout(name)
        self.release, self.dist, self.golden, self.registry = release, dist, golden, registry
        self.with_services, self.with_boot, self.memory = services, boot, memory
        self.network = Network(self.layout)
        self.machine = Machine(self.layout)
        self.client = Client(self.layout)
        self.services = Services(self.layout)

    # --- as a context manager

    def __enter__(self) -> "Bed":
        self._handlers = {number: signal.signal(number, _terminated) for number in (signal.SIGTERM, signal.SIGHUP)}
        try:
            self.up()
        except BaseException:
            self._restore_handlers()
            raise
        procs.record(self.layout.run / "owner.pid", os.getpid())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # A second Ctrl-C must not leave half a bed behind.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.down(force=True)
        finally:
            signal.signal(signal.SIGINT, before)
            self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    # --- up and down

    def up(self) -> None:
        """A fresh machine; what an earlier bed of this name left is removed first."""
        _require_root()
        golden = self._build()
        with self._locked():
            self._down(force=False)
            try:
                self._up(golden)
            except BaseException:
                # Half a bed is worse than none; the logs stay (Layout.kept_logs).
                self._down(force=True)
                raise

    def _up(self, golden: Path) -> None:
        self.layout.run.mkdir(parents=True)
        mounts.share(self.layout.run)
        self.layout.console.touch()
        self._remember()
        self.network.up()
        self.machine.disk.up(golden)
        self.machine.disk.mount()
        self.machine.cgroup.up()
        guest.prepare(self.layout.root)
        if self.with_services:
            key, fingerprint = build.docker_key(self.release)
            guest.prepare_mirror(self.layout.root, key.read_bytes(), fingerprint)
            self.services.start(self.dist, self.release, self.registry)
            guest.trust(self.layout.root, "testbed-pebble", self.services.pebble_root())
            self.layout.trust.write_bytes(self.services.roots())
            self.services.control.set_metadata(Instance(memory=(self.memory or DEFAULT_MEMORY) >> 20))
        if self.memory:
            self.machine.limit_memory(self.memory)
        if self.with_boot:
            self.machine.boot()

    def _build(self) -> Path:
        """What takes long comes from the cache, or goes there; nothing of the bed exists while it is built."""
        if self.with_services:
            build.docker_repository(self.release)
            build.registry()
        return self.golden or build.rootfs(self.release)

    def down(self, force: bool = False) -> None:
        """Removes everything; works from the bed's name alone. `force`: also when another living process uses the bed."""
        _require_root()
        with self._locked():
            self._down(force)

    def _down(self, force: bool) -> None:
        owner = procs.recorded(self.layout.run / "owner.pid")
        if owner and owner != os.getpid() and not force:
            raise BedError(f"bed {self.layout.name!r} is in use by process {owner}; end that first")
        clock = self._clock()
        steps: list[Callable[[], object]] = [
            lambda: supervisor.stop(self.layout),
            lambda: mounts.swapoff_below(self.layout.root),
            lambda: mounts.swapoff_unseen(self.layout.store_file, self.layout.disk.name),
            self.machine.kill,
            self.services.stop,
            self._end_strays,
            self.machine.disk.unmount,
            self.machine.disk.down,
            lambda: mounts.unmount_all(self.layout.run),
            self.machine.cgroup.down,
            self.network.down,
            self._keep_logs,
            lambda: mounts.require_gone(self.layout.run),
            lambda: _remove_tree(self.layout.run),
        ]
        errors = [error for step in steps if (error := _attempt(step))]
        if errors:
            raise BedError("the bed was not removed completely: " + "; ".join(errors))
        if clock:
            clock.check()

    def _end_strays(self) -> None:
        """Whatever still runs in the bed's namespaces, for instance a shell somebody left open."""
        found = [pid for netns in (self.layout.rtr, self.layout.vm, self.layout.cli) for pid in net.pids(netns)]
        left = procs.end([pid for pid in found if pid != os.getpid()], grace=1)
        if left:
            raise BedError(f"processes that do not end: {left}")

    # --- state

    @classmethod
    def attach(cls, name: str = "tb") -> "Bed":
        """The bed that an earlier `up` left running."""
        bed = cls(name)
        if not bed.is_up():
            raise BedError(f"bed {name!r} is not up")
        return bed

    def is_up(self) -> bool:
        return (self.layout.run / "state.json").exists() and net.exists(self.layout.rtr)

    def _remember(self) -> None:
        state = {"release": self.release, "dist": str(self.dist) if self.dist else None, "clock": asdict(ClockGuard.now())}
        (self.layout.run / "state.json").write_text(json.dumps(state))

    def state(self) -> dict:
        return json.loads((self.layout.run / "state.json").read_text())

    def _clock(self) -> ClockGuard | None:
        try:
            return ClockGuard(**self.state()["clock"])
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def check_clock(self) -> None:
        ClockGuard(**self.state()["clock"]).check()

    def _keep_logs(self) -> None:
        logs = [path for path in (*self.layout.run.glob("*.log"), *self.layout.run.glob("services/**/*.log")) if path.is_file()]
        if logs:
            self.layout.kept_logs.mkdir(parents=True, exist_ok=True)
        for log in logs:
            shutil.copy(log, self.layout.kept_logs / log.name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One `up` or `down` of this bed at a time."""
        self.layout.lock.parent.mkdir(parents=True, exist_ok=True)
        with self.layout.lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"waiting for another `up` or `down` of bed {self.layout.name!r}", file=sys.stderr)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _require_root() -> None:
    if os.geteuid() != 0:
        raise BedError("the test bed makes namespaces, mounts and control groups: run it as root")


def _attempt(step: Callable[[], object]) -> str | None:
    """Runs one step of the removal; its trouble must not keep the others from running."""
    try:
        step()
    except (BedError, OSError, subprocess.SubprocessError) as error:
        return str(error) or type(error).__name__
    return None


def _remove_tree(directory: Path) -> None:
    """Never into a mount: `require_gone` ran, and a mounted root here would be somebody's disk."""
    mounts.require_gone(directory)
    if directory.exists():
        shutil.rmtree(directory)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
