"""One request over HTTP/3, by Debian's ngtcp2-client: the curl of Debian 12 knows only TCP."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

PROGRAM = "gtlsclient"
SECONDS = 20


@dataclass(frozen=True)
class Answer:
    """`status` is None if none came; `said`: the last words of the program."""

    status: int | None
    said: str


def get(name: str, path: str) -> Answer:
    """Asks for https://NAME/PATH over QUIC alone, at the address that the resolver gives first.

    The program does not judge certificates (the checks over TCP do), and for an address instead of a name it sends no SNI.
    """
    argv = [PROGRAM, "--no-quic-dump", "--no-http-dump", "--exit-on-all-streams-close", f"--timeout={SECONDS}s", name, "443"]
    done = subprocess.run(
        [*argv, f"https://{name}{path}"], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=2 * SECONDS, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    found = re.search(r"\[:status: (\d+)\]", said)
    return Answer(int(found[1]) if found else None, said[-300:])
