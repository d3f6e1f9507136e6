"""docs/tour.md: what a user sees, as the tests saw it. `make tour` runs those tests and then this file.

A test keeps what it saw with `keep_text` and `keep_picture`; that counts only where `TOOTSTRAP_TOUR` names a directory.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from PIL import Image
from testbed.recording import moving, still
from testbed.terminal import Terminal, uncolored

DOCS = Path(__file__).parents[2] / "docs"
#: So many colours are enough for text, and make a small file.
COLORS = 32
#: A longer transcript loses its middle.
LONGEST, HEAD, TAIL = 70, 34, 30

#: Rows of a recording's window, and how many times as fast as it was it is shown.
ROWS, SPEED = 28, 3.0
#: Lines of a picture that does not move.
STILL = 44

#: What the machine's own boot writes to the same console.
BOOT = re.compile(r"\[ {2}OK {2}\]| {9}(Starting|Stopping) |StackScript ended with ")

PAGE = """\
# A tour

What somebody sees who sets up a server, as the end-to-end tests saw it on Debian 11 in the test bed. Nothing here is typed by hand: `make tour`
writes this page. A [whole installation](transcript.md) is on a page of its own.

## Questions

Only what cannot be found out; each answer is checked as it is typed, also the token, which is not shown.

{questions}

## The plan

<img src="tour/plan.svg" alt="The beginning of a plan on a terminal">

Nothing is changed. What there is to download is asked of the registries and of apt; in brackets stands what a step waits on.

{plan}

## Progress, and the end

On a terminal, from the one line to the last word ({speed:g} times as fast as it was, pauses shortened):

<img src="tour/install.svg" alt="An installation on a terminal, recorded: questions, progress, the end">

Without a terminal, line by line:

{installation}

## Meanwhile, in a browser

{progress}

When it cannot go on, it says so, and leaves the reason to whoever runs the server:

{stopped}

The open page turns into Mastodon by itself. Later it comes back whenever Mastodon does not answer; apps and other servers get a plain 503 with
`Retry-After` instead.

{back}

## A failure

What failed, why, what was already done, what to do, how to go on.

{failure}

## Is everything well?

{status}

## What is wrong?

Somebody has stopped the streaming server.

{doctor}

## Does mail arrive?

The host blocks ports 25, 465 and 587, as Linode does on new accounts; the relay is Postmark's name with a real mail server behind it. The password
comes through standard input.

{mail_set}

The same test message later, to whomever you like:

{mail_test}

To an address that the relay does not know:

{mail_refused}

## What people ran into elsewhere

{pains}
"""


def _directory() -> Path | None:
    named = os.environ.get("TOOTSTRAP_TOUR")
    if not named:
        return None
    Path(named).mkdir(parents=True, exist_ok=True)
    return Path(named)


def keep_picture(path: Path) -> None:
    """Under its own name."""
    if to := _directory():
        Image.open(path).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(to / path.name, optimize=True)


def keep_text(name: str, command: str, said: str) -> None:
    """What a command said, `command` being the line that somebody would type."""
    if to := _directory():
        plain = uncolored(said.replace("\r", "")).strip("\n")
        lines = [line.rstrip() for line in plain.split("\n") if not BOOT.match(line)]
        if len(lines) > LONGEST:
            lines = [*lines[:HEAD], f"[… {len(lines) - HEAD - TAIL} lines …]", *lines[-TAIL:]]
        (to / f"{name}.txt").write_text("\n".join([f"# {command}", *lines]) + "\n", encoding="utf-8")


def keep_recording(name: str, seen: Terminal) -> None:
    """What came on a terminal of 80 columns, as a picture that moves."""
    if to := _directory():
        (to / f"{name}.svg").write_text(moving(seen.chunks, 80, ROWS, SPEED), encoding="utf-8")


def keep_still(name: str, seen: Terminal) -> None:
    """The beginning of what stands on a terminal of 80 columns, colours and all, as a picture."""
    if to := _directory():
        shown = seen.seen.replace("\r", "").split("\n")[:STILL]
        (to / f"{name}.svg").write_text(still("\n".join(shown), 80), encoding="utf-8")


def write(kept: Path) -> None:
    """The page and its pictures, from what the tests kept."""
    pictures = DOCS / "tour"
    pictures.mkdir(exist_ok=True)
    parts = {path.stem: f"```\n{path.read_text(encoding='utf-8')}```" for path in kept.glob("*.txt")}
    for name, words in (("progress", "how far it is"), ("stopped", "it has stopped"), ("back", "back in a moment")):
        shown = []
        for look in ("phone-light", "desktop-dark"):
            (pictures / f"{name}-{look}.png").write_bytes((kept / f"{name}-{look}.png").read_bytes())
            shown.append(f'<img src="tour/{name}-{look}.png" alt="The page: {words} ({look})" height="420">')
        parts[name] = "\n".join(shown)
    for name in ("install", "plan"):
        (pictures / f"{name}.svg").write_bytes((kept / f"{name}.svg").read_bytes())
    pains = (Path(__file__).parent / "pains.md").read_text(encoding="utf-8").strip()
    (DOCS / "tour.md").write_text(PAGE.format(**parts, pains=pains, speed=SPEED), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
