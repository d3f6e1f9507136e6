"""Calls on a machine where everything is as it should be."""

from __future__ import annotations

from product import INSTALLED

from .measuring import Meter, Sample
from .results import NOTHING


CALLS = {
    "second install": ([INSTALLED, "install"], True),
    "status": ([INSTALLED, "status"], False),
    "plan": ([INSTALLED, "plan", "--detailed-exitcode"], True),
}


def call(meter: Meter, name: str, run: int, token: str, watch: bool = False) -> Sample:
    """One of CALLS; exit 0 says that nothing differed."""
    argv, with_token = CALLS[name]
    return meter.call(NOTHING, name, run, argv, env={"LINODE_TOKEN": token} if with_token else None, watch=watch)
