"""Samples what processes show: their command lines, and the environments that an ordinary user can read.

`python3 sampler.py FILE` watches the host's /proc (the machine's processes are in it) until SIGTERM, then writes what it saw. A process is
looked at again and again, as it may become another program; a new one at once.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

#: A new process is read in each of its first rounds, an old one in every so manieth.
YOUNG, OLD_EVERY = 60, 100
PAUSE = 0.0005


class Watch:
    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: set[bytes] = set()
        self.ages: dict[str, int] = {}
        self.rounds = 0
        self.reads = 0

    def look(self) -> None:
        """One round."""
        pids = [name for name in os.listdir("/proc") if name.isdigit()]
        self.rounds += 1
        ages, self.ages = self.ages, {}
        for pid in pids:
            age = self.ages[pid] = ages.get(pid, 0) + 1
            if age <= YOUNG or age % OLD_EVERY == 0:
                self._read(pid)

    def _read(self, pid: str) -> None:
        try:
            with open(f"/proc/{pid}/{self.name}", "rb") as file:
                data = file.read()
        except OSError:
            return
        if data:
            self.reads += 1
            self.seen.add(data)


def watch(name: str, output: Path) -> None:
    """Until SIGTERM."""
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    watching = Watch(name)
    while not ended:
        watching.look()
        time.sleep(PAUSE)
    said = {"rounds": watching.rounds, "reads": watching.reads, "seen": [base64.b64encode(data).decode() for data in watching.seen]}
    output.write_text(json.dumps(said))


class Sampler:
    """Both watches, each a process of its own: `cmdline` with all rights, `environ` as the visitor `uid`."""

    def __init__(self, uid: int) -> None:
        self.uid = uid

    def __enter__(self) -> "Sampler":
        self.directory = tempfile.TemporaryDirectory(dir="/dev/shm")
        Path(self.directory.name).chmod(0o777)
        self.running = {name: self._start(name, rights) for name, rights in (("cmdline", None), ("environ", self.uid))}
        return self

    def _start(self, name: str, uid: int | None) -> subprocess.Popen:
        output = Path(self.directory.name) / name
        argv = ["/usr/bin/python3", "-B", __file__, name, str(output)]
        rights = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
        return subprocess.Popen(argv, **rights)

    def __exit__(self, *_: object) -> None:
        self.rounds, self.reads, self.seen = {}, {}, {}
        for name, process in self.running.items():
            process.terminate()
            process.wait(timeout=60)
            said = json.loads((Path(self.directory.name) / name).read_text())
            self.rounds[name], self.reads[name] = said["rounds"], said["reads"]
            self.seen[name] = b"\n".join(base64.b64decode(data) for data in said["seen"])
        self.directory.cleanup()


if __name__ == "__main__":
    watch(sys.argv[1], Path(sys.argv[2]))
