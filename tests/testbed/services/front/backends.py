"""Where the front's answers come from: a service in this process, a local
server behind it, or a directory."""

import dataclasses
import http.client
import mimetypes
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote

from ..http import Request, Response
from .faults import CHUNK

#: Connection-level fields, never passed on (RFC 9110 §7.6.1).
HOP_BY_HOP = frozenset("connection keep-alive proxy-connection te trailer transfer-encoding upgrade".split())
UPSTREAM_TIMEOUT = 60
RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


@dataclass
class Stream:
    """An answer whose body is read while it is sent; `length` None: until the end."""

    status: int
    headers: list[tuple[str, str]]
    length: int | None
    chunks: Iterator[bytes | memoryview] = field(default_factory=lambda: iter(()))


class Backend(Protocol):
    """Something that answers the requests of a host name."""

    def answer(self, request: Request) -> Response | Stream:
        """The answer to one request."""
        ...


class Proxy:
    """Passes requests to a server on rtr's loopback; `Host` is kept.

    `rewrite`: paths that are called otherwise there.
    """

    def __init__(self, port: int, tls: bool = False, rewrite: Mapping[str, str] | None = None) -> None:
        self._port, self._tls, self._rewrite = port, tls, dict(rewrite or {})

    def answer(self, request: Request) -> Response | Stream:
        """The upstream's answer; 502 if there is none."""
        connection = self._connect()
        path = self._rewrite.get(request.path, request.path)
        target = f"{path}?{request.query}" if request.query else path
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        headers |= {"X-Forwarded-For": request.caller, "X-Forwarded-Proto": "https"}
        try:
            connection.request(request.method, target, body=request.body or None, headers=headers)
            reply = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return Response.text(502, f"The service behind this name does not answer: {error}\n")
        kept = [(name, value) for name, value in reply.getheaders() if name.lower() not in HOP_BY_HOP]
        return Stream(reply.status, kept, _length(reply, request.method), _reading(reply, connection))

    def _connect(self) -> http.client.HTTPConnection:
        if not self._tls:
            return http.client.HTTPConnection("127.0.0.1", self._port, timeout=UPSTREAM_TIMEOUT)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self._port, timeout=UPSTREAM_TIMEOUT, context=context)


class Forward:
    """Passes requests on to a real server outside the bed, over plain HTTP; `instead`: directories by the paths whose files are taken from them.

    `find`: gives the server's address.
    """

    def __init__(self, host: str, find: Callable[[str], str], instead: Mapping[str, Path]) -> None:
        self._host, self._find = host, find
        self._instead = {prefix: Directory(directory) for prefix, directory in instead.items()}

    def answer(self, request: Request) -> Response | Stream:
        """The real server's answer; 502 if there is none."""
        for prefix, directory in self._instead.items():
            if request.path.startswith(prefix):
                return directory.answer(dataclasses.replace(request, path="/" + request.path.removeprefix(prefix).lstrip("/")))
        target = f"{request.path}?{request.query}" if request.query else request.path
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        connection: http.client.HTTPConnection | None = None
        try:
            connection = http.client.HTTPConnection(self._find(self._host), timeout=UPSTREAM_TIMEOUT)
            connection.request(request.method, target, headers=headers)
            reply = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            if connection:
                connection.close()
            return Response.text(502, f"{self._host} does not answer: {error}\n")
        kept = [(name, value) for name, value in reply.getheaders() if name.lower() not in HOP_BY_HOP]
        return Stream(reply.status, kept, _length(reply, request.method), _reading(reply, connection))


def _length(reply: http.client.HTTPResponse, method: str) -> int | None:
    if method == "HEAD" or reply.status in (204, 304) or reply.status < 200:
        return 0
    given = reply.getheader("Content-Length")
    return None if given is None else int(given)


def _reading(reply: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(CHUNK))
    try:
        while count := reply.readinto(buffer):
            yield buffer[:count]
    finally:
        connection.close()


class Directory:
    """Serves the files of a directory, with ranges; GET and HEAD only."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def answer(self, request: Request) -> Response | Stream:
        """The file, or the part of it that `Range` wants."""
        if request.method not in ("GET", "HEAD"):
            return Response.text(405, "Method Not Allowed\n")
        path = (self._root / unquote(request.path).lstrip("/")).resolve()
        if not path.is_relative_to(self._root) or not path.is_file():
            return Response.text(404, "404 Not Found\n")
        size = path.stat().st_size
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        headers = [("Content-Type", kind), ("Accept-Ranges", "bytes")]
        first, last = _wanted(request.headers.get("range"), size)
        if first >= size > 0:
            return Response(416, {"Content-Range": f"bytes */{size}"})
        partial = (first, last) != (0, size - 1)
        if partial:
            headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        length = last - first + 1
        headers.append(("Content-Length", str(length)))
        if request.method == "HEAD":
            return Stream(200, headers, 0)
        return Stream(206 if partial else 200, headers, length, _part(path.open("rb"), first, length))


def _wanted(header: str | None, size: int) -> tuple[int, int]:
    """First and last byte; a range that is not understood is ignored (RFC 9110 §14.2)."""
    found = RANGE.match(header or "")
    if found is None or found.groups() == ("", ""):
        return 0, size - 1
    start, end = found.groups()
    if not start:
        return max(0, size - int(end)), size - 1
    return int(start), min(int(end), size - 1) if end else size - 1


def _part(stream: BinaryIO, first: int, length: int) -> Iterator[bytes]:
    with stream:
        stream.seek(first)
        while length > 0 and (chunk := stream.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk
