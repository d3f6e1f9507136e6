"""Calls on a machine where everything is as it should be."""

from __future__ import annotations

from product import INSTALLED
from testbed import layout as where

from .census import Census, Work
from .measuring import Meter, Sample
from .results import NOTHING

CALLS = {
    "second install": ([INSTALLED, "install"], True),
    "status": ([INSTALLED, "status"], False),
    "plan": ([INSTALLED, "plan", "--detailed-exitcode"], True),
}
#: Of each in a round: they are short.
TIMES = 3
TRACE = "/root/again.json"


def calls(meter: Meter, run: int) -> list[Sample]:
    """Each in turn, and once more with an eye on memory."""
    timed = [call(meter, name, run) for _ in range(TIMES) for name in CALLS]
    return timed + [call(meter, name, run, watch=True) for name in CALLS]


def call(meter: Meter, name: str, run: int, watch: bool = False) -> Sample:
    """One of CALLS; exit 0 says that nothing differed."""
    argv, with_token = CALLS[name]
    return meter.call(NOTHING, name, run, argv, env={"LINODE_TOKEN": where.TOKEN} if with_token else None, watch=watch)


def traced(meter: Meter) -> tuple[bytes, Work]:
    """The trace of a second install, and what was seen of it from outside; not for timing."""
    census = Census(meter.machine, every=0.01)
    meter.call(NOTHING, "traced", 0, [INSTALLED, "install", "--trace", TRACE], env={"LINODE_TOKEN": where.TOKEN})
    return meter.machine.get(TRACE), census.end()
