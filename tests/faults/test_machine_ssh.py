"""The machine.

Who gets in over SSH, on the installed machine: every change of sshd's policy is tried from the client before and after.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import Case
from doors import Doors, authorize, key_pair, make_account, root_by_password
from endstate import good
from product import DONE, Product, Run
from recovery import run_plainly, waits
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.verify import credentials

USER = FORM["user_name"]
GRACE = ("grace", "grace-s-own-password")
MATCH = "/etc/ssh/sshd_config.d/own.conf"
DISABLE = {"DISABLE_ROOT": "Yes"}


@pytest.fixture(scope="module")
def doors(installed: Bed) -> Doors:
    make_account(installed.machine, *GRACE)
    return Doors(installed)


@pytest.fixture(scope="module")
def password(installed: Bed) -> str:
    return credentials(installed.machine, USER)["Sudo Password"]


@pytest.fixture(autouse=True)
def only_the_policy(installed: Bed) -> Iterator[None]:
    """Whatever is tried, the server goes on."""
    yield
    good(installed)


def install(bed: Bed) -> Run:
    return run_plainly(Product(bed.machine), env=DISABLE)


def test_a_match_block_shuts_out_the_only_sudoer(installed: Bed, doors: Doors, password: str, case: Case) -> None:
    case.tried = f"DISABLE_ROOT=Yes, and `Match User {USER}` refuses the password of the only account with sudo; nobody has a key"
    installed.machine.put(MATCH, f"Match User {USER}\n    PasswordAuthentication no\n")
    installed.machine.run(["systemctl", "reload", "ssh"])
    assert (root_by_password(doors), doors.by_password(USER, password)) == (True, None)
    block = waits(install(installed), "ssh|SSH", "someone with sudo who can log in", "give one a key")
    assert root_by_password(doors), "nobody administers the machine any more"
    case.happened = f"exit 4: waits for {block.parts['for']}; root still gets in"

    installed.machine.run(["rm", MATCH])
    installed.machine.run(["systemctl", "reload", "ssh"])
    with case.timed():
        assert (run := install(installed)).status == DONE, run.text[-3000:]
    assert not root_by_password(doors) and doors.rules_by_password(USER, password)
    assert doors.by_password(*GRACE) == "grace"
    case.recovered = "the block goes, `tootstrap install` shuts out root; the sudo user gets in"


def test_keys_for_some(installed: Bed, doors: Doors, password: str, case: Case, tmp_path: Path) -> None:
    case.tried = "keys for root and the sudo user, another account logs in by password"
    key = key_pair(tmp_path)
    authorize(installed.machine, key, "root", USER)
    assert (run := install(installed)).status == DONE, run.text[-3000:]
    assert (doors.by_key(USER, key), doors.by_password(*GRACE)) == (USER, "grace")
    assert (doors.by_key("root", key), root_by_password(doors)) == (None, False)
    case.happened = "password login stays for that account's sake; root is shut out, as asked"

    authorize(installed.machine, key, GRACE[0])
    with case.timed():
        assert (run := install(installed)).status == DONE, run.text[-3000:]
    assert (doors.by_key(USER, key), doors.by_key(GRACE[0], key)) == (USER, "grace")
    assert (doors.by_password(*GRACE), doors.by_password(USER, password), root_by_password(doors)) == (None, None, False)
    case.recovered = "when everybody has a key, the next run ends password login; both get in by key"
