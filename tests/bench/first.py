"""The first installation: side by side, and one step after the other."""

from __future__ import annotations

from pathlib import Path

from product import UPLOADED

from .census import Census
from .measuring import Meter
from .results import First, Results, Spread
from .world import ENVIRONMENT, World

PART, BEFORE = "first install", "first install before this work"
PARALLEL, ONE_BY_ONE = "as it is", "--jobs 1"
TRACE = "/root/trace.json"


def install(world: World, variant: str, run: int) -> First:
    """On a bare machine, from a binary that is already there."""
    jobs = ["--jobs", "1"] if variant == ONE_BY_ONE else []
    return _install(world.bare(), PART, variant, run, jobs)


def before(world: World, commit: str, dist: Path, run: int) -> First:
    """The same with an earlier build."""
    return _install(world.bare(dist), BEFORE, commit, run, [])


def _install(meter: Meter, part: str, variant: str, run: int, jobs: list[str]) -> First:
    argv = [UPLOADED, "install", "--harden", "--trace", TRACE, *jobs]
    census, used = Census(meter.machine), meter.machine.cgroup.cpu_seconds()
    sample = meter.call(part, variant, run, argv, env=ENVIRONMENT)
    used = meter.machine.cgroup.cpu_seconds() - used
    return First(sample, round(used, 2), census.end(), meter.machine.get(TRACE))


def pairs(results: Results) -> list[tuple[First, First]]:
    """Of each run: side by side, and one by one."""
    return list(zip(results.firsts_of(PARALLEL), results.firsts_of(ONE_BY_ONE), strict=True))


def chains(results: Results) -> Spread:
    """Seconds of the longest chain of steps, each as long as alone."""
    return Spread.of(a.trace.shortest(b.trace) for a, b in pairs(results))


def work(results: Results) -> Spread:
    """Processor seconds of the whole machine, shared out to all processors."""
    return Spread.of(a.machine_cpu / results.cores for a, _ in pairs(results))


def ratio(results: Results) -> Spread:
    """Wall time by what it cannot be less than."""
    return Spread.of(a.sample.wall / max(a.trace.shortest(b.trace), a.machine_cpu / results.cores) for a, b in pairs(results))


def gain(results: Results) -> Spread:
    """How many times as long one by one takes."""
    return Spread.of(b.sample.wall / a.sample.wall for a, b in pairs(results))
