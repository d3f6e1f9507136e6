"""Running other programs: argv lists, output kept for the error."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class BuildError(RuntimeError):
    """A program that the build needs failed; the message has its command and its last lines."""


def run(*argv: str | Path, stdin: str | None = None, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Runs `argv` to its end and returns its standard output; `env` is added to our environment."""
    done = subprocess.run(
        [str(arg) for arg in argv],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **(env or {})},
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise BuildError(f"exit status {done.returncode} from: {' '.join(str(arg) for arg in argv)}\n{tail}")
    return done.stdout
