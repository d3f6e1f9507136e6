"""Reading a trace of `install --trace` (src/report/trace): its steps, its own critical path, and the shortest time that its plan allows."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Step:
    """Times in seconds from the start of the run."""

    id: str
    began: float
    seconds: float
    outcome: str
    critical: bool
    needs: list[str]
    #: With the most seconds that each is waited for.
    after: dict[str, float]
    #: Of its seconds, those that it waited until fewer others were at work.
    queued: float = 0.0

    @property
    def ended(self) -> float:
        return self.began + self.seconds

    @property
    def alone(self) -> float:
        """Seconds of its own work and waits."""
        return self.seconds - self.queued


@dataclass(frozen=True)
class Trace:
    #: In the order of the plan.
    steps: list[Step]
    #: (id, seconds) along the critical path.
    critical: list[tuple[str, float]]
    #: End of the critical path.
    seconds: float
    #: Name and seconds of every command.
    commands: list[tuple[str, float]] = field(repr=False)

    @classmethod
    def read(cls, text: str | bytes) -> "Trace":
        events = json.loads(text)
        queued: dict[str, float] = defaultdict(float)
        for event in events:
            if event.get("cat") == "slot":
                queued[event["args"]["step"]] += event["dur"] / 1e6
        whole = [event for event in events if event["ph"] == "X" and event["cat"] in ("step", "step,critical")]
        steps = [_step(event, queued[event["name"]]) for event in sorted(whole, key=lambda event: event["tid"])]
        summary = next(event["args"] for event in events if event.get("name") == "summary")
        critical = [(step["id"], step["seconds"]) for step in summary["steps"]]
        commands = [(event["name"], event["dur"] / 1e6) for event in events if event.get("cat") == "command"]
        return cls(steps, critical, summary["critical_seconds"], commands)

    def shortest(self, alone: "Trace") -> float:
        """Seconds of the longest chain of steps if each took as long as it did in `alone`, a run with `--jobs 1`."""
        took = {step.id: step.alone for step in alone.steps}
        ends: dict[str, float] = {}
        for step in self.steps:
            begins = max((ends[needed] for needed in step.needs), default=0.0)
            patient = [min(ends[earlier], begins + at_most) for earlier, at_most in step.after.items()]
            ends[step.id] = max([begins, *patient]) + took[step.id]
        return max(ends.values())


def _step(event: dict, queued: float) -> Step:
    told = event["args"]
    after = {earlier["id"]: earlier["at_most"] for earlier in told["after"]}
    return Step(event["name"], event["ts"] / 1e6, event["dur"] / 1e6, told["outcome"], told["critical"], told["needs"], after, queued)
