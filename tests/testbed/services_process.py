"""Starting and stopping the bed's services (testbed/services) in the router's namespace."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from . import build, procs
from .layout import Layout
from .services import Control
from .sh import BedError

START_SECONDS = 40.0


class Services:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @property
    def control(self) -> Control:
        """Steers the API, DNS, faults and metadata of this bed."""
        return Control.of_bed(self.layout.name)

    def start(self, dist: Path | None, release: str, registry: Path | None = None) -> None:
        """Returns when every port answers. `dist`: the files of the release host; none serves an empty directory. `registry`: another
        storage than the built one."""
        files = dist or self.layout.run / "dist"
        files.mkdir(exist_ok=True)
        # Only the network namespace: with `ip netns exec` the process would keep the host's mounts of this moment busy.
        enter = ["nsenter", f"--net=/run/netns/{self.layout.rtr}", "--"]
        options = ["--bed", self.layout.name, "--run-dir", str(self.layout.run), "--dist", str(files), "--release", release]
        options += ["--registry", str(registry)] if registry else []
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [*enter, sys.executable, "-m", "testbed.services", *options],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        procs.record(self._pid_file, process.pid)
        self._wait_ready()

    def stop(self) -> None:
        """Orderly first: it ends Pebble and the registry, its children."""
        pid = procs.recorded(self._pid_file)
        left = procs.end([pid] if pid else [], grace=5)
        self._pid_file.unlink(missing_ok=True)
        if left:
            raise BedError(f"the services do not end: process {left}")

    def pebble_root(self) -> bytes:
        """The root of the certificates that the machine gets; new at each start."""
        return self.control.pebble_root().encode()

    def roots(self) -> bytes:
        """Everything a client of this internet trusts (PEM)."""
        return build.ca().crt.read_bytes() + self.pebble_root()

    def _wait_ready(self) -> None:
        limit = time.monotonic() + START_SECONDS
        while not (self.layout.run / "ready").exists():
            if not procs.recorded(self._pid_file):
                raise BedError(f"the services ended at once:\n{self._log.read_text(errors='replace')[-2000:]}")
            if time.monotonic() > limit:
                raise BedError(f"the services are not ready after {START_SECONDS:g} s; see {self._log}")
            time.sleep(0.02)

    @property
    def _log(self) -> Path:
        return self.layout.run / "services-output.log"

    @property
    def _pid_file(self) -> Path:
        return self.layout.run / "services.pid"
