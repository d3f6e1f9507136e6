"""The page's part about what the time goes into: of a first installation, before this work and now, and of a second one."""

from __future__ import annotations

import statistics
from collections import Counter
from pathlib import Path

from . import first
from .census import Work
from .drawing import timeline
from .results import DIRECTORY, First, Results, Spread
from .trace import Trace

def typical(runs: list[First]) -> First:
    """The installation whose time is nearest to the median."""
    middle = statistics.median(run.sample.wall for run in runs)
    return min(runs, key=lambda run: abs(run.sample.wall - middle))


def first_install(results: Results, drawn: Path) -> str:
    """Of the page."""
    lines = ["## First installation", "", "From a binary that is already there, on a bare Debian 11, to a server that answers.", ""]
    lines += ["| | wall | CPU of the agent and its children | CPU of the whole machine | peak memory of the agent |", "|---|---|---|---|---|"]
    for variant in (first.PARALLEL, first.ONE_BY_ONE):
        runs = results.firsts_of(variant)
        whole = Spread.of(run.machine_cpu for run in runs)
        memory = max(run.work.memory for run in runs)
        lines.append(f"| {variant} | {results.wall(first.PART, variant)} | {results.cpu(first.PART, variant)} | {whole} | {memory / 1e6:.1f} MB |")
    lines += ["", f"- One step after the other (`--jobs 1`) takes **{first.gain(results)}** times as long."]
    lines.append(f"- The longest chain of steps, each as long as alone: {first.chains(results)} s; CPU seconds of the machine ÷ processors:")
    lines.append(f"  {first.work(results)} s. Wall time is **{first.ratio(results)}** times the larger of the two.")
    run = typical(results.firsts_of(first.PARALLEL))
    lines += ["", "Critical path of a typical run:", "", "| step | s |", "|---|---|"]
    lines += [f"| {step} | {seconds:.1f} |" for step, seconds in run.trace.critical if seconds >= 0.05]
    lines += ["", *_timelines(results, run, drawn), *_shares(run), *_rails(run.work)]
    return "\n".join(lines)


def _timelines(results: Results, run: First, drawn: Path) -> list[str]:
    """Now, and before where that was measured too."""
    lines = []
    for commit in results.variants(first.BEFORE):
        before = typical(results.firsts_of(commit))
        (drawn / "timeline-before.svg").write_text(timeline(f"A first installation before this work (commit {commit})", before.trace))
        lines += [f"Before this work, commit {commit}: {results.wall(first.BEFORE, commit)} s, measured in the same run. A typical one:", ""]
        lines += [f"![Timeline before]({DIRECTORY}/timeline-before.svg)", "", f"Now, {run.sample.wall:.1f} s:", ""]
    (drawn / "timeline.svg").write_text(timeline("A first installation", run.trace))
    return [*lines, f"![Timeline]({DIRECTORY}/timeline.svg)", "", f"The same to look into: [trace]({DIRECTORY}/{run.file}).", ""]


def _shares(run: First, shown: int = 12) -> list[str]:
    """What the processors did."""
    lines = [f"Who used the {run.machine_cpu:.1f} s of processor time of that run, by control group:", "", "| unit or container | s | share |", "|---|---|---|"]
    listed = list(run.work.units.items())[:shown]
    rest = run.machine_cpu - sum(seconds for _, seconds in listed)
    lines += [f"| {name} | {seconds:.1f} | {seconds / run.machine_cpu:.0%} |" for name, seconds in [*listed, ("everything else", rest)]]
    lines += ["", "`tootstrap-work.service` is the agent with all that it starts:", "", "| command, with what it starts | s |", "|---|---|"]
    commands = Counter(run.work.commands).most_common(shown)
    return [*lines, *(f"| `{name}` | {seconds:.1f} |" for name, seconds in commands if seconds >= 0.05), ""]


def _rails(work: Work) -> list[str]:
    lines = [f"Processes of Rails that it starts, counted from outside: {len(work.rails)}.", ""]
    return [*lines, *(f"- `{line}`" for line in work.rails), ""]


def second(results: Results, shown: int = 10) -> str:
    """What a second install spends its time on; of one run with `--trace`."""
    if not results.again:
        return ""
    raw, work = results.again
    trace = Trace.read(raw)
    end = max(step.ended for step in trace.steps)
    lines = ["### Where a second install's time goes", "", f"Of one run with `--trace`, {end:.2f} s in the steps ({len(trace.steps)} of them)."]
    lines += [f"It starts {len(trace.commands)} processes; of Rails: {len(work.rails)}.", "", "| longest steps | s | | longest commands | s |", "|---|---|---|---|---|"]
    steps = sorted(trace.steps, key=lambda step: -step.seconds)[:shown]
    commands = sorted(trace.commands, key=lambda command: -command[1])[:shown]
    for number in range(max(len(steps), len(commands))):
        step = f"| {steps[number].id} | {steps[number].seconds:.3f} " if number < len(steps) else "| | "
        command = f"| `{commands[number][0][:70]}` | {commands[number][1]:.3f} |" if number < len(commands) else "| | |"
        lines.append(f"{step}| {command}")
    path = ", ".join(f"{name} {seconds:.2f}" for name, seconds in trace.critical if seconds >= 0.01)
    return "\n".join([*lines, "", f"Critical path: {path}.", ""])
