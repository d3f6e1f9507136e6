"""Plots as SVG, without a library: bars with their spread, and a run as a timeline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from .trace import Trace

FONT = 'font-family="sans-serif" font-size="12"'
CRITICAL, CHANGED, UNCHANGED = "#c0392b", "#2980b9", "#bdc3c7"


@dataclass(frozen=True)
class Bar:
    """Seconds: the middle, and the least and most seen."""

    label: str
    median: float
    low: float
    high: float


def _svg(width: int, height: int, body: list[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="white"/>', *body, "</svg>\n"])


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {FONT} {more}>{escape(text)}</text>'


class Linear:
    """An axis from zero to the most; `at` is a share of its length."""

    def __init__(self, least: float, most: float) -> None:
        self.most = most
        step = 10 ** math.floor(math.log10(most))
        while most / step < 4:
            step /= 2
        self.ticks = [step * number for number in range(int(most / step) + 1)]

    def at(self, seconds: float) -> float:
        return seconds / self.most


class Logarithmic:
    """An axis from the power of ten below the least to the most."""

    def __init__(self, least: float, most: float) -> None:
        self.low = 10 ** math.floor(math.log10(least))
        self.decades = math.log10(most / self.low)
        self.ticks = [self.low * 10**power for power in range(int(self.decades) + 1)]

    def at(self, seconds: float) -> float:
        return math.log10(seconds / self.low) / self.decades


def bars(title: str, all_bars: Sequence[Bar], scale: type[Linear | Logarithmic]) -> str:
    """Horizontal bars, each with a line from its least to its most."""
    left, width, row, top = 330, 560, 24, 50
    axis = scale(min(bar.low for bar in all_bars), max(bar.high for bar in all_bars))

    def x(seconds: float) -> float:
        return left + width * axis.at(seconds)

    bottom = top + row * len(all_bars)
    body = [_text(10, 20, title, 'font-weight="bold"')]
    for at in axis.ticks:
        body.append(f'<line x1="{x(at):.1f}" y1="{top - 8}" x2="{x(at):.1f}" y2="{bottom}" stroke="#ddd"/>')
        body.append(_text(x(at), top - 12, f"{at:g} s", 'text-anchor="middle" fill="#555"'))
    for number, bar in enumerate(all_bars):
        y = top + row * number
        body.append(_text(left - 8, y + 15, bar.label, 'text-anchor="end"'))
        body.append(f'<rect x="{left}" y="{y + 4}" width="{max(1, x(bar.median) - left):.1f}" height="{row - 8}" fill="{CHANGED}"/>')
        body.append(f'<line x1="{x(bar.low):.1f}" y1="{y + row / 2}" x2="{x(bar.high):.1f}" y2="{y + row / 2}" stroke="black"/>')
        body.append(_text(max(x(bar.median), x(bar.high)) + 6, y + 15, f"{bar.median:.3g} s"))
    return _svg(left + width + 90, bottom + 15, body)


def timeline(title: str, trace: Trace, shortest: float = 0.3) -> str:
    """A line a step that took at least `shortest` seconds or lies on the critical path."""
    shown = sorted((step for step in trace.steps if step.seconds >= shortest or step.critical), key=lambda step: step.began)
    left, width, row, top = 230, 660, 18, 50
    end = max(step.ended for step in trace.steps)

    def x(seconds: float) -> float:
        return left + width * seconds / end

    bottom = top + row * len(shown)
    body = [_text(10, 20, title, 'font-weight="bold"'), _text(10, 36, "red: the critical path; blue: changed; grey: found as it should be", 'fill="#555"')]
    tick = 10 if end > 30 else 1 if end > 3 else 0.1
    for number in range(int(end / tick) + 1):
        at = number * tick
        body.append(f'<line x1="{x(at):.1f}" y1="{top - 4}" x2="{x(at):.1f}" y2="{bottom}" stroke="#eee"/>')
        body.append(_text(x(at), bottom + 14, f"{at:g} s", 'text-anchor="middle" fill="#555"'))
    for number, step in enumerate(shown):
        y = top + row * number
        colour = CRITICAL if step.critical else CHANGED if step.outcome == "changed" else UNCHANGED
        body.append(_text(left - 8, y + 13, step.id, 'text-anchor="end"'))
        body.append(f'<rect x="{x(step.began):.1f}" y="{y + 2}" width="{max(1, x(step.ended) - x(step.began)):.1f}" height="{row - 4}" fill="{colour}"/>')
        body.append(_text(x(step.ended) + 4, y + 13, f"{step.seconds:.1f}", 'fill="#555"'))
    return _svg(left + width + 60, bottom + 24, body)
