"""What was to be reached, whether it was, and how far away it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from . import first, growth, images, start, tools
from .results import NOTHING, Results

#: Seconds that the replaced playbook waits for DNS, whatever happens. Added by arithmetic: nothing would be learnt from waiting.
PAUSE = 180


@dataclass(frozen=True)
class Goal:
    what: str
    #: `≤ 0.6 s`
    wanted: str
    measured: str
    reached: bool
    #: By how much it was missed: `12 %`.
    away: str

    @property
    def verdict(self) -> str:
        return "reached" if self.reached else f"**not reached**, {self.away} away"


def most(what: str, limit: float, measured: float, unit: str) -> Goal:
    away = f"{(measured / limit - 1):.0%}" if limit else f"{measured:.3g}{unit}"
    return Goal(what, f"≤ {limit:g}{unit}", f"{measured:.3g}{unit}", measured <= limit, away)


def least(what: str, limit: float, measured: float, unit: str) -> Goal:
    return Goal(what, f"≥ {limit:g}{unit}", f"{measured:.3g}{unit}", measured >= limit, f"{(1 - measured / limit):.0%}")


def goals(results: Results) -> Iterator[Goal]:
    if results.has(start.PART, 1):
        seconds = results.wall(start.PART, start.STEP).median - results.wall(start.PART, start.TRANSFER).median
        yield most("download of the binary to the first step, without the transfer", 1, seconds, " s")
    yield most("size of the binary", 6, results.binary / 1e6, " MB")
    if results.has(NOTHING, 1):
        yield from _ours(results)
        yield from _against_playbook(results)
    yield from _growth(results)
    yield from _pulling(results)


def _ours(results: Results) -> Iterator[Goal]:
    parallel = results.firsts_of(first.PARALLEL)
    small = max(results.memory(NOTHING, name) for name in results.variants(NOTHING))
    yield most("peak memory of the agent, second install, status, plan", 20, small / 1e6, " MB")
    yield most("peak memory of the agent, first install", 20, max(run.work.memory for run in results.firsts if run.sample.part == first.PART) / 1e6, " MB")
    for name in ("second install", "status"):
        yield most(f"{name}, nothing to do: wall", 0.6, results.wall(NOTHING, name).median, " s")
        yield most(f"{name}, nothing to do: CPU", 0.6, results.cpu(NOTHING, name).median, " s")
    yield most("first install: wall ÷ the least that its plan allows", 1.15, first.ratio(results).median, "")
    yield least("first install against `--jobs 1`", 1.5, first.gain(results).median, " times faster")
    yield most("processes of Rails, first install", 5, max(len(run.work.rails) for run in parallel), "")
    if results.again:
        yield most("processes of Rails, second install", 0, len(results.again[1].rails), "")


def _against_playbook(results: Results) -> Iterator[Goal]:
    name = tools.ANSIBLE.name
    if not results.of(name, tools.SECOND):
        return
    theirs, ours = results.wall(name, tools.SECOND).median, results.wall(NOTHING, "second install").median
    yield least("second install against the playbook's second run", 40, theirs / ours, " times faster")
    whole = results.wall(name, tools.TOOLCHAIN).median + results.wall(name, tools.FIRST).median
    ours = results.wall(first.PART, first.PARALLEL).median
    yield least("first install against the playbook with its toolchain", 2.5, whole / ours, " times faster")
    yield least(f"the same with the replaced playbook's fixed pause ({PAUSE} s, added by arithmetic)", 4, (whole + PAUSE) / ours, " times faster")


def _growth(results: Results) -> Iterator[Goal]:
    names = results.variants(growth.PART)
    if not names:
        return
    flat = results.wall(growth.PART, names[0]).median
    for name in names[1:]:
        more = results.wall(growth.PART, name).median - flat
        if name == growth.MANY_RECORDS:
            yield most(f"more for a second install with {name}", 1, more, " s")
        else:
            yield most(f"more for a second install with {name}", 10, more / flat * 100, " %")


def _pulling(results: Results) -> Iterator[Goal]:
    if results.of(images.PART, images.HEAVY):
        light, heavy = (results.memory(images.PART, variant) for variant in (images.LIGHT, images.HEAVY))
        yield most("more memory of the agent while 5 GB are pulled than while 1 MB is", 10, (heavy / light - 1) * 100, " %")


def table(results: Results) -> str:
    """Of the page."""
    lines = ["## What was to be reached", "", "| what | goal | measured | |", "|---|---|---|---|"]
    for goal in goals(results):
        lines.append(f"| {goal.what} | {goal.wanted} | {goal.measured} | {goal.verdict} |")
    return "\n".join([*lines, ""])
