"""The machine.

A clock that is years off, in an emulated computer (tests/testbed/emulated.py): the clock of the machine that runs the tests is never touched.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from cases import Case
from product import REFUSED, RELEASED
from testbed.emulated import Said, run_at

INSTALL = "tootstrap install --domain fedi-test.org --email hello@example.org --owner Ada"
PLAN = INSTALL.replace("install", "plan")


def message(said: Said, command: str) -> str:
    """Why and what to do; nothing was changed."""
    assert said.status == REFUSED, said.text
    found = re.search(r"^tootstrap: (the clock of this machine is wrong: .*?)\n  done ", said.text.replace("\r", ""), re.MULTILINE | re.DOTALL)
    assert found, said.text
    again = " ".join(command.split()[:2])
    for name, part in (("done", "nothing was changed"), ("do", "set it: `timedatectl set-ntp true`"), ("go on", f"sudo {again}")):
        assert re.search(rf"^  {name} +{re.escape(part)}", said.text, re.MULTILINE), said.text
    return " ".join(found[1].split())


@pytest.mark.parametrize("command", [INSTALL, PLAN], ids=["install", "plan"])
def test_the_clock_is_years_slow(dist: Path, tmp_path: Path, case: Case, command: str) -> None:
    case.tried = f"the clock says 2009 (an emulated computer), `{' '.join(command.split()[:2])}`"
    said = message(run_at(datetime(2009, 1, 5, 12, 0), dist / RELEASED, command, tmp_path), command)
    assert "it says 2009-01-05" in said and "before this program was made" in said, said
    case.happened = f"exit 2: {said}"
    case.recovered = "the message names the commands; not played through"


def test_the_clock_is_years_fast(dist: Path, tmp_path: Path, case: Case) -> None:
    case.tried = "the clock says 2033 (an emulated computer), `tootstrap install`"
    said = message(run_at(datetime(2033, 2, 3, 4, 5), dist / RELEASED, INSTALL, tmp_path), INSTALL)
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    assert "it says 2033-02-03" in said and f"the world says {today}" in said, said
    case.happened = f"exit 2: {re.sub(today, 'TODAY', said)}"
    case.recovered = "the message names the commands; not played through"


def test_the_right_clock_is_not_complained_about(dist: Path, tmp_path: Path, case: Case) -> None:
    case.tried = "the same emulated computer with the right clock"
    said = run_at(datetime.now(timezone.utc), dist / RELEASED, INSTALL, tmp_path)
    assert "clock" not in said.text and "systemd does not run here" in said.text, said.text
    case.happened = "no word about the clock: the next thing that is missing in that computer (systemd) is named"
    case.recovered = "not needed"
