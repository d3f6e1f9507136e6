"""Everything that one run of the benchmark found out, as JSON."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .measuring import Sample
from .trace import Trace

#: Share of idle time below which figures are those of a busy machine.
QUIET = 0.85

#: The part whose calls are made on a machine that has settled.
NOTHING = "nothing to do"


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
    """One first installation. `machine_cpu`: processor seconds of everything on the machine meanwhile, daemons and containers included."""

    sample: Sample
    machine_cpu: float
    trace: Trace
    raw: bytes = field(repr=False)


@dataclass
class Results:
    runs: int
    machine: dict[str, str]
    #: Its bytes.
    binary: int
    samples: list[Sample] = field(default_factory=list)
    firsts: list[First] = field(default_factory=list)

    def of(self, part: str, variant: str) -> list[Sample]:
        return [sample for sample in self.samples if (sample.part, sample.variant) == (part, variant)]

    def variants(self, part: str) -> list[str]:
        return list(dict.fromkeys(sample.variant for sample in self.samples if sample.part == part))

    def wall(self, part: str, variant: str) -> Spread:
        return Spread.of(sample.wall for sample in self._timed(part, variant))

    def cpu(self, part: str, variant: str) -> Spread:
        return Spread.of(sample.cpu for sample in self._timed(part, variant))

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
        return statistics.median(sample.idle for sample in self.samples if sample.part == NOTHING)

    @property
    def busy(self) -> bool:
        """Had others much to do meanwhile?"""
        return self.idle < QUIET

    def as_json(self) -> str:
        firsts = [{"variant": f.sample.variant, "run": f.sample.run, "machine_cpu": f.machine_cpu, "critical": f.trace.critical} for f in self.firsts]
        said = {"runs": self.runs, "machine": self.machine, "binary": self.binary, "samples": [s.as_json() for s in self.samples], "first installs": firsts}
        return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


def describe_machine(root: Path) -> dict[str, str]:
    """Of the host: what the figures depend on."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    commit = subprocess.run(["git", "-C", str(root), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processors": f"{os.cpu_count()} × {model[1].strip() if model else 'unknown'}",
        "memory": f"{int(memory[1]) / (1 << 20):.1f} GB" if memory else "unknown",
        "kernel": platform.release(),
        "machine": "Debian 11 under systemd-nspawn in the pocket internet, 8 GB",
        "tootstrap": commit,
    }
