"""The checks of an installed machine: from the client, and what Mastodon itself wrote down about the client."""

from __future__ import annotations

import json
import secrets
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from . import layout as where
from .bed import Bed
from .checks import Account, Expected
from .machine import Machine
from .sh import BedError

PROJECT = "/opt/mastodon"
CHECK_SECONDS = 240.0


@dataclass(frozen=True)
class Outcome:
    """One check; `said` is what was found, or why it failed."""

    title: str
    ok: bool
    said: str

    def __str__(self) -> str:
        return f"  {'ok    ' if self.ok else 'FAILED'}  {self.title}: {self.said}"


def verify(
    bed: Bed,
    fields: Mapping[str, str],
    registrations: str | None = "open",
    show: Callable[[str], object] = print,
    v6: str | None = where.MACHINE_V6,
) -> list[Outcome]:
    """Runs every check and shows each at once. `fields` is the form the machine was installed with, `v6` the address that it is reached under."""
    outcomes: list[Outcome] = []

    def add(outcome: Outcome) -> None:
        outcomes.append(outcome)
        show(str(outcome))

    with ordinary_user(bed.machine) as ordinary:
        expected = expectation(bed.machine, fields, registrations, ordinary, v6)
        started = time.time()
        done = bed.client.python("testbed.checks", input=json.dumps(asdict(expected)), timeout=CHECK_SECONDS)
        for line in done.stdout.splitlines():
            found = json.loads(line)
            add(Outcome(found["check"], found["ok"], found["said"]))
        if done.returncode not in (0, 1) or not outcomes:
            add(Outcome("the checks ran to their end", False, done.stderr.strip()[-1500:]))
        add(client_address(bed.machine, expected, started))
    return outcomes


def expectation(
    machine: Machine, fields: Mapping[str, str], registrations: str | None, ordinary: Account | None, v6: str | None = where.MACHINE_V6
) -> Expected:
    """From the form, `.credentials` and `secrets.toml`."""
    form = {name.lower(): value for name, value in fields.items()}
    written = credentials(machine, form.get("user_name"))
    subdomain = form.get("subdomain", "")
    site = form["domain"] if subdomain in ("", "www") else f"{subdomain}.{form['domain']}"
    return Expected(
        site=site,
        handle_domain=form.get("handle_domain") or site,
        owner_name=written["Owner Username"],
        owner=Account(written["Owner Email"], written["Owner Password"]),
        ordinary=ordinary,
        contact=form["soa_email_address"],
        registrations=registrations,
        vapid_public_key=find_key(tomllib.loads(machine.get("/etc/tootstrap/secrets.toml").decode()), "vapid_public_key"),
        v4=where.MACHINE_V4,
        v6=v6,
    )


def credentials(machine: Machine, sudo_user: str | None) -> dict[str, str]:
    """The lines `Name: value` of `.credentials` (design.md §1, records)."""
    home = f"/home/{sudo_user}" if sudo_user else "/root"
    lines = machine.get(f"{home}/.credentials").decode().splitlines()
    return {name.strip(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}


def find_key(tree: Mapping, name: str) -> str:
    """The value of `name` in a TOML document, whichever table holds it."""
    for key, value in tree.items():
        if key == name:
            return str(value)
        if isinstance(value, dict):
            try:
                return find_key(value, name)
            except KeyError:
                continue
    raise KeyError(f"no {name} in secrets.toml")


@contextmanager
def ordinary_user(machine: Machine) -> Iterator[Account]:
    """Somebody without a role, made by Mastodon's own command and removed at the end."""
    name = f"visitor_{secrets.token_hex(3)}"
    account = f"{name}@example.org"
    said = tootctl(machine, "accounts", "create", name, "--email", account, "--confirmed", "--approve")
    marker = "New password: "
    line = next((line for line in said.splitlines() if line.startswith(marker)), None)
    if line is None:
        raise BedError(f"tootctl made no ordinary user: {said[-500:]}")
    try:
        yield Account(account, line.removeprefix(marker).strip())
    finally:
        tootctl(machine, "accounts", "delete", name)


def tootctl(machine: Machine, *arguments: str) -> str:
    return compose(machine, "exec", "-T", "web", "tootctl", *arguments)


def compose(machine: Machine, *arguments: str) -> str:
    argv = ["docker", "compose", "--project-directory", PROJECT, *arguments]
    return machine.run(argv, timeout=180).stdout.decode(errors="replace")


def psql(machine: Machine, query: str) -> list[list[str]]:
    """Rows of a query in Mastodon's database, as text."""
    script = 'exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -At -F "\t" -v ON_ERROR_STOP=1 -c "$1"'
    said = compose(machine, "exec", "-T", "db", "sh", "-c", script, "psql", query)
    return [line.split("\t") for line in said.splitlines()]


def client_address(machine: Machine, expected: Expected, since: float) -> Outcome:
    """The addresses in Mastodon's table of sessions: the client's own, over both families, and nobody else's."""
    title = "Mastodon sees the client's own address"
    wanted = {where.CLIENT_V4} | ({where.CLIENT_V6} if expected.v6 else set())
    query = (
        "SELECT DISTINCT host(s.ip) FROM session_activations s JOIN users u ON u.id = s.user_id "
        f"WHERE u.email = '{expected.owner.email}' AND s.created_at >= to_timestamp({since:.0f}) AT TIME ZONE 'UTC'"
    )
    try:
        found = {row[0] for row in psql(machine, query)}
    except BedError as error:
        return Outcome(title, False, str(error)[-500:])
    return Outcome(title, found == wanted, f"sessions from {', '.join(sorted(found)) or 'nowhere'}; the client is {', '.join(sorted(wanted))}")
