"""The commands of docs/deploying.md and docs/running.md, run as they stand there: every block of a page in its order, each as one script of root's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness import wait_healthy
from product import DONE, Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.checks import HTTP3
from testbed.demo import FORM
from testbed.machine import Machine
from testbed.services.relay import LOGIN, PASSWORD
from testbed.verify import psql, verify

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^## ([^\n]+)$|^```sh\n(.*?)^```$", re.M | re.S)
#: The pages' names and the bed's.
NAMES = {"social.example.org": where.SITE, "you@example.net": "hello@example.org", "ben@example.net": "ben@example.org", "YOUR-LOGIN": LOGIN}
#: What a block reads from standard input: the password of a relay.
TYPED = f"{PASSWORD}\n"
COPY = ("mastodon.dump", "tootstrap.tar", "media.tar")
ACCOUNTS = "SELECT username FROM accounts WHERE domain IS NULL AND id > 0 ORDER BY 1"


def blocks(page: str) -> dict[str, list[str]]:
    """The scripts of a page by their headings, with the bed's names."""
    found: dict[str, list[str]] = {}
    heading = ""
    for title, script in BLOCK.findall((DOCS / page).read_text(encoding="utf-8")):
        if title:
            heading = title
            continue
        for ours, theirs in NAMES.items():
            script = script.replace(ours, theirs)
        found.setdefault(heading, []).append(script)
    return found


def run(machine: Machine, scripts: list[str]) -> None:
    for script in scripts:
        done = machine.run(["sh", "-euc", f"cd /root\n{script}"], input=TYPED, env={"HOME": "/root"}, check=False, timeout=900)
        assert done.returncode == DONE, f"{script}\nended with {done.returncode}:\n{(done.stdout + done.stderr).decode()[-3000:]}"


def publish(bed: Bed) -> None:
    """The records that somebody makes by hand."""
    made = [{"name": where.SUBDOMAIN, "type": kind, "target": to, "ttl_sec": 300} for kind, to in (("A", where.MACHINE_V4), ("AAAA", where.MACHINE_V6))]
    bed.services.control.put_zone(where.DOMAIN, made, soa_email="hello@example.org", ttl_sec=300)


def is_good(bed: Bed) -> None:
    wait_healthy(bed)
    failed = [str(outcome) for outcome in verify(bed, FORM) if not outcome.ok and outcome.title != HTTP3]
    assert not failed, "\n".join(failed)


def test_deploying(fresh: Bed) -> None:
    fresh.machine.boot()
    publish(fresh)
    ran = blocks("deploying.md")
    assert {"Look first", "Install", "The first day", "When it does not end well"} <= set(ran)
    for scripts in ran.values():
        run(fresh.machine, scripts)
    assert Product(fresh.machine).plain("status").status == DONE
    assert fresh.client.run(["curl", "-sS", "--max-time", "20", f"https://{where.SITE}/health"]).stdout.strip() == "OK"


def test_running(pristine: Bed) -> None:
    """Until the copy is restored; then the machine is a bare one with the copy alone."""
    machine = pristine.machine
    ran = blocks("running.md")
    restore, away = ran.pop("Restore it on a new machine"), ran.pop("Away")
    kept = "/opt/mastodon/public/system/kept.txt"
    machine.sh(f"echo kept >{kept} && chown 991:991 {kept}")
    copied: dict[str, bytes] = {}
    accounts: list[list[str]] = []
    for heading, scripts in ran.items():
        run(machine, scripts)
        if heading == "Keep a copy":
            copied = {name: machine.get(f"/root/copy/{name}") for name in COPY}
            accounts = psql(machine, ACCOUNTS)
    assert ["ben"] in accounts and ["Ada"] in accounts, accounts
    secrets = machine.get("/etc/tootstrap/secrets.toml")

    machine.restore("bare")
    machine.sh("install -d -m 700 /root/copy")
    for name, content in copied.items():
        machine.put(f"/root/copy/{name}", content, 0o600)
    run(machine, restore)
    assert psql(machine, ACCOUNTS) == accounts
    assert machine.get("/etc/tootstrap/secrets.toml") == secrets
    assert machine.sh(f"cat {kept}; stat -c %u {kept}").split() == ["kept", "991"]
    still = Product(machine).plan()
    assert (still.status, still.differing()) == (DONE, set()), still.explained()
    is_good(pristine)
    run(machine, away)


FILES = re.compile(r"^\| `(/[^`]+)` \|", re.M)


@pytest.mark.parametrize("path", FILES.findall((DOCS / "running.md").read_text(encoding="utf-8")))
def test_a_file_of_the_table_is_there(installed: Bed, path: str) -> None:
    assert installed.machine.exists(path)
