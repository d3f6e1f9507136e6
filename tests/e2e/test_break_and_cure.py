"""Something is broken: `plan` names exactly that, `install` repairs exactly that, and then there is nothing more to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from product import CHANGES_PENDING, DONE, Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.verify import compose

LEAVES_IT_AS_IT_WAS = True

ADA = FORM["user_name"]


@dataclass(frozen=True)
class Break:
    """`named`: regular expression of the id of what was broken, which a plan must show. `follows`: of those that may only follow from it; a
    plan shows no others. `cured`: true when it is as before."""

    name: str
    named: str
    break_it: Callable[[Bed], object]
    cured: Callable[[Bed], bool]
    follows: str = ""

    def __str__(self) -> str:
        return self.name


def drop_in(bed: Bed) -> str:
    """The SSH drop-in that the product wrote: the one that names it."""
    return bed.machine.sh("grep -l tootstrap /etc/ssh/sshd_config.d/*.conf").split()[0]


def edit_drop_in(bed: Bed) -> None:
    bed.machine.sh(f"echo 'PermitRootLogin yes' >>{drop_in(bed)}")


def records(bed: Bed) -> set[str]:
    return {record["target"] for record in bed.services.control.records(where.DOMAIN) if (record["type"], record["name"]) == ("A", where.SUBDOMAIN)}


BREAKS = [
    Break(
        "the user's sudo membership is gone",
        r"base/user",
        lambda bed: bed.machine.run(["gpasswd", "-d", ADA, "sudo"]),
        lambda bed: "sudo" in bed.machine.sh(f"id -nG {ADA}").split(),
    ),
    Break(
        "the SSH drop-in was edited",
        r"ssh/.*",
        edit_drop_in,
        lambda bed: "PermitRootLogin yes" not in bed.machine.get(drop_in(bed)).decode().splitlines()[-1],
    ),
    Break(
        "a container was stopped",
        r"app/services",
        lambda bed: compose(bed.machine, "stop", "-t", "1", "streaming"),
        lambda bed: "streaming" in compose(bed.machine, "ps", "--services", "--filter", "status=running").split(),
    ),
    Break(
        "a package was removed",
        r"host/packages",
        lambda bed: bed.machine.run(["apt-get", "remove", "-y", "-q", "fail2ban"], env={"DEBIAN_FRONTEND": "noninteractive"}),
        lambda bed: bed.machine.run(["systemctl", "is-active", "fail2ban"], check=False).stdout == b"active\n",
        follows=r"fail2ban/.*",
    ),
    Break(
        "the A record points elsewhere",
        r"dns/record-a-.*",
        lambda bed: bed.services.control.set_record(where.DOMAIN, where.SUBDOMAIN, "A", "198.51.100.200"),
        lambda bed: records(bed) == {where.MACHINE_V4},
        follows=r"dns/published",
    ),
]


@pytest.fixture(autouse=True)
def whole_again(request: pytest.FixtureRequest, tootstrap: Product) -> Iterator[None]:
    """A test that failed half-way must not make the next one fail."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed != failed:
        tootstrap.install()


@pytest.mark.parametrize("broken", BREAKS, ids=str)
def test_break_and_cure(installed: Bed, tootstrap: Product, broken: Break) -> None:
    broken.break_it(installed)
    assert not broken.cured(installed), "the break broke nothing"

    plan = tootstrap.plan()
    assert plan.status == CHANGES_PENDING, plan.explained()
    assert any(re.fullmatch(broken.named, step) for step in plan.ids("pending")), plan.explained()
    others = {step for step in plan.differing() if not re.fullmatch(f"{broken.named}|{broken.follows}", step)}
    assert not others, f"the plan also names {others}\n{plan.explained()}"
    assert not broken.cured(installed), "the plan repaired it"

    run = tootstrap.install()
    assert run.status == DONE, run.explained()
    # What only follows (a reload) may have become unnecessary by the repair itself.
    assert run.ids("changed") and run.ids("changed") <= plan.differing(), run.explained()
    assert run.ids("unchanged", "changed") == {step.id for step in run.steps}, run.explained()
    assert broken.cured(installed)

    again = tootstrap.plan()
    assert (again.status, again.differing()) == (DONE, set()), again.explained()


def test_all_at_once(installed: Bed, tootstrap: Product) -> None:
    for broken in BREAKS:
        broken.break_it(installed)
    plan = tootstrap.plan()
    for broken in BREAKS:
        assert any(re.fullmatch(broken.named, step) for step in plan.ids("pending")), f"{broken}: not in the plan\n{plan.explained()}"
    run = tootstrap.install()
    assert run.status == DONE, run.explained()
    assert [str(broken) for broken in BREAKS if not broken.cured(installed)] == []
