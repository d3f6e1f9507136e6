"""The machine.

The sudo user of the form is deleted with everything that was theirs.
"""

from __future__ import annotations

from dataclasses import replace

from cases import Case
from doors import Doors
from endstate import good
from product import DONE, Product
from recovery import Undisturbed, run_plainly
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.verify import credentials

USER = FORM["user_name"]
CREDENTIALS = f"/home/{USER}/.credentials"
OWNERS = ("Owner Username", "Owner Email", "Owner Password")


def test_the_sudo_user_is_deleted(installed: Bed, case: Case) -> None:
    case.tried = f"`userdel -r {USER}`: the only account with sudo, with its home, keys and credentials; then `install`"
    machine, doors = installed.machine, Doors(installed)
    undisturbed = Undisturbed.of(installed)
    before = credentials(machine, USER)
    password = before["Sudo Password"]
    # Its exit status tells of the mail spool that was never there.
    machine.run(["userdel", "-r", USER], check=False)
    assert machine.run(["id", USER], check=False).returncode != 0 and not machine.exists(f"/home/{USER}")
    assert doors.by_password(USER, password) is None
    with case.timed():
        run = run_plainly(Product(machine))
    assert run.status == DONE, run.text[-3000:]
    # Not the owner's lines, which are written once: what the operator removes stays so.
    assert credentials(machine, USER) == {"Sudo Username": USER, "Sudo Password": password}
    assert doors.rules_by_password(USER, password), "the password of the credentials does not let in"
    case.happened = "the account is made again, in its groups and with the password that it had, which `.credentials` tells; it logs in and becomes root"
    files = {**undisturbed.kept.files, CREDENTIALS: machine.get(CREDENTIALS)}
    replace(undisturbed, kept=replace(undisturbed.kept, files=files)).same(installed, checks=False)
    # The client's checks log in with the owner's password, which its owner noted elsewhere.
    machine.run(["tee", "-a", CREDENTIALS], input="".join(f"{label}: {before[label]}\n" for label in OWNERS))
    good(installed)
    case.recovered = "`tootstrap install` reaches the undisturbed end"
