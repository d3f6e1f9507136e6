"""What a person at a terminal sees and types: a pseudo-terminal of a real size, and everything that came on it, with the moment it came."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: Seconds between two keys of somebody who types.
KEY_SECONDS = 0.03


def uncolored(said: str) -> str:
    """Without what moves the cursor and gives colours."""
    return CONTROL.sub("", said)


def flowing(said: str) -> str:
    """Without the line ends that only keep lines short."""
    return " ".join(said.split())


class Terminal:
    """A process on a terminal. `chunks`: when, in seconds since the start, and what came."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self.descriptor, self.process, self.told = descriptor, process, 0
        self.chunks: list[tuple[float, bytes]] = []
        self.seen = ""
        # A character can lie across two pieces.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._began = time.monotonic()

    def until(self, prompt: str, timeout: float = 60) -> str:
        """What came since the last prompt, up to this one."""
        limit = time.monotonic() + timeout
        while prompt not in self.seen[self.told :]:
            assert time.monotonic() < limit, f"{prompt!r} did not come:\n{self.seen[-1500:]}"
            self.read(1)
        end = self.seen.index(prompt, self.told) + len(prompt)
        news, self.told = self.seen[self.told : end], end
        return news

    def answer(self, prompt: str, line: str) -> str:
        """Types this line at the prompt; gives what was shown before it."""
        news = self.until(prompt)
        os.write(self.descriptor, f"{line}\n".encode())
        return news

    def key(self, prompt: str, key: bytes) -> str:
        """Presses one key at the prompt; gives what was shown before it."""
        news = self.until(prompt)
        os.write(self.descriptor, key)
        return news

    def hides(self) -> bool:
        """Whether what is typed now is not shown."""
        return not termios.tcgetattr(self.descriptor)[3] & termios.ECHO

    def type(self, prompt: str, line: str) -> str:
        """The same, key by key, as a recording shall show it."""
        news = self.until(prompt)
        for key in f"{line}\n":
            os.write(self.descriptor, key.encode())
            self.read(KEY_SECONDS)
        return news

    def read(self, seconds: float) -> None:
        if select.select([self.descriptor], [], [], seconds)[0]:
            chunk = os.read(self.descriptor, 65536)
            self.chunks.append((time.monotonic() - self._began, chunk))
            self.seen += self._decoder.decode(chunk)


@contextmanager
def terminal(argv: Sequence[str], columns: int = 80, rows: int = 24) -> Iterator[Terminal]:
    """Runs `argv` on a terminal of that size; the process ends with the block."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    # Whoever runs the tests may ignore Ctrl-C; whoever sits at a terminal does not.
    argv = ["env", "--default-signal=INT", *argv]
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
