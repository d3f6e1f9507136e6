"""Looking for secrets in the files of a machine."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

from testbed import guest
from testbed.demo import FORM
from testbed.machine import Machine

#: What everybody on the machine may read, and nobody need enter a private directory for.
PUBLIC = "find /etc /opt /home /var/lib/tootstrap -xdev -type f -perm /0044 -print0"
#: Everything on the disk and in /run; the bed's own copy of the form is not the product's. A library of Ruby's encodings has the test's
#: token, 64 times the same letter, by chance.
EVERYTHING = f"find / /run -xdev -path /{guest.DIRECTORY} -prune -o -type f ! -name gbk.so -print0"
LOGS = "find /var/log /run/log /var/lib/tootstrap -type f -print0"


def holders(machine: Machine, files: str, secrets: Mapping[str, str]) -> set[tuple[str, str]]:
    """(secret's name, file) for every secret in the files that the shell command `files` prints, separated by NUL."""
    script = f'{files} | xargs -0 -r env LC_ALL=C grep -aosHF --null "$@" || [ $? = 123 ]'
    patterns = [option for value in secrets.values() for option in ("-e", value)]
    found = machine.run(["sh", "-ec", script, "search", *patterns]).stdout.decode(errors="replace").splitlines()
    names = {value: name for name, value in secrets.items()}
    return {(names[value], path) for path, value in (line.split("\0") for line in found)}


def generated(machine: Machine) -> dict[str, str]:
    """By name: all of secrets.toml but the public key."""
    table = tomllib.loads(machine.get("/etc/tootstrap/secrets.toml").decode())["generated"]
    assert len(table) == 10, sorted(table)
    return {name: value for name, value in _flat(table).items() if name != "vapid_public_key"}


def first_passwords(machine: Machine) -> dict[str, str]:
    """The owner's and the sudo user's."""
    return {name: value for name, value in generated(machine).items() if name in ("owner_password", FORM["user_name"])}


def _flat(table: Mapping) -> dict[str, str]:
    """Each value by its own name; the sudo users' passwords are a table of their own."""
    inner = [_flat(value) for value in table.values() if isinstance(value, dict)]
    return {name: value for name, value in table.items() if isinstance(value, str)} | {k: v for part in inner for k, v in part.items()}
