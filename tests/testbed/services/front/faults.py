"""Trouble with a host name of the front, and how a body is sent through it."""

import dataclasses
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

CHUNK = 256 * 1024
TICKS_PER_SECOND = 20


@dataclass
class HostFault:
    """One kind of trouble for the requests that match; all that are given act together.

    `host`; `path`: regular expression searched in path and query; `method`;
    `family`: only clients over IPv4 (4) or IPv6 (6); `skip`, `times`: matching
    requests that pass first, that are hit (None: until cleared).

    `status`, `headers`, `body`: this instead of the real answer. `flip_at`: the byte
    at this offset of the body is wrong. `truncate_after`, `reset_after`,
    `stall_after`: after so many bytes of the body the connection is closed
    properly, reset, or goes silent; 0 is before the first byte of the answer.
    `bytes_per_second`: limit. `delay`: seconds before the answer.
    """

    host: str
    path: str = ""
    method: str | None = None
    family: int | None = None
    skip: int = 0
    times: int | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    flip_at: int | None = None
    truncate_after: int | None = None
    reset_after: int | None = None
    stall_after: int | None = None
    bytes_per_second: int | None = None
    delay: float = 0.0

    def matches(self, host: str, method: str, path: str, family: int) -> bool:
        """Is this request one of those?"""
        if self.host != host or self.method not in (None, method) or self.family not in (None, family):
            return False
        return re.search(self.path, path) is not None

    def cut(self) -> tuple[int, Callable[[socket.socket], None]] | None:
        """After how many bytes the body ends early, and what happens then."""
        ends = [
            (self.truncate_after, close_properly),
            (self.reset_after, reset),
            (self.stall_after, stall),
        ]
        given = [(after, action) for after, action in ends if after is not None]
        return min(given, key=lambda end: end[0]) if given else None


class HostFaults:
    """All faults of the front; the first that matches and is not used up counts."""

    def __init__(self) -> None:
        self._faults: list[HostFault] = []
        self._lock = threading.Lock()

    def add(self, fault: HostFault) -> None:
        """One more fault, after those that are there."""
        with self._lock:
            self._faults.append(dataclasses.replace(fault))

    def clear(self, host: str | None = None) -> None:
        """No faults any more, of one host or of all."""
        with self._lock:
            self._faults = [fault for fault in self._faults if host is not None and fault.host != host]

    def take(self, host: str, method: str, path: str, family: int) -> HostFault | None:
        """The fault for this request; counts it."""
        with self._lock:
            for fault in self._faults:
                if fault.times == 0 or not fault.matches(host, method, path, family):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


class Cut(Exception):
    """The fault ended the connection."""


def send_body(sock: socket.socket, chunks: Iterable[bytes | memoryview], fault: HostFault | None) -> int:
    """Sends the chunks of a body and counts its bytes; raises `Cut` when the fault ended the connection."""
    sent = 0
    if fault is None:
        for chunk in chunks:
            sock.sendall(chunk)
            sent += len(chunk)
        return sent
    cut = fault.cut()
    for chunk in chunks:
        piece = _flipped(bytes(chunk), sent, fault.flip_at)
        if cut is not None and sent + len(piece) >= cut[0]:
            _paced(sock, piece[: cut[0] - sent], fault.bytes_per_second)
            cut[1](sock)
            raise Cut
        _paced(sock, piece, fault.bytes_per_second)
        sent += len(piece)
    return sent


def _flipped(piece: bytes, offset: int, flip_at: int | None) -> bytes:
    if flip_at is None or not offset <= flip_at < offset + len(piece):
        return piece
    at = flip_at - offset
    return piece[:at] + bytes([piece[at] ^ 0xFF]) + piece[at + 1 :]


def _paced(sock: socket.socket, piece: bytes, bytes_per_second: int | None) -> None:
    if bytes_per_second is None:
        sock.sendall(piece)
        return
    step = max(1, bytes_per_second // TICKS_PER_SECOND)
    for start in range(0, len(piece), step):
        part = piece[start : start + step]
        sock.sendall(part)
        time.sleep(len(part) / bytes_per_second)


def close_properly(sock: socket.socket) -> None:
    """TLS close_notify and FIN: the peer sees an end, too early."""
    sock.settimeout(1)
    if isinstance(sock, ssl.SSLSocket):
        sock.unwrap()


def reset(sock: socket.socket) -> None:
    """RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def stall(sock: socket.socket) -> None:
    """Silence until the peer gives up."""
    sock.settimeout(None)
    while sock.recv(65536):
        pass
