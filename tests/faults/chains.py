"""Installations that are interrupted again and again: each run is struck at a drawn point, the next one goes on, until one comes to its end."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from endstate import identity
from interrupted import Event, Undisturbed, Watch, as_undisturbed
from testbed.bed import Bed

#: Another seed tries other points.
SEED = int(os.environ.get("TOOTSTRAP_SEED", "20261123"))

#: Longest wait inside a step, in seconds.
DELAY = 20.0


@dataclass(frozen=True)
class Point:
    """The `count`-th beginning or end of a step from now on, then, inside a step, `share` of the time that it takes undisturbed."""

    count: int
    share: float
    #: The whole control group, or only the agent's own process.
    whole: bool

    @classmethod
    def drawn(cls, draw: random.Random, stride: int) -> "Point":
        return cls(draw.randint(1, stride), draw.choice((0.0, draw.uniform(0.0, 1.0))), draw.random() < 0.5)

    def reached(self, watch: Watch, spans: Mapping[str, float]) -> "Strike | None":
        """Waits for it. `None`: the run ended before."""
        left = self.count

        def is_it(event: Event) -> bool:
            nonlocal left
            begins = event["event"] == "applying"
            counts = begins or event["event"] == "step" and event["outcome"] == "changed"
            left -= counts
            return left <= 0 and (begins if self.share else counts)

        event = watch.until(is_it)
        if event is None:
            return None
        delay = min(self.share * spans.get(event["id"], 0.0), DELAY)
        inside = event["event"] == "applying" and delay > 0
        if not watch.lasts(delay):
            return None
        moment = f"{delay:.2f} s into" if inside else "begin of" if event["event"] == "applying" else "end of"
        return Strike(f"{moment} {event['id']}", inside)


@dataclass(frozen=True)
class Strike:
    """Where a run was struck: inside a step, or at its boundary."""

    where: str
    inside: bool


@dataclass
class Chain:
    """One installation and what interrupted it."""

    bed: Bed
    reference: Undisturbed
    name: str
    #: A run goes past up to so many beginnings and ends of steps that change something before it is struck, so that it gets on.
    stride: int
    strikes: list[Strike] = field(default_factory=list)
    #: What must stay as it is once it is there.
    made: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draw = random.Random(f"{SEED} {self.name}")
        self.spans = self.reference.spans()
        self.began = time.monotonic()

    def strike(self, watch: Watch, how: Callable[[Point], bool]) -> bool:
        """Interrupts the run at the next point. False, as `how` says as well: it had ended."""
        point = Point.drawn(self.draw, self.stride)
        reached = point.reached(watch, self.spans)
        if reached is None or not how(point):
            return False
        self.strikes.append(reached)
        print(f"{self.name} {len(self.strikes)}: {reached.where}{' (whole unit)' if point.whole else ''}", flush=True)
        return True

    def keep_secrets(self) -> None:
        """What was made once is not made again by the next run."""
        now = identity(self.bed.machine)
        for path, content in self.made.items():
            assert now.get(path) == content, f"{path} was made again or is gone: {self}"
        self.made = now

    def ended(self) -> None:
        """The machine is as undisturbed, and a client finds everything good."""
        as_undisturbed(self.bed, self.reference, self.made, thorough=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def counted(self) -> str:
        inside = sum(strike.inside for strike in self.strikes)
        return f"{len(self.strikes) - inside} at boundaries of steps, {inside} at random moments inside of them"

    def __str__(self) -> str:
        return f"{self.name}, seed {SEED}, struck at " + ", ".join(strike.where for strike in self.strikes)
