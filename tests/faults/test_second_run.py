"""Two runs at once.

A second `install` while one is at work.
"""

from __future__ import annotations

import re

from cases import Case
from endstate import good, nothing_to_do
from product import DONE, Product, environment
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM

LOCK = "/run/tootstrap.lock"


def holder(bed: Bed) -> bytes:
    """What the lock's file says; there is one, empty, before it is held."""
    return bed.machine.get(LOCK) if bed.machine.exists(LOCK) else b""


def test_the_second_says_who_runs_since_when(fresh: Bed, dist, case: Case) -> None:
    case.tried = "`install` while another `install` works"
    fresh.machine.boot()
    product = Product.uploaded(fresh.machine, dist)
    argv = [product.program, "install"]
    first = fresh.machine.popen(argv, env=environment(FORM) | {"LINODE_TOKEN": where.TOKEN})
    with case.timed():
        while not fresh.machine.exists("/run/tootstrap.lock"):
            assert first.poll() is None, "the first run ended before the second began"
        second = product.plain("install")
        out, err = first.communicate(timeout=600)
    assert first.returncode == DONE, (out + err).decode(errors="replace")[-3000:]
    assert second.status == 1 and re.search(r"process \d+ since \d", second.text) and "tootstrap attach" in second.text, second.text
    case.happened = "the second ends with exit 1 and says which process is at work since when; the first is not disturbed"
    good(fresh)
    nothing_to_do(Product(fresh.machine))
    case.recovered = "not needed: the first finishes"
