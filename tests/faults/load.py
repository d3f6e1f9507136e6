"""Load on a server, made on the client: `python3 load.py sockets|work SITE …`. Prints a JSON line a second; SIGTERM ends it.

`sockets` holds idle WebSocket connections through /api/v1/streaming, `work` posts and reads, and notes what was acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import resource
import signal
import ssl
from dataclasses import dataclass, field

#: Opened at once: a handshake costs both sides a millisecond or two.
OPENING = 20
PATIENCE = 20.0
READ = ("/health", "/robots.txt", "/packs/application.css")


@dataclass
class Sockets:
    """`lost`: connections that ended although nobody here ended them. Each is opened again."""

    site: str
    token: str
    wanted: int
    open: int = 0
    refused: int = 0
    lost: int = 0
    last_error: str = ""

    async def run(self) -> None:
        gate = asyncio.Semaphore(OPENING)
        await asyncio.gather(*(self._hold(gate) for _ in range(self.wanted)))

    async def _hold(self, gate: asyncio.Semaphore) -> None:
        while True:
            try:
                async with gate:
                    reader, writer = await asyncio.wait_for(self._connect(), PATIENCE)
            except (OSError, ssl.SSLError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
                self.refused += 1
                self.last_error = f"{type(error).__name__}: {error}"
                await asyncio.sleep(1)
                continue
            self.open += 1
            try:
                await self._answer_pings(reader, writer)
            except (OSError, ssl.SSLError, asyncio.IncompleteReadError) as error:
                self.last_error = f"{type(error).__name__}: {error}"
            self.open -= 1
            self.lost += 1
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self.site, 443, ssl=context(), limit=4096)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            *("GET /api/v1/streaming HTTP/1.1", f"Host: {self.site}", "Connection: Upgrade", "Upgrade: websocket"),
            *("Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", f"Authorization: Bearer {self.token}", "", ""),
        ]
        writer.write("\r\n".join(lines).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            writer.close()
            raise ValueError(head.split(b"\r\n", 1)[0].decode(errors="replace"))
        return reader, writer

    @staticmethod
    async def _answer_pings(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first, length = await reader.readexactly(2)
            if length == 126:
                length = int.from_bytes(await reader.readexactly(2), "big")
            elif length == 127:
                length = int.from_bytes(await reader.readexactly(8), "big")
            payload = await reader.readexactly(length)
            if first & 0x0F == 8:
                return
            if first & 0x0F == 9:
                writer.write(bytes([0x8A, 0x80 | len(payload)]) + bytes(4) + payload)

    def said(self) -> dict:
        return {"open": self.open, "refused": self.refused, "lost": self.lost, "error": self.last_error}


@dataclass
class Work:
    """Posts and reads at a steady rate; what fails is counted and not repeated. `posted`: ids that the server acknowledged."""

    site: str
    token: str
    rate: float
    posted: list[str] = field(default_factory=list)
    read: int = 0
    failed: int = 0
    last_error: str = ""
    _number: int = 0
    _told: int = 0

    async def run(self) -> None:
        await asyncio.gather(self._every(1 / self.rate, self._post), self._every(0.1 / self.rate, self._get))

    async def _every(self, seconds: float, deed) -> None:
        loop, running = asyncio.get_running_loop(), set()
        due = loop.time()
        while True:
            # Whoever waits for an answer does not hold up the next request, within reason.
            if len(running) < 100:
                task = asyncio.create_task(self._noted(deed))
                running.add(task)
                task.add_done_callback(running.discard)
            due = max(due + seconds, loop.time() - 1)
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _noted(self, deed) -> None:
        try:
            await asyncio.wait_for(deed(), PATIENCE)
        except (OSError, ssl.SSLError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            self.failed += 1
            self.last_error = f"{type(error).__name__}: {error}"

    async def _post(self) -> None:
        self._number += 1
        body = json.dumps({"status": f"post {self._number}"}).encode()
        answer = await self._ask("POST", "/api/v1/statuses", body)
        # It may come in one chunk, whose length stands before it.
        self.posted.append(json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])["id"])

    async def _get(self) -> None:
        self._number += 1
        await self._ask("GET", READ[self._number % len(READ)], b"")
        self.read += 1

    async def _ask(self, method: str, path: str, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self.site, 443, ssl=context())
        try:
            lines = [
                *(f"{method} {path} HTTP/1.1", f"Host: {self.site}", "Connection: close", f"Content-Length: {len(body)}"),
                *("Content-Type: application/json", f"Authorization: Bearer {self.token}", "", ""),
            ]
            writer.write("\r\n".join(lines).encode() + body)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise ValueError(head.split(b"\r\n", 1)[0].decode(errors="replace"))
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
            return await reader.read() if length is None else await reader.readexactly(int(length.split(b":")[1]))
        finally:
            writer.close()

    def said(self) -> dict:
        new, self._told = self.posted[self._told :], len(self.posted)
        return {"posted": new, "read": self.read, "failed": self.failed, "error": self.last_error}


def context() -> ssl.SSLContext:
    """One for all: roots are read once, sessions may be resumed."""
    global _context  # noqa: PLW0603
    _context = _context or ssl.create_default_context()
    return _context


_context: ssl.SSLContext | None = None


async def until_ended(doing: Sockets | Work) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    task = asyncio.create_task(doing.run())
    while not ended.is_set() and not task.done():
        print(json.dumps(doing.said()), flush=True)
        await asyncio.wait({asyncio.create_task(ended.wait()), task}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
    print(json.dumps(doing.said()), flush=True)
    os._exit(0 if ended.is_set() else 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("sockets", "work"))
    parser.add_argument("site")
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=5.0)
    options = parser.parse_args()
    token = os.environ["TOKEN"]
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
    kinds = {"sockets": lambda: Sockets(options.site, token, options.number), "work": lambda: Work(options.site, token, options.rate)}
    asyncio.run(until_ended(kinds[options.kind]()))


if __name__ == "__main__":
    main()
