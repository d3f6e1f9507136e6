"""The page's part about other ways to the same state: what they cover, and what they took."""

from __future__ import annotations

from . import first, tools
from .goals import PAUSE
from .results import NOTHING, Results, Spread
from .trace import Trace


def section(results: Results) -> str:
    """Of the page."""
    measured = [tool for tool in tools.TOOLS if results.of(tool.name, tools.FIRST)]
    if not measured:
        return ""
    lines = ["## Other ways to the same state", "", "On the same machine and network, each from the bare disk; the state is taken from a machine that tootstrap"]
    lines += ["installed. *Toolchain* is what must be installed before the first step, without the download of the Python packages. What the replaced"]
    lines += ["playbook does beyond that and cannot be had here is not counted: a clone of Mastodon's repository, a download of collections, a chown of"]
    lines += [f"the clone, certbot, and its fixed pause of {PAUSE} s for DNS, which stands only in the goal that names it.", ""]
    lines += ["| | toolchain | first run | second run | second run, CPU | which reports changes |", "|---|---|---|---|---|---|"]
    if results.has(NOTHING, 1):
        lines.append(_row("tootstrap", "none", results.wall(first.PART, first.PARALLEL), *_both(results, NOTHING, "second install"), _own_changes(results)))
    for tool in measured:
        again = (*_both(results, tool.name, tools.SECOND), _changes(results, tool)) if tool.again else ("–", "–", "–")
        lines.append(_row(" ".join([tool.name, *tool.wheels]), _toolchain(results, tool), results.wall(tool.name, tools.FIRST), *again))
    lines += ["", *(f"- {line}" for line in _ratios(results, measured)), "", "What each covers:", ""]
    lines += [f"- **{tool.name}** ({tool.program.rpartition('/')[2]}): {tool.covers}." for tool in measured]
    return "\n".join([*lines, ""])


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _toolchain(results: Results, tool: tools.Tool) -> str:
    if not tool.wheels:
        return "none"
    return f"{results.wall(tool.name, tools.TOOLCHAIN)}; {results.sizes[tool.name] / 1e6:.0f} MB"


def _both(results: Results, part: str, variant: str) -> tuple[Spread, Spread]:
    return results.wall(part, variant), results.cpu(part, variant)


def _own_changes(results: Results) -> str:
    """Of the second install that was traced."""
    return str(sum(step.outcome == "changed" for step in Trace.read(results.again[0]).steps)) if results.again else "not counted"


def _changes(results: Results, tool: tools.Tool) -> str:
    counted = [sample.changed for sample in results.of(tool.name, tools.SECOND) if sample.changed is not None]
    return str(max(counted)) if counted else "not counted"


def _ratios(results: Results, measured: list[tools.Tool]) -> list[str]:
    """How many times as long as ours; the first run includes the toolchain."""
    lines: list[str] = []
    if not results.has(NOTHING, 1):
        return lines
    ours_first, ours_second = results.wall(first.PART, first.PARALLEL).median, results.wall(NOTHING, "second install").median
    for tool in measured:
        chain = results.wall(tool.name, tools.TOOLCHAIN).median if tool.wheels else 0.0
        whole = (results.wall(tool.name, tools.FIRST).median + chain) / ours_first
        text = [f"first run with its toolchain **{whole:.1f}** times as long as ours"] if tool.containers else ["only the host part"]
        if tool.again:
            text.append(f"second run **{results.wall(tool.name, tools.SECOND).median / ours_second:.0f}** times as long as ours")
        lines.append(f"{tool.name}: {', '.join(text)}")
    return lines

