"""Where an installation is interrupted: points drawn with a seed from what an undisturbed one did, and what became of each."""

from __future__ import annotations

import json
import os
import random
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from cases import DIRECTORY
from interrupted import Attempt, Event, Undisturbed

#: Another seed tries other points.
SEED = int(os.environ.get("TOOTSTRAP_SEED", "20261123"))

#: Every so often everything is checked from the client as well, which takes longer than all the rest.
THOROUGH_EVERY = 6


@dataclass(frozen=True)
class Point:
    """`event` of step `step` was seen in the journal, and then `delay` seconds passed."""

    event: str
    step: str
    delay: float
    #: The whole control group, or only the agent's own process.
    whole: bool

    def __str__(self) -> str:
        moment = f"{self.delay:.2f} s after" if self.delay else "at"
        return f"{moment} `{'begin' if self.event == 'applying' else 'end'}` of {self.step}"

    def reached(self, attempt: Attempt) -> bool:
        """Waits for it. False: the run had ended before."""
        if attempt.until(lambda event: event["event"] == self.event and event["id"] == self.step) is None:
            return False
        return attempt.lasts(self.delay)


def drawn(reference: Undisturbed, boundaries: int, moments: int, series: str) -> list[Point]:
    """The same for the same seed and the same undisturbed run."""
    draw = random.Random(f"{SEED} {series}")
    spans = sorted(_spans(reference.events), key=lambda span: span[1])
    steps = draw.sample(spans, min(boundaries, len(spans)))
    points = [Point(draw.choice(("applying", "step")), step, 0.0, draw.random() < 0.5) for step, _, _ in steps]
    return points + [_moment(draw, spans) for _ in range(boundaries + moments - len(points))]


def _moment(draw: random.Random, spans: Sequence[tuple[str, float, float]]) -> Point:
    """Half of them at any second of the run (most hit what takes long), half in any step."""
    whole = draw.random() < 0.5
    if draw.random() < 0.5:
        at = draw.uniform(min(begin for _, begin, _ in spans), max(end for _, _, end in spans) * 0.98)
        step, begin, _ = max((span for span in spans if span[1] <= at), key=lambda span: span[1])
        return Point("applying", step, round(at - begin, 3), whole)
    step, begin, end = draw.choice(spans)
    return Point("applying", step, round(draw.uniform(0, end - begin), 3), whole)


def _spans(events: Sequence[Event]) -> Iterator[tuple[str, float, float]]:
    """Each step that changed something: when it began to and when it ended, in seconds."""
    start = _seconds(events[0])
    begun = {event["id"]: _seconds(event) - start for event in reversed(events) if event["event"] == "applying"}
    for event in events:
        if event["event"] == "step" and event["id"] in begun:
            yield event["id"], begun[event["id"]], _seconds(event) - start


def _seconds(event: Event) -> float:
    return datetime.fromisoformat(event["at"].replace("Z", "+00:00")[:26].rstrip("+") + "+00:00").timestamp()


@dataclass
class Tried:
    """One point of a series and what became of it; kept so that a series that was interrupted goes on."""

    series: str
    number: int
    seed: int
    binary: str
    point: str
    delay: float = 0.0
    whole: bool = False
    #: Seconds from the start of the installation.
    struck_after: float = 0.0
    #: Steps that were changing something at that moment, and how many had ended.
    under_way: list[str] | None = None
    ended: int = 0
    happened: str = ""
    #: From the interruption to the end state.
    seconds: float = 0.0
    failure: str = ""

    @property
    def path(self) -> Path:
        return DIRECTORY / "points" / f"{self.series}-{self.number:02}.json"

    def keep(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    def earlier(self) -> "Tried | None":
        """What an earlier run with the same binary and seed found, if it was good."""
        if not self.path.exists():
            return None
        found = Tried(**json.loads(self.path.read_text()))
        return found if (found.seed, found.binary, found.failure) == (self.seed, self.binary, "") else None


@dataclass(frozen=True)
class Series:
    """`one(point, tried, thorough)` interrupts one installation and checks what follows."""

    name: str
    binary: str
    one: Callable[[Point, Tried, bool], None]

    def run(self, points: Sequence[Point]) -> list[Tried]:
        """Every point, also after one that failed."""
        print(f"{self.name}: {len(points)} points, seed {SEED}", flush=True)
        return [self._try(number, point) for number, point in enumerate(points)]

    def _try(self, number: int, point: Point) -> Tried:
        tried = Tried(self.name, number, SEED, self.binary, str(point), point.delay, point.whole)
        if earlier := tried.earlier():
            return earlier
        try:
            self.one(point, tried, number % THOROUGH_EVERY == 0)
        except Exception as error:  # noqa: BLE001: it is the result of this point, and fails the series at its end
            where = traceback.extract_tb(error.__traceback__)[-1]
            tried.failure = f"{type(error).__name__} in {where.name}: {error}"[:4000]
        tried.keep()
        print(f"{self.name} {number}: {point}: {tried.failure.splitlines()[0] if tried.failure else 'good'}", flush=True)
        return tried
