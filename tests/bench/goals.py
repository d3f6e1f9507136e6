"""What was to be reached, and whether it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from . import first, growth, tools
from .results import NOTHING, Results


@dataclass(frozen=True)
class Goal:
    what: str
    #: `≤ 0.6 s`
    wanted: str
    measured: str
    reached: bool


def most(what: str, limit: float, measured: float, unit: str) -> Goal:
    return Goal(what, f"≤ {limit:g}{unit}", f"{measured:.3g}{unit}", measured <= limit)


def least(what: str, limit: float, measured: float, unit: str) -> Goal:
    return Goal(what, f"≥ {limit:g}{unit}", f"{measured:.3g}{unit}", measured >= limit)


def goals(results: Results) -> Iterator[Goal]:
    yield most("size of the binary", 6, results.binary / 1e6, " MB")
    yield most("peak memory of the agent", 20, max(results.memory(NOTHING, name) for name in results.variants(NOTHING)) / 1e6, " MB")
    for name in ("second install", "status"):
        yield most(f"{name}, nothing to do: wall", 0.6, results.wall(NOTHING, name).median, " s")
        yield most(f"{name}, nothing to do: CPU", 0.6, results.cpu(NOTHING, name).median, " s")
    yield most("first install: wall ÷ the least that its plan allows", 1.15, first.ratio(results).median, "")
    yield least("first install against `--jobs 1`", 1.5, first.gain(results).median, " times faster")
    if results.of(tools.ANSIBLE.name, tools.SECOND):
        theirs, ours = results.wall(tools.ANSIBLE.name, tools.SECOND).median, results.wall(NOTHING, "second install").median
        yield least("second install against the playbook's second run", 40, theirs / ours, " times faster")
        whole = results.wall(tools.ANSIBLE.name, tools.TOOLCHAIN).median + results.wall(tools.ANSIBLE.name, tools.FIRST).median
        ours = results.wall(first.PART, first.PARALLEL).median
        yield least("first install against the playbook with its toolchain", 2.5, whole / ours, " times faster")
        yield least("the same with the fixed pause of 3 minutes that the replaced playbook has", 4, (whole + 180) / ours, " times faster")
    yield from _growth(results)


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


def table(results: Results) -> str:
    """Of the page."""
    lines = ["## What was to be reached", "", "| what | goal | measured | |", "|---|---|---|---|"]
    for goal in goals(results):
        lines.append(f"| {goal.what} | {goal.wanted} | {goal.measured} | {'reached' if goal.reached else '**not reached**'} |")
    return "\n".join([*lines, ""])
