"""docs/performance.md, its raw data and its plots, from the results of a run."""

from __future__ import annotations

import statistics
from pathlib import Path

from . import first, goals, growth, others
from .drawing import Bar, bars, timeline
from .results import NOTHING, QUIET, Results, Spread

HEAD = """\
# Performance

Written by `make bench`; not by hand. Every figure is the median of {runs} run{plural}, with the least and the most in brackets, in seconds unless it
says otherwise; raw data in [performance.json](performance/performance.json).

{machine}

The machine, systemd, apt, dpkg, Docker, PostgreSQL, Redis and Caddy are real. Mastodon is a stand-in that boots Debian's own Rails and has the weight
that `tests/testbed/images` states with its sources; registries, DNS and Linode's API are in the same computer, so downloads take less than over
the internet, for everybody alike.
"""

BUSY = """
> **These are figures of a busy machine** ({idle:.0%} of its processors' time was idle before the calls; a quiet one has {quiet:.0%} or more): they show
> that the benchmark works, not how fast anything is.
"""


def write(results: Results, directory: Path) -> Path:
    """Into `directory`; returns the page."""
    drawn = directory / "performance"
    drawn.mkdir(parents=True, exist_ok=True)
    (drawn / "performance.json").write_text(results.as_json())
    sections = [_head(results), goals.table(results), _nothing(results, drawn), _first(results, drawn), others.section(results), _growth(results)]
    page = directory / "performance.md"
    page.write_text("\n".join(section for section in sections if section))
    return page


def _head(results: Results) -> str:
    machine = "\n".join(["| what | |", "|---|---|", *(f"| {name} | {value} |" for name, value in results.machine.items())])
    head = HEAD.format(runs=results.runs, plural="" if results.runs == 1 else "s", machine=machine)
    return head + (BUSY.format(idle=results.idle, quiet=QUIET) if results.busy else "")


def _nothing(results: Results, drawn: Path) -> str:
    lines = ["## Nothing to do", "", "Everything is as it should be; with all of the hardening. *CPU* is that of the agent and all that it starts.", ""]
    lines += ["| call | wall | CPU | peak memory of the agent |", "|---|---|---|---|"]
    shown = []
    for variant in results.variants(NOTHING):
        wall, cpu = results.wall(NOTHING, variant), results.cpu(NOTHING, variant)
        lines.append(f"| `{variant}` | {wall} | {cpu} | {results.memory(NOTHING, variant) / 1e6:.1f} MB |")
        shown += [_bar(variant, wall), _bar(f"{variant}, CPU", cpu)]
    shown += others.bars_again(results)
    (drawn / "again.svg").write_text(bars("Nothing to do (seconds, logarithmic)", shown))
    return "\n".join([*lines, "", "![Nothing to do](performance/again.svg)", ""])


def _bar(label: str, spread: Spread) -> Bar:
    return Bar(label, spread.median, spread.low, spread.high)


def _first(results: Results, drawn: Path) -> str:
    parallel = results.firsts_of(first.PARALLEL)
    lines = ["## First installation", "", "From a binary that is already there, on a bare Debian 11, to a server that answers.", ""]
    lines += ["| | wall | CPU of the agent and its children | CPU of the whole machine |", "|---|---|---|---|"]
    for variant in (first.PARALLEL, first.ONE_BY_ONE):
        whole = Spread.of(run.machine_cpu for run in results.firsts_of(variant))
        lines.append(f"| {variant} | {results.wall(first.PART, variant)} | {results.cpu(first.PART, variant)} | {whole} |")
    lines += ["", f"- One step after the other (`--jobs 1`) takes **{first.gain(results)}** times as long."]
    lines.append(f"- The longest chain of steps, each as long as alone: {first.chains(results)} s; CPU seconds of the machine ÷ processors:")
    lines.append(f"  {first.work(results)} s. Wall time is **{first.ratio(results)}** times the larger of the two.")
    typical = min(parallel, key=lambda run: abs(run.sample.wall - statistics.median(other.sample.wall for other in parallel)))
    rails = [name for name, _ in typical.trace.commands if " rails " in name]
    lines.append(f"- Processes of Rails that it starts: {len(rails)} by itself (tables, owner), and those of web and Sidekiq.")
    lines += ["", "Critical path of a typical run:", "", "| step | s |", "|---|---|"]
    lines += [f"| {step} | {seconds:.1f} |" for step, seconds in typical.trace.critical if seconds >= 0.05]
    (drawn / "trace.json").write_bytes(typical.raw)
    (drawn / "timeline.svg").write_text(timeline("A first installation", typical.trace))
    lines += ["", "![Timeline](performance/timeline.svg)", "", "The same to look into, at <https://ui.perfetto.dev>: [trace.json](performance/trace.json).", ""]
    return "\n".join(lines)


def _growth(results: Results) -> str:
    variants = results.variants(growth.PART)
    if not variants:
        return ""
    lines = ["## Growth", "", "A second `install` when the server has grown.", "", "| | wall | CPU |", "|---|---|---|"]
    lines += [f"| {name} | {results.wall(growth.PART, name)} | {results.cpu(growth.PART, name)} |" for name in variants]
    return "\n".join([*lines, ""])
