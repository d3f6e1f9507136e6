"""docs/performance.md, its raw data and its plots, from the results of a run."""

from __future__ import annotations

from pathlib import Path

from . import first, goals, growth, images, others, profile, tools
from .drawing import Bar, Linear, Logarithmic, bars
from .results import DIRECTORY, NOTHING, QUIET, RAW, TRACES, Results, Spread

#: Beside the raw data.
WHY = "why.md"

HEAD = """\
# Performance

Written by `make bench`; not by hand. Every figure is the median, with the least and the most in brackets, in seconds unless it says otherwise. Runs
of each, interleaved: {rounds}. Raw data: [{raw}]({directory}/{raw}), and a [trace of each first installation]({directory}/{traces}), for
<https://ui.perfetto.dev>.

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
    """Into `directory`; returns the page. What was not measured yet is left out."""
    drawn = directory / DIRECTORY
    drawn.mkdir(parents=True, exist_ok=True)
    sections = [_head(results), goals.table(results), _why(drawn)]
    if results.has(NOTHING, 1):
        sections += [_nothing(results, drawn), profile.second(results), profile.first_install(results, drawn)]
    sections += [others.section(results), _growth(results), _pulling(results)]
    page = directory / "performance.md"
    page.write_text("\n".join(section for section in sections if section))
    return page


def _head(results: Results) -> str:
    machine = "\n".join(["| what | |", "|---|---|", *(f"| {name} | {value} |" for name, value in results.machine.items())])
    rounds = ", ".join(f"{part} {results.rounds(part)}" for part in results.parts)
    head = HEAD.format(rounds=rounds, machine=machine, directory=DIRECTORY, raw=RAW, traces=TRACES)
    return head + (BUSY.format(idle=results.idle, quiet=QUIET) if results.busy else "")


def _why(drawn: Path) -> str:
    """What somebody wrote about the goals that were not reached; the only words here that no program wrote, and no figures."""
    words = drawn / WHY
    return f"### Why\n\n{words.read_text().strip()}\n" if words.exists() else ""


def _nothing(results: Results, drawn: Path) -> str:
    lines = ["## Nothing to do", "", "Everything is as it should be; with all of the hardening. *CPU* is that of the agent and all that it starts.", ""]
    lines += ["| call | wall | CPU | peak memory of the agent |", "|---|---|---|---|"]
    shown = []
    for variant in results.variants(NOTHING):
        wall, cpu = results.wall(NOTHING, variant), results.cpu(NOTHING, variant)
        lines.append(f"| `{variant}` | {wall} | {cpu} | {results.memory(NOTHING, variant) / 1e6:.1f} MB |")
        shown += [_bar(variant, wall), _bar(f"{variant}, CPU", cpu)]
    for tool in tools.TOOLS:
        if results.of(tool.name, tools.SECOND):
            shown.append(_bar(f"{tool.name}, second run", results.wall(tool.name, tools.SECOND)))
    (drawn / "again.svg").write_text(bars("Nothing to do (seconds, logarithmic)", shown, Logarithmic))
    return "\n".join([*lines, "", f"![Nothing to do]({DIRECTORY}/again.svg)", "", *_whole(results, drawn)])


def _whole(results: Results, drawn: Path) -> list[str]:
    """The first runs of all, as a plot."""
    shown = [_bar(f"tootstrap, {variant}", results.wall(first.PART, variant)) for variant in results.variants(first.PART)]
    shown += [_bar(f"tootstrap before this work, {commit}", results.wall(first.BEFORE, commit)) for commit in results.variants(first.BEFORE)]
    for tool in tools.TOOLS:
        name = tool.name if tool.containers else f"{tool.name}, host part only"
        shown += [_bar(f"{name}, {variant}", results.wall(tool.name, variant)) for variant in results.variants(tool.name) if variant != tools.SECOND]
    (drawn / "first.svg").write_text(bars("First installation (seconds)", shown, Linear))
    return [f"![First installation]({DIRECTORY}/first.svg)", ""]


def _bar(label: str, spread: Spread) -> Bar:
    return Bar(label, spread.median, spread.low, spread.high)


def _growth(results: Results) -> str:
    variants = results.variants(growth.PART)
    if not variants:
        return ""
    lines = ["## Growth", "", f"A second `install` when the server has grown; {growth.CALLS} of each in a round.", "", "| | wall | CPU |", "|---|---|---|"]
    lines += [f"| {name} | {results.wall(growth.PART, name)} | {results.cpu(growth.PART, name)} |" for name in variants]
    return "\n".join([*lines, ""])


def _pulling(results: Results) -> str:
    variants = results.variants(images.PART)
    if not variants:
        return ""
    lines = ["## Memory while images are pulled", "", "Streaming's image is replaced by one with more layers (`tootstrap set images.streaming …`). The registry reads them"]
    lines += ["from sparse files; the machine downloads, verifies and unpacks every byte.", "", "| pulled | peak memory of the agent | wall |", "|---|---|---|"]
    for name in variants:
        wall = results.of(images.PART, name)[0].wall
        lines.append(f"| {name} | {results.memory(images.PART, name) / 1e6:.1f} MB | {wall:.3g} |")
    return "\n".join([*lines, ""])
