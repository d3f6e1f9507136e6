"""A recording's picture shows what the terminal showed, when it showed it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml

from testbed.recording import moving, still

SVG = "{http://www.w3.org/2000/svg}"
#: A line that is written over, one that stays, more than the window holds.
CHUNKS = [(0.0, b"work \x1b[2m00:00\x1b[0m\r\n"), (3.0, b"\x1b[1A\x1b[J\x1b[32mok\x1b[0m <done>\r\n"), (4.0, b"".join(b"line %d\r\n" % n for n in range(9)))]


def texts(picture: str) -> dict[str, str]:
    """Every line of text and its class."""
    return {"".join(element.itertext()): element.get("class", "") for element in xml.fromstring(picture).iter(f"{SVG}text")}


def test_each_line_is_there_from_when_it_came_until_it_went() -> None:
    picture = moving(CHUNKS, 20, 5, 1.0)
    shown = texts(picture)
    assert list(shown) == ["work00:00", "ok<done>", *(f"line {n}" for n in range(9))]
    assert "x" in shown["work00:00"].split() and "x" not in shown["ok<done>"].split(), "where nothing moves, the end is shown"
    name = shown["ok<done>"].split()[0]
    # Pauses are shown for two seconds at most; the whole lasts 2 + 1 + 8 s.
    assert f"@keyframes {name}{{0%{{visibility:hidden}}18.18%{{visibility:visible}}to{{visibility:visible}}}}" in picture
    assert re.search(r"27\.27%\{transform:translateY\(-108px\)\}", picture), "11 rows in a window of 5"


def test_a_picture_that_does_not_move() -> None:
    picture = still("\x1b[1mplan\x1b[0m\n  \x1b[31m-old & gone\x1b[0m\n", 20)
    assert list(texts(picture)) == ["plan", "-old & gone"] and "animation" not in picture
    assert 'class="b"' in picture and 'x="16"' in picture


def test_the_same_recording_gives_the_same_picture() -> None:
    assert moving(CHUNKS, 20, 5, 1.0) == moving(CHUNKS, 20, 5, 1.0)
