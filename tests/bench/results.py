"""Everything that the benchmark found out so far, as files that a later call goes on from: performance.json, and a trace for each first install."""

from __future__ import annotations

import gzip
import json
import os
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .census import Work
from .measuring import Sample
from .trace import Trace

#: Share of idle time below which figures are those of a busy machine.
QUIET = 0.85

#: The part whose calls are made on a machine that has settled.
NOTHING = "nothing to do"

DIRECTORY, RAW, TRACES = "performance", "performance.json", "traces"
SECOND = f"{TRACES}/second.json.gz"


@dataclass(frozen=True)
class Spread:
    """Middle, least and most of what was seen, and how often it was."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        seen = list(values)
        return cls(statistics.median(seen), min(seen), max(seen), len(seen))

    def __str__(self) -> str:
        return f"{self.median:.3g}" if self.count == 1 else f"{self.median:.3g} ({self.low:.3g}–{self.high:.3g})"


@dataclass(frozen=True)
class First:
    """One first installation. `machine_cpu`: processor seconds of everything on the machine meanwhile, daemons and containers included.
    `work`: what was seen from outside. `raw`: the trace's file."""

    sample: Sample
    machine_cpu: float
    work: Work
    raw: bytes = field(repr=False)

    @property
    def trace(self) -> Trace:
        return Trace.read(self.raw)

    @property
    def file(self) -> str:
        """Its trace, within DIRECTORY."""
        return f"{TRACES}/{self.sample.variant.replace(' ', '-').strip('-')}-{self.sample.run}.json.gz"

    def as_json(self) -> dict:
        about = {"machine_cpu": self.machine_cpu, "work": self.work.as_json(), "trace": self.file}
        return {"sample": self.sample.as_json(), **about}


class OtherBuild(Exception):
    """What is there was measured with another binary or on another machine."""


@dataclass
class Results:
    #: What the figures depend on; the binary's hash among it.
    machine: dict[str, str]
    #: Its bytes.
    binary: int
    samples: list[Sample] = field(default_factory=list)
    firsts: list[First] = field(default_factory=list)
    #: The file of a second install's trace, and what was seen of it from outside.
    again: tuple[bytes, Work] | None = None
    #: Bytes of each other tool's toolchain on the machine.
    sizes: dict[str, int] = field(default_factory=dict)

    def of(self, part: str, variant: str) -> list[Sample]:
        return [sample for sample in self.samples if (sample.part, sample.variant) == (part, variant)]

    def has(self, part: str, run: int) -> bool:
        """Was anything of the part measured in that round?"""
        return any((sample.part, sample.run) == (part, run) for sample in self.samples)

    @property
    def parts(self) -> list[str]:
        return list(dict.fromkeys(sample.part for sample in self.samples))

    def rounds(self, part: str) -> int:
        return len({sample.run for sample in self.samples if sample.part == part})

    def variants(self, part: str) -> list[str]:
        return list(dict.fromkeys(sample.variant for sample in self.samples if sample.part == part))

    def wall(self, part: str, variant: str) -> Spread:
        return Spread.of(sample.wall for sample in self._timed(part, variant))

    def cpu(self, part: str, variant: str) -> Spread:
        return Spread.of(sample.cpu for sample in self._timed(part, variant) if sample.cpu is not None)

    def memory(self, part: str, variant: str) -> int:
        """Bytes, the most of all runs that were watched."""
        return max(sample.memory for sample in self.of(part, variant) if sample.memory is not None)

    def _timed(self, part: str, variant: str) -> list[Sample]:
        """Those that nobody watched, which costs time."""
        return [sample for sample in self.of(part, variant) if sample.memory is None]

    def firsts_of(self, variant: str) -> list[First]:
        return [first for first in self.firsts if first.sample.variant == variant]

    @property
    def cores(self) -> int:
        return os.cpu_count() or 1

    @property
    def idle(self) -> float:
        """Of the processors' time just before the calls that need least."""
        least = [sample.idle for sample in self.samples if sample.part == NOTHING]
        return statistics.median(least or [sample.idle for sample in self.samples])

    @property
    def busy(self) -> bool:
        """Had others much to do meanwhile?"""
        return self.idle < QUIET

    # --- files

    def save(self, directory: Path) -> None:
        """Into DIRECTORY below `directory`."""
        at = directory / DIRECTORY
        (at / TRACES).mkdir(parents=True, exist_ok=True)
        for stale in (at / TRACES).glob("*.json.gz"):
            stale.unlink()
        for first in self.firsts:
            (at / first.file).write_bytes(_packed(first.raw))
        known = {"machine": self.machine, "binary": self.binary, "toolchains": self.sizes, "samples": [sample.as_json() for sample in self.samples]}
        if self.again:
            (at / SECOND).write_bytes(_packed(self.again[0]))
            known["second install"] = self.again[1].as_json()
        text = json.dumps(known | {"first installs": [first.as_json() for first in self.firsts]}, indent=1, ensure_ascii=False)
        (at / RAW).write_text(text + "\n")

    @staticmethod
    def saved(directory: Path) -> bool:
        """Is there something to `load`?"""
        return (directory / DIRECTORY / RAW).exists()

    @classmethod
    def load(cls, directory: Path) -> "Results":
        """What `save` wrote there."""
        at = directory / DIRECTORY
        known = json.loads((at / RAW).read_text())
        samples = [Sample(**sample) for sample in known["samples"]]
        again = (_unpacked(at / SECOND), Work(**known["second install"])) if "second install" in known else None
        return cls(known["machine"], known["binary"], samples, list(_firsts(at, known)), again, known["toolchains"])

    def require_same(self, machine: dict[str, str]) -> None:
        """Figures of two builds or computers do not go onto one page."""
        differing = [name for name in machine if name not in ("date", "tootstrap") and machine[name] != self.machine.get(name)]
        if differing:
            raise OtherBuild(f"what is there differs in {', '.join(differing)}: measure without --resume")


def _firsts(at: Path, known: dict) -> Iterator[First]:
    for first in known["first installs"]:
        yield First(Sample(**first["sample"]), first["machine_cpu"], Work(**first["work"]), _unpacked(at / first["trace"]))


def _packed(content: bytes) -> bytes:
    """The same content gives the same file."""
    return gzip.compress(content, mtime=0)


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())
