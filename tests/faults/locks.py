"""Locks of dpkg's and apt's in somebody else's hands."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.bed import Bed

HOLD = """
import fcntl, os, sys, time
file = open(sys.argv[1], "a")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def held(bed: Bed, lock: str, seconds: float) -> Iterator[None]:
    """Somebody else's process holds the lock, as apt does."""
    process = bed.machine.popen(["python3", "-c", HOLD, lock, str(seconds)])
    try:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        yield
    finally:
        # Its parent alone would leave it there.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
