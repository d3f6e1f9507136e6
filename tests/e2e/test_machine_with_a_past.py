"""A small machine with a past (past.py), installed over SSH with `curl … | sudo sh` and the settings that the form does not have."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import past
import pytest
from harness import MEMORY, REUSABLE, fresh_world, killed_for_memory, wait_healthy
from past import ADA, GRACE
from product import DONE, JOURNAL, REFUSED, STILL_WAITING, Product, Run, last_run
from remote import Key, Ssh
from searching import LOGS, PUBLIC, holders
from testbed import layout as where
from testbed.bed import Bed
from testbed.checks import HTTP3
from testbed.layout import GIB
from testbed.verify import compose, credentials, verify

RECORD_A, RECORD_AAAA = f"dns/record-a-{where.SITE}", f"dns/record-aaaa-{where.SITE}"
SERVING = ("web", "sidekiq", "streaming")


@dataclass(frozen=True)
class Before:
    """The machine as it was before anything of ours came to it."""

    bed: Bed
    ssh: Ssh
    shadow: str
    #: Its boot, by the monotonic clock.
    since: float


def shadow(bed: Bed, name: str) -> str:
    return bed.machine.sh(f"getent shadow {name}")


@pytest.fixture(scope="module")
def before(bed: Bed, key: Key) -> Iterator[Before]:
    REUSABLE.clear()
    fresh_world(bed)
    bed.machine.restore("bare", boot=False)
    bed.machine.limit_memory(GIB)
    bed.machine.put("/etc/ssh/sshd_config.d/port.conf", f"Port {past.SSH_PORT}\n")
    since = time.monotonic()
    bed.machine.boot()
    past.give_past(bed.machine)
    past.give_zone(bed)
    key.authorize(bed.machine, "root", GRACE)
    yield Before(bed, Ssh(bed, key, past.SSH_PORT), shadow(bed, ADA), since)
    bed.machine.kill()
    bed.machine.limit_memory(MEMORY)


@pytest.fixture(scope="module")
def refused(before: Before) -> subprocess.CompletedProcess[str]:
    """The web site on the bare domain does not redirect yet."""
    return before.ssh.run(GRACE, past.curl_to_shell(*past.FLAGS))


@pytest.fixture(scope="module")
def installed_but_for_dns(before: Before, refused: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    before.bed.services.control.set_webfinger_redirect(where.SITE)
    return before.ssh.run(GRACE, past.curl_to_shell(*past.FLAGS))


@pytest.fixture(scope="module")
def first_run(before: Before, installed_but_for_dns: subprocess.CompletedProcess[str]) -> Run:
    return last_run(before.bed.machine)


@pytest.fixture(scope="module")
def complete(before: Before, first_run: Run) -> Bed:
    """The operator decides that the other server may lose the name."""
    command = "sudo tootstrap install --replace-dns --linode-token-file /root/token"
    done = before.ssh.run(GRACE, command)
    assert done.returncode == DONE, done.stdout + done.stderr
    before.bed.services.control.flush_caches()
    wait_healthy(before.bed)
    return before.bed


def words(done: subprocess.CompletedProcess[str]) -> str:
    """What it said, without line breaks."""
    return " ".join((done.stdout + done.stderr).split())


def test_a_handle_domain_that_does_not_redirect_is_refused(before: Before, refused: subprocess.CompletedProcess[str]) -> None:
    said = words(refused)
    assert refused.returncode == REFUSED, said
    assert f"--handle-domain: \"{where.DOMAIN}\"" in said and "must redirect /.well-known/webfinger" in said and "status 404" in said, said
    assert not before.bed.machine.exists(JOURNAL) and not before.bed.machine.exists("/opt/mastodon")


def test_a_name_in_use_elsewhere_keeps_nothing_else_waiting(
    before: Before, installed_but_for_dns: subprocess.CompletedProcess[str], first_run: Run
) -> None:
    said = words(installed_but_for_dns)
    assert installed_but_for_dns.returncode == STILL_WAITING, said
    assert f"points to {where.FRONT_V4}, where something answers on port 80" in said, said
    assert "sudo tootstrap install --replace-dns --linode-token-file FILE" in said, said
    assert first_run.ids("waiting") == {RECORD_A, RECORD_AAAA, "dns/published", "edge/certificate"}, first_run.explained()
    assert first_run.ids("waiting", "changed", "unchanged") == {step.id for step in first_run.steps}, first_run.explained()


def test_asked_to_it_takes_the_name_and_leaves_the_rest_of_the_zone(complete: Bed) -> None:
    records = complete.services.control.records(where.DOMAIN)
    found = {(record["type"], record["name"], record["target"]) for record in records}
    assert found == {
        ("A", "", where.FRONT_V4),
        ("A", where.SUBDOMAIN, where.MACHINE_V4),
        ("AAAA", where.SUBDOMAIN, where.MACHINE_V6),
        ("MX", "", "mail.example.org"),
    }
    zone = next(zone for zone in complete.services.control.domains() if zone["domain"] == where.DOMAIN)
    assert {name: zone[name] for name in past.ZONE} == past.ZONE


def test_everything_a_client_must_see(complete: Bed) -> None:
    """Handles of the bare domain included; but for HTTP/3, which the bed's Caddy 2.6 spoils at a reload (caddyserver/caddy#4849, cured in 2.7)."""
    outcomes = verify(complete, past.FORM, registrations="approved")
    failed = [str(outcome) for outcome in outcomes if not outcome.ok and outcome.title != HTTP3]
    assert not failed, "\n".join(failed)


def test_sshd_is_reached_where_it_was_and_nowhere_else(before: Before, complete: Bed) -> None:
    assert [before.ssh.login(name) for name in ("root", ADA, GRACE)] == ["root", ADA, GRACE]
    rules = complete.machine.sh("ufw show added").splitlines()
    assert f"ufw allow {past.SSH_PORT}/tcp" in rules and "ufw allow 22/tcp" not in rules, rules
    assert not Ssh(complete, before.ssh.key).is_reachable()


def test_the_account_that_was_there_is_adopted_as_it_was(before: Before, complete: Bed) -> None:
    machine = complete.machine
    assert shadow(complete, ADA) == before.shadow
    groups = machine.sh(f"id -nG {ADA}").split()
    assert "sudo" in groups and "docker" not in groups
    assert machine.get(f"/home/{ADA}/.ssh/authorized_keys") == machine.get("/root/.ssh/authorized_keys")
    written = credentials(machine, ADA)
    assert (written["Sudo Username"], written["Sudo Password"]) == (ADA, "(unchanged: this account was there before)")
    became = machine.run(["su", "-", ADA, "-c", "sudo -S -p '' id -u"], input=past.ADAS_PASSWORD + "\n")
    assert became.stdout == b"0\n"


def test_the_mail_relay_arrives_in_mastodon(complete: Bed) -> None:
    wanted = {
        "SMTP_SERVER": "relay.example.org",
        "SMTP_PORT": "465",
        "SMTP_LOGIN": past.VARIABLE[1],
        "SMTP_PASSWORD": past.RELAY_PASSWORD,
        "SMTP_FROM_ADDRESS": "Ada and friends <noreply@example.org>",
        "SMTP_TLS": "true",
    }
    for service in ("web", "sidekiq"):
        said = compose(complete.machine, "exec", "-T", service, "printenv", "--null")
        found = dict(line.split("=", 1) for line in said.split("\0") if line.startswith("SMTP_"))
        assert found == wanted, service


def test_its_password_is_in_no_log_no_public_file_and_on_no_command_line(
    installed_but_for_dns: subprocess.CompletedProcess[str], complete: Bed
) -> None:
    machine, secret = complete.machine, {"relay password": past.RELAY_PASSWORD}
    assert holders(machine, "find /etc/tootstrap -type f -print0", {"part": "pass$word"}) == {("part", "/etc/tootstrap/secrets.toml")}
    assert holders(machine, f"{{ {LOGS}; {PUBLIC}; }}", {"part": "pass$word", **secret}) == set()
    for said in (machine.sh("journalctl --no-pager --output=export --all"), installed_but_for_dns.stdout, installed_but_for_dns.stderr):
        assert "pass$word" not in said
    assert "pass$word" not in machine.sh("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'")


def test_half_a_package_was_repaired(complete: Bed) -> None:
    assert past.status(complete.machine, "halfway") == "install ok installed"
    assert complete.machine.sh("dpkg --audit") == ""


def test_with_one_gigabyte_there_is_swap_and_puma_has_no_workers(complete: Bed) -> None:
    assert "/swapfile" in complete.machine.sh("swapon --show=NAME --noheadings").split()
    assert "/swapfile none swap" in complete.machine.get("/etc/fstab").decode()
    processes = complete.machine.sh("docker top mastodon-web-1 -eo pid,args").splitlines()
    # One alone, without the workers of a cluster; tini only waits for it.
    assert [line.split()[1] for line in processes if "puma" in line and "/tini " not in line] == ["puma"], processes


def test_nothing_was_killed_for_memory(before: Before, complete: Bed) -> None:
    assert killed_for_memory(complete, before.since) == []


def test_nothing_served_while_the_database_was_prepared(complete: Bed, first_run: Run) -> None:
    ends = {step.id: moment(step.said["at"]) for step in first_run.steps}
    inspect = ["docker", "inspect", "-f", "{{.Created}}", *(f"mastodon-{service}-1" for service in SERVING)]
    created = [moment(line) for line in complete.machine.run(inspect).stdout.decode().split()]
    assert min(created) > max(ends["app/database"], ends["app/owner"])


def moment(text: str) -> datetime:
    """Of RFC 3339; Docker's nanoseconds are more than Python knows."""
    return datetime.fromisoformat(re.sub(r"\.(\d{6})\d*", r".\1", text).replace("Z", "+00:00"))


def test_a_second_install_changes_nothing(complete: Bed) -> None:
    run = Product(complete.machine).install()
    assert (run.status, run.differing()) == (DONE, set()), run.explained()
