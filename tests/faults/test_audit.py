"""Looked at with tools that others wrote.

lynis, ssh-audit and testssl.sh before and after an installation with the hardening group. A remaining finding without explanation fails.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import audits
import pytest
from audits import Audit
from cases import Case
from harness import REUSABLE, fresh_world
from product import DONE
from testbed.bed import Bed
from testbed.demo import FORM


@dataclass(frozen=True)
class Pair:
    """One tool before and after."""

    before: Audit
    after: Audit

    def gone(self) -> set[str]:
        return self.before.ids() - self.after.ids()


@pytest.fixture(scope="module")
def machines(bed: Bed, stackscript: str) -> dict[str, Pair]:
    """All audits of a bare machine, and of the same after the StackScript."""
    REUSABLE.clear()
    fresh_world(bed)
    bed.machine.restore("bare")
    before = {"lynis": audits.lynis(bed, "before"), "ssh-audit": audits.ssh_audit(bed, "before")}
    done = bed.machine.stackscript(stackscript, FORM, live=sys.stdout)
    assert done.returncode == DONE, done.stdout[-3000:]
    after = {"lynis": audits.lynis(bed, "after"), "ssh-audit": audits.ssh_audit(bed, "after"), "testssl": audits.testssl(bed, "after")}
    for audit in (*before.values(), *after.values()):
        audit.keep()
    # Nothing speaks TLS on a bare machine.
    before["testssl"] = Audit("testssl", "before")
    return {tool: Pair(before[tool], after[tool]) for tool in after}


def judge(case: Case, pair: Pair) -> None:
    """Every finding after the installation is explained; the line says what both looks gave."""
    after = pair.after
    case.count("findings explained", len(after.findings))
    case.happened = f"before: {pair.before.summary()}; after: {after.summary()}, each with the reason why it is left"
    case.recovered = "not needed"
    assert [str(finding) for finding in after.unexplained()] == []


def test_lynis(machines: dict[str, Pair], case: Case) -> None:
    case.tried = "lynis in the machine"
    pair = machines["lynis"]
    judge(case, pair)
    assert int(pair.after.score.removeprefix("index ")) > int(pair.before.score.removeprefix("index "))


def test_ssh_audit(machines: dict[str, Pair], case: Case) -> None:
    case.tried = "ssh-audit from the client"
    judge(case, machines["ssh-audit"])


def test_testssl(machines: dict[str, Pair], bed: Bed, case: Case) -> None:
    case.tried = "testssl.sh from the client (before: nothing answers there)"
    pair = machines["testssl"]
    judge(case, pair)
    # About certificates it speaks of the bed's authority.
    assert not [finding for finding in pair.after.findings if finding.level in ("HIGH", "CRITICAL") and not finding.id.startswith("cert_")]
