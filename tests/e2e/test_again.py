"""The second run: everything `Unchanged`, and the machine is exactly as before."""

from __future__ import annotations

from fingerprint import difference, fingerprint
from product import DONE, Product
from testbed.bed import Bed
from testbed.demo import FORM

LEAVES_IT_AS_IT_WAS = True


def test_a_second_install_changes_nothing(installed: Bed, tootstrap: Product) -> None:
    before = fingerprint(installed.machine)
    run = tootstrap.install()
    assert run.status == DONE, run.explained()
    assert run.differing() == set(), run.explained()
    assert run.finished["complete"] is True
    assert run.finished["counts"]["unchanged"] == len(run.steps) > 20
    assert difference(before, fingerprint(installed.machine)) == ""
    print(f"{len(run.steps)} steps checked in {run.finished['seconds']:.1f} s")


def test_without_the_token_it_changes_nothing_either(installed: Bed, tootstrap: Product) -> None:
    before = fingerprint(installed.machine)
    run = tootstrap.install(token=None)
    assert (run.status, run.differing()) == (DONE, set()), run.explained()
    assert difference(before, fingerprint(installed.machine)) == ""


def test_a_plan_has_nothing_to_say(installed: Bed, tootstrap: Product) -> None:
    run = tootstrap.plan()
    assert (run.status, run.differing()) == (DONE, set()), run.explained()


def test_a_second_stackscript_changes_nothing(installed: Bed, stackscript: str) -> None:
    """A rebuild from the same form, or a script started twice (linode.md §3.2)."""
    before = fingerprint(installed.machine)["containers"]
    done = installed.machine.stackscript(stackscript, FORM)
    assert done.returncode == 0, done.stdout[-3000:]
    assert fingerprint(installed.machine)["containers"] == before
