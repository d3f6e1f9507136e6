"""What the fault tests found: one case a test, kept as JSON outside the checkout's sources until report.py writes docs/reliability.md from it."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from product import RELEASED

#: Results of earlier runs stay until their case runs again, so that the whole can be run in parts.
DIRECTORY = Path(os.environ.get("TOOTSTRAP_RESULTS") or Path(__file__).parents[2] / "target" / "reliability")


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
        """Replaces what an earlier run said about the same case."""
        case.binary = self.binary
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        path = DIRECTORY / f"{hashlib.sha256(case.id.encode()).hexdigest()[:16]}.json"
        path.write_text(json.dumps(asdict(case), indent=1, ensure_ascii=False) + "\n")


def fingerprint_of(dist: Path) -> str:
    return hashlib.sha256((dist / RELEASED).read_bytes()).hexdigest()[:12]


def all_cases() -> list[Case]:
    return [Case(**json.loads(path.read_text())) for path in sorted(DIRECTORY.glob("*.json"))]
