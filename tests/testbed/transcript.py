"""Writes the transcripts in README.md and docs/transcript.md from a bed that the demo installed. Nothing in them is typed by hand."""

from __future__ import annotations

from pathlib import Path

from .bed import Bed
from .demo import REPOSITORY
from .sh import BedError

BEGIN, END = "<!-- transcript: written by `tests/testbed/bed transcript` -->", "<!-- end of transcript -->"
#: Lines of the long log that the README keeps at its beginning.
HEAD_LINES = 6


def write(name: str) -> list[Path]:
    """The first installation's log, a second run and the status; returns the files written."""
    machine = Bed.attach(name).machine
    log = machine.run(["cat", "/var/log/stackscript.log"]).stdout.decode().strip("\n")
    again = _shown(machine.run(["tootstrap", "install"]).stdout.decode(), "tootstrap install")
    status = _shown(machine.run(["tootstrap", "status"]).stdout.decode(), "tootstrap status")
    size = (REPOSITORY / "dist" / "tootstrap-x86_64-linux-musl").stat().st_size
    note = f"Debian 11 in the test bed (2 cores, stand-in images, package mirror near by); binary of {size / 1e6:.1f} MB."

    full = REPOSITORY / "docs" / "transcript.md"
    full.write_text(
        f"# A whole installation\n\nWritten by `tests/testbed/bed transcript` after `make demo`: {note}\n\n"
        f"## The StackScript's log\n\n```\n{log}\n```\n\n## A second run\n\n```\n{again}\n```\n\n## Status\n\n```\n{status}\n```\n",
        encoding="utf-8",
    )
    readme = REPOSITORY / "README.md"
    short = f"```\n{_shortened(log)}\n```\n\n```\n{again}\n```\n\n{note} The [whole log](docs/transcript.md).\n"
    readme.write_text(_replaced(readme.read_text(encoding="utf-8"), short), encoding="utf-8")
    return [full, readme]


def _shown(output: str, command: str) -> str:
    return f"# {command}\n{output.strip()}"


def _shortened(log: str) -> str:
    lines = log.splitlines()
    result = next((number for number, line in enumerate(lines) if "Result:" in line), None)
    if result is None:
        raise BedError("the log has no result: did the installation end?")
    return "\n".join([*lines[:HEAD_LINES], f"[… {result - HEAD_LINES} lines …]", *lines[result:]])


def _replaced(text: str, short: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BedError(f"README.md has lost the lines `{BEGIN}` and `{END}`")
    return f"{before}{BEGIN}\n\n{short}\n{END}{after}"
