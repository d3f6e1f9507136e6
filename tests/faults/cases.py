"""What the fault tests found: one case a test, a line of docs/reliability/MODULE.jsonl, which report.py writes docs/reliability.md from.

The records belong to the repository, so that the whole can be run in parts, by several people and over weeks: a case that runs again replaces its
line, the others stay.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from product import RELEASED

DIRECTORY = Path(os.environ.get("TOOTSTRAP_RESULTS") or Path(__file__).parents[2] / "docs" / "reliability")

#: The `binary` of a case that was taken over from a page of before the records were kept.
EARLIER = "earlier"


@dataclass
class Case:
    """One line of the report. `tried`, `happened` and `recovered` are written by the test, from what it saw."""

    id: str
    group: str
    tried: str = ""
    happened: str = ""
    recovered: str = ""
    #: From the fault, or its end, until everything was as wanted again; of what `timed` enclosed.
    seconds: float | None = None
    passed: bool = False
    #: Why it did not pass, in the test's words, cut short.
    failure: str = ""
    binary: str = ""
    #: Counted things, for instance kills or searches; report.py adds them up.
    counts: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measures one part of the test."""
        began = time.monotonic()
        yield
        self.seconds = (self.seconds or 0.0) + time.monotonic() - began

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number


@dataclass(frozen=True)
class Results:
    """`binary`: the first 12 digits of the SHA-256 of the binary that was tried."""

    binary: str

    def keep(self, case: Case) -> None:
        """Replaces what an earlier run said about the same case. Other runs may keep theirs at the same time."""
        case.binary = self.binary
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        with _alone():
            path = DIRECTORY / f"{case.id.partition('::')[0]}.jsonl"
            known = {known.id: known for known in _cases(path)} | {case.id: case}
            whole = path.with_suffix(".part")
            whole.write_text("".join(json.dumps(asdict(known[id]), ensure_ascii=False) + "\n" for id in sorted(known)))
            whole.replace(path)


@contextmanager
def _alone() -> Iterator[None]:
    directory = os.open(DIRECTORY, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _cases(path: Path) -> list[Case]:
    return [Case(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def fingerprint_of(dist: Path) -> str:
    return hashlib.sha256((dist / RELEASED).read_bytes()).hexdigest()[:12]


def all_cases() -> list[Case]:
    return [case for path in sorted(DIRECTORY.glob("*.jsonl")) for case in _cases(path)]
