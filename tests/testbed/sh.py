"""Running commands of the host."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


class BedError(RuntimeError):
    """The bed itself cannot do what was asked; the message says why."""


def run(argv: Sequence[str], *, check: bool = True, input: str | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Runs `argv` on the host; an unexpected exit status is a `BedError` with the command's own words."""
    done = subprocess.run(
        list(argv),
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise BedError(f"`{' '.join(argv)}` ended with {done.returncode}: {said}")
    return done


def output(argv: Sequence[str]) -> str:
    return run(argv).stdout
