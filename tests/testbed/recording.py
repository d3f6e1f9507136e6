"""A terminal's recording as a picture: SVG that moves by CSS alone, without scripts, in the reader's light or dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import pyte

#: Of a character, in pixels.
WIDTH, HEIGHT = 8, 18
#: Around the text.
MARGIN = 14
#: No picture of the screen is closer to the next than so many seconds of the recording.
APART = 0.2
#: Seconds without news that are shown at most.
LONGEST_PAUSE = 2.0
#: Seconds that the end stays.
REST = 8.0
#: More rows than any recording has, so that nothing scrolls away.
ROWS = 400

#: pyte's names of colours and the picture's: (dark, light).
COLORS = {
    "default": ("#d6d9de", "#24292f"),
    "green": ("#6cc26c", "#1a7f37"),
    "red": ("#f2736b", "#c02028"),
    "brown": ("#e0b04c", "#8a5a00"),
    "cyan": ("#5fc4d0", "#0b6e7c"),
    "808080": ("#8c939d", "#646c76"),
}
GROUND = ("#16191d", "#f6f8fa")

#: A run of characters alike: column, text, colour, bold.
Run = tuple[int, str, str, bool]
Line = tuple[Run, ...]


@dataclass
class Shown:
    """A line of text at a row, from one moment to another."""

    row: int
    line: Line
    begin: float
    end: float


def still(text: str, columns: int) -> str:
    """The picture of what stands on a terminal after this text, escapes and all."""
    screen = _Screen(columns)
    screen.feed(text.replace("\r\n", "\n").replace("\n", "\r\n").encode())
    lines = [Shown(row, line, 0, 1) for row, line in enumerate(screen.lines()) if line]
    return _svg(lines, columns, 1 + max(shown.row for shown in lines), [], 0)


def moving(chunks: Sequence[tuple[float, bytes]], columns: int, rows: int, speed: float) -> str:
    """The picture of a recording through a window of `rows` rows, shown so many times as fast as it was."""
    lines, offsets, seconds = _timeline(chunks, columns, rows, speed)
    return _svg(lines, columns, rows, offsets, seconds)


class _Screen:
    def __init__(self, columns: int) -> None:
        self._screen = pyte.Screen(columns, ROWS)
        self._stream = pyte.ByteStream(self._screen)

    def feed(self, data: bytes) -> None:
        # pyte knows no faint text: here it is grey, by the number of its colour.
        self._stream.feed(data.replace(b"\x1b[2m", b"\x1b[38;5;244m"))

    def lines(self) -> list[Line]:
        last = max((row for row, line in self._screen.buffer.items() if any(cell.data.strip() for cell in line.values())), default=-1)
        return [_runs(self._screen, row) for row in range(last + 1)]

    @property
    def bottom(self) -> int:
        """Rows that are in use, the cursor's included."""
        return max(len(self.lines()), self._screen.cursor.y + 1)


def _runs(screen: pyte.Screen, row: int) -> Line:
    runs: list[Run] = []
    for column in range(screen.columns):
        cell = screen.buffer[row][column]
        color = cell.fg if cell.fg in COLORS else "default"
        if runs and (color, cell.bold) == runs[-1][2:]:
            runs[-1] = (runs[-1][0], runs[-1][1] + cell.data, color, cell.bold)
        else:
            runs.append((column, cell.data, color, cell.bold))
    trimmed = [(column + len(text) - len(text.lstrip()), text.strip(), color, bold) for column, text, color, bold in runs]
    return tuple(run for run in trimmed if run[1])


def _timeline(chunks: Iterable[tuple[float, bytes]], columns: int, rows: int, speed: float) -> tuple[list[Shown], list[tuple[float, int]], float]:
    """Which line stands where from when to when, from when the window begins at which row, and the length of it all in seconds."""
    screen = _Screen(columns)
    done: list[Shown] = []
    now: dict[int, Shown] = {}
    offsets = [(0.0, 0)]
    clock = last = 0.0
    moments = _merged(chunks)
    for at, data in moments:
        clock += min(at - last, LONGEST_PAUSE) / speed
        last = at
        screen.feed(data)
        lines = screen.lines()
        for row in range(max(len(lines), max(now, default=-1) + 1)):
            line = lines[row] if row < len(lines) else ()
            if row in now and now[row].line != line:
                now[row].end = clock
                done.append(now.pop(row))
            if line and row not in now:
                now[row] = Shown(row, line, clock, float("inf"))
        # The window follows, and never goes back.
        offset = max(offsets[-1][1], screen.bottom - rows)
        if offset != offsets[-1][1]:
            offsets.append((clock, offset))
    return [*done, *now.values()], offsets, clock + REST


def _merged(chunks: Iterable[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    merged: list[tuple[float, bytes]] = []
    for at, data in chunks:
        if merged and at - merged[-1][0] < APART:
            merged[-1] = (merged[-1][0], merged[-1][1] + data)
        else:
            merged.append((at, data))
    return merged


def _svg(lines: list[Shown], columns: int, rows: int, offsets: list[tuple[float, int]], seconds: float) -> str:
    width, height = columns * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN
    names: dict[tuple[float, float], str] = {}
    texts = []
    for shown in lines:
        always = shown.begin <= 0 and shown.end >= seconds or not seconds
        name = "" if always else names.setdefault((shown.begin, shown.end), f"k{len(names)}")
        # Where nothing moves, the end is shown.
        kind = " ".join(part for part in (name, "" if shown.end >= seconds or always else "x") if part)
        texts.append(_text(shown, kind))
    last = offsets[-1][1] if offsets else 0
    css = [
        f"text{{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre;fill:{COLORS['default'][0]}}}",
        ".b{font-weight:bold}.x{visibility:hidden}",
        *(f".{_class(name)}{{fill:{dark}}}" for name, (dark, _) in COLORS.items() if name != "default"),
        f"#g{{fill:{GROUND[0]};stroke:#3a4048}}",
        f"#m{{transform:translateY({-last * HEIGHT}px)}}",
        "@media(prefers-color-scheme:light){" + f"text{{fill:{COLORS['default'][1]}}}#g{{fill:{GROUND[1]};stroke:#d0d7de}}",
        *(f".{_class(name)}{{fill:{light}}}" for name, (_, light) in COLORS.items() if name != "default"),
        "}",
    ]
    if seconds:
        css += _movement(names, offsets, seconds)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
        f"<style>{''.join(css)}</style>\n"
        f'<rect id="g" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>\n'
        f'<svg x="{MARGIN}" y="{MARGIN}" width="{columns * WIDTH}" height="{rows * HEIGHT}"><g id="m">\n' + "\n".join(texts) + "\n</g></svg>\n</svg>\n"
    )


def _movement(names: dict[tuple[float, float], str], offsets: list[tuple[float, int]], seconds: float) -> list[str]:
    percent = lambda moment: f"{100 * moment / seconds:.2f}%"  # noqa: E731
    css = ["@media(prefers-reduced-motion:no-preference){", f"text,#m{{animation:{seconds:.1f}s step-end infinite}}"]
    for (begin, end), name in names.items():
        css.append(f".{name}{{animation-name:{name}}}@keyframes {name}{{")
        css.append("" if begin <= 0 else "0%{visibility:hidden}")
        css.append(f"{percent(max(begin, 0))}{{visibility:visible}}")
        css.append(f"{percent(end)},to{{visibility:hidden}}}}" if end < seconds else "to{visibility:visible}}")
    steps = "".join(f"{percent(at)}{{transform:translateY({-row * HEIGHT}px)}}" for at, row in offsets)
    css += [f"#m{{animation-name:m}}@keyframes m{{{steps}to{{transform:translateY({-offsets[-1][1] * HEIGHT}px)}}}}", "}"]
    return css


def _text(shown: Shown, kind: str) -> str:
    spans = []
    for column, text, color, bold in shown.line:
        looks = " ".join(part for part in ("" if color == "default" else _class(color), "b" if bold else "") if part)
        kinds = f' class="{looks}"' if looks else ""
        spans.append(f'<tspan x="{column * WIDTH}" textLength="{len(text) * WIDTH}"{kinds}>{escape(text, quote=False)}</tspan>')
    named = f' class="{kind}"' if kind else ""
    return f'<text y="{shown.row * HEIGHT + 13}"{named}>{"".join(spans)}</text>'


def _class(color: str) -> str:
    return f"c{list(COLORS).index(color)}"
