"""Two runs at once.

A second `install` while one is at work.
"""

from __future__ import annotations

import re
import subprocess

import pytest
from cases import Case
from endstate import good, nothing_to_do
from product import DONE, Product, Run, environment
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM

pytestmark = pytest.mark.quick

#: Held from the start of a run, and by the process that does its work (src/cli/lock.rs).
BEGUN, WORK = "/run/tootstrap-begun.lock", "/run/tootstrap.lock"


def until_held(bed: Bed, lock: str, run: subprocess.Popen[bytes]) -> bytes:
    """Waits until the lock's file names its holder."""
    while not (bed.machine.exists(lock) and bed.machine.get(lock)):
        assert run.poll() is None, f"the first run ended before it held {lock}"
    return bed.machine.get(lock)


def told(run: Run, what: str, holder: bytes) -> str:
    """That this run was turned away for the holder's sake. Returns what it said."""
    assert run.status == 1, run.text[-2000:]
    assert f"another tootstrap {what}: {holder.decode().strip()}" in run.words and "`sudo tootstrap attach`" in run.words, run.text[-2000:]
    assert re.search(r"process \d+ since \d", run.words), run.text[-2000:]
    return run.text


def test_the_second_says_who_runs_since_when(fresh: Bed, dist, case: Case) -> None:
    case.tried = "`install` without settings on a bare machine, just after another `install` began, and while that one works"
    fresh.machine.boot()
    product = Product.uploaded(fresh.machine, dist)
    argv = [product.program, "install"]
    first = fresh.machine.popen(argv, env=environment(FORM) | {"LINODE_TOKEN": where.TOKEN})
    with case.timed():
        holder = until_held(fresh, BEGUN, first)
        told(product.plain("install"), "was started before this one", holder)
        holder = until_held(fresh, WORK, first)
        told(product.plain("install"), "is at work", holder)
        out, err = first.communicate(timeout=600)
    assert first.returncode == DONE, (out + err).decode(errors="replace")[-3000:]
    case.happened = "the others end with exit 1 and say which process is at work since when; the first is not disturbed"
    good(fresh)
    nothing_to_do(Product(fresh.machine))
    case.recovered = "not needed: the first finishes"
