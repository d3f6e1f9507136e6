"""Data.

What was made is gone or damaged: nothing is ever made anew over it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from cases import Case
from endstate import good, nothing_to_do
from harness import wait_healthy
from product import DONE, REFUSED, Product, Run
from recovery import Undisturbed, run_plainly
from testbed.bed import Bed
from testbed.machine import Machine
from testbed.verify import compose

SECRETS = "/etc/tootstrap/secrets.toml"
SETTINGS = "/etc/tootstrap/settings.toml"
DATABASE = "/opt/mastodon/postgres/17"
ASIDE = "/root/aside"


@pytest.fixture(scope="module")
def undisturbed(installed: Bed) -> Undisturbed:
    return Undisturbed.of(installed)


def refused(run: Run, why: str, do: str) -> str:
    """Refused before anything is changed, with what to do; the sentence that says why."""
    assert run.status == REFUSED, run.text[-3000:]
    found = re.search(r"^tootstrap: (.*?)\n  done ", run.text, re.MULTILINE | re.DOTALL)
    said = " ".join(found[1].split()) if found else ""
    assert re.search(why, said), run.text[-3000:]
    assert re.search(r"^  done +nothing was changed$", run.text, re.MULTILINE), run.text[-3000:]
    asked = re.search(r"^  do (.*?)\n  go on ", run.text, re.MULTILINE | re.DOTALL)
    assert asked and re.search(do, " ".join(asked[1].split())), run.text[-3000:]
    assert re.search(r"^  go on +sudo tootstrap install$", run.text, re.MULTILINE), run.text[-3000:]
    return said


def state(machine: Machine) -> str:
    """What a refused run must not touch."""
    return machine.sh(
        "docker ps -a --no-trunc --format '{{.ID}} {{.Status}}' | sed 's/ Up .*/ Up/' | sort; "
        f"find /etc/tootstrap /opt/mastodon -maxdepth 2 -printf '%p %m %U:%G %T@\\n' | grep -v /caddy | sort; ls -A {DATABASE} | sort"
    )


@dataclass(frozen=True)
class Damage:
    """`make` and `undo` are scripts; `why` and `do` regular expressions of the message."""

    name: str
    tried: str
    make: str
    undo: str
    why: str
    do: str

    def __str__(self) -> str:
        return self.name


def of_file(name: str, tried: str, path: str, edit: str, why: str, do: str) -> Damage:
    return Damage(name, tried, f"cp -p {path} {ASIDE}; {edit}", f"mv {ASIDE} {path}", why, do)


DAMAGES = [
    Damage(
        "secrets-gone",
        "the database is there, `secrets.toml` is gone",
        f"mv {SECRETS} {ASIDE}",
        f"mv {ASIDE} {SECRETS}",
        r"secrets\.toml is missing, but /opt/mastodon/postgres/17 holds a database",
        "put it back from a backup",
    ),
    of_file("secrets-truncated", "`secrets.toml` cut in half", SECRETS, f"truncate -s 300 {SECRETS}", r"secrets\.toml is damaged", "backup"),
    of_file(
        "secrets-newer",
        "`secrets.toml` of a newer version",
        SECRETS,
        f"sed -i 's/^version = 1/version = 2/' {SECRETS}",
        r"secrets\.toml has version 2, this program knows 1",
        "use the newer tootstrap",
    ),
    of_file("settings-truncated", "`settings.toml` cut in a line", SETTINGS, f"truncate -s 250 {SETTINGS}", r"settings\.toml", "."),
    of_file(
        "settings-newer",
        "`settings.toml` of a newer version",
        SETTINGS,
        f"sed -i 's/^version = 1/version = 2/' {SETTINGS}",
        r"settings\.toml has format 2; this tootstrap knows format 1 only",
        "newer",
    ),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_a_file_is_gone_or_damaged(installed: Bed, undisturbed: Undisturbed, case: Case, damage: Damage) -> None:
    case.tried = damage.tried
    machine = installed.machine
    machine.sh(damage.make)
    before = state(machine)
    said = refused(run_plainly(Product(machine)), damage.why, damage.do)
    assert state(machine) == before
    case.happened = f"exit 2, nothing is touched: {said}"
    machine.sh(damage.undo)
    undisturbed.recovered(installed, case, checks=False)
    case.recovered = "the file comes back from a backup, `tootstrap install` finds nothing to do"


def test_the_database_is_gone(installed: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "`secrets.toml` is there, PostgreSQL's directory is empty (a disk that is not mounted)"
    machine = installed.machine
    compose(machine, "stop")
    machine.sh(f"mv {DATABASE} {ASIDE}; install -d -m 700 -o 70 -g 70 {DATABASE}")
    before = state(machine)
    why, do = "/opt/mastodon/postgres/17 holds no database any more", "mount it.*backup.*rm /var/lib/tootstrap/complete"
    said = refused(run_plainly(Product(machine)), why, do)
    assert state(machine) == before
    case.happened = f"exit 2, no new database is made: {said}"
    machine.sh(f"rmdir {DATABASE}; mv {ASIDE} {DATABASE}")
    undisturbed.recovered(installed, case)
    case.recovered = "the directory comes back, `tootstrap install` starts everything"


def test_the_database_is_lost_for_good(pristine: Bed, case: Case) -> None:
    case.tried = "the same, and the owner begins with an empty database as the message says"
    machine = pristine.machine
    secrets = machine.get(SECRETS)
    compose(machine, "stop")
    machine.sh(f"find {DATABASE} -mindepth 1 -delete; rm /var/lib/tootstrap/complete")
    with case.timed():
        run = run_plainly(Product(machine))
    assert run.status == DONE, run.text[-3000:]
    wait_healthy(pristine)
    assert machine.get(SECRETS) == secrets
    good(pristine)
    nothing_to_do(Product(machine))
    case.happened = "exit 0: tables, first rows and the owner are made again, with the same secrets"
    case.recovered = "every check of the client is good"
