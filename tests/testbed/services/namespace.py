"""Network namespaces from inside a process (setns(2) moves one thread)."""

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def enter(path: str | Path) -> None:
    """Moves the calling thread into the network namespace at `path`."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(handle, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter {path}: {os.strerror(number)}")
    finally:
        os.close(handle)


@contextlib.contextmanager
def inside(path: str | Path) -> Iterator[None]:
    """The calling thread is in that namespace within the `with` block."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(path)
        try:
            yield
        finally:
            enter(f"/proc/self/fd/{home}")
    finally:
        os.close(home)


def of_parent() -> str:
    """A path to the network namespace of the process that started this one.

    `ip netns exec` moves only its command, so this is the host's. The path stays
    valid after the parent has ended. (/proc/1 may be closed even to root.)
    """
    handle = os.open(f"/proc/{os.getppid()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    return f"/proc/self/fd/{handle}"


def socket_in(path: str | Path, family: int, kind: int) -> socket.socket:
    """A socket that belongs to that namespace for as long as it lives."""
    with inside(path):
        return socket.socket(family, kind)
