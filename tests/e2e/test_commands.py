"""The commands of daily life, on a machine that an installation left."""

from __future__ import annotations

import json
import re

import pytest
from product import DONE, REFUSED, STEP_FAILED, Product
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.verify import compose, credentials, psql
from tour import keep_text

ADA = FORM["user_name"]
RELAY_PASSWORD = "only-in-the-secrets-1"


def doctor(tootstrap: Product) -> tuple[int, dict]:
    """Exit status, and what it says by the name of the cause."""
    done = tootstrap.machine.run([tootstrap.program, "doctor", "--json"], check=False, timeout=300)
    said = json.loads(done.stdout)
    assert said["healthy"] == (done.returncode == DONE), said["findings"]
    return done.returncode, {finding["name"]: finding for finding in said["findings"]}


def test_doctor_finds_nothing_wrong(tootstrap: Product) -> None:
    status, findings = doctor(tootstrap)
    assert status == DONE, findings
    assert "outside/unknown" in findings and "mail/none" in findings, findings


def test_doctor_names_what_is_broken(installed: Bed, tootstrap: Product) -> None:
    compose(installed.machine, "stop", "-t", "1", "streaming")
    status, findings = doctor(tootstrap)
    keep_text("doctor", "sudo tootstrap doctor", tootstrap.plain("doctor").text)
    assert status == STEP_FAILED
    wrong = {name for name, finding in findings.items() if finding["grade"] == "wrong"}
    assert wrong == {"container/stopped"}, findings
    assert tootstrap.install().status == DONE
    assert doctor(tootstrap)[0] == DONE


#: What somebody does to a container, and what it is then.
BROKEN = {
    ("stop", "-t", "10", "db"): "container/stopped",
    ("stop", "-t", "10", "caddy"): "container/stopped",
    ("rm", "--stop", "--force", "streaming"): "container/missing",
    ("pause", "web"): "container/paused",
}


def test_a_container_that_does_not_work_is_one_finding(installed: Bed, tootstrap: Product) -> None:
    for words, cause in BROKEN.items():
        compose(installed.machine, *words)
        status, findings = doctor(tootstrap)
        wrong = {name for name, finding in findings.items() if finding["grade"] == "wrong"}
        assert (status, wrong) == (STEP_FAILED, {cause}), (words, findings)
        repaired = tootstrap.install()
        assert repaired.status == DONE, (words, repaired.explained())
    assert doctor(tootstrap)[0] == DONE


def test_the_report_can_be_shared(installed: Bed, tootstrap: Product) -> None:
    tootstrap.plain("doctor", "--report", "/root/report.txt")
    machine = installed.machine
    assert machine.sh("stat -c '%a %U' /root/report.txt").strip() == "600 root"
    report = machine.get("/root/report.txt").decode()
    assert "Mastodon: v4.7.4" in report and "== web:" in report
    secrets = re.findall(r'= "([^"]{20,})"', machine.get("/etc/tootstrap/secrets.toml").decode())
    assert len(secrets) > 8 and not [secret for secret in secrets if secret in report]
    assert FORM["owner_email"] not in report


def test_a_setting_is_changed_and_the_machine_made_so(installed: Bed, tootstrap: Product) -> None:
    run = tootstrap.plain("set", "single_user", "yes")
    assert run.status == DONE and "single_user: no → yes" in run.text, run.text
    assert b"SINGLE_USER_MODE='true'" in installed.machine.get("/opt/mastodon/env.production")
    assert tootstrap.plain("set", "single_user").text == "yes\n"
    still = tootstrap.plan()
    assert (still.status, still.differing()) == (DONE, set()), still.explained()
    assert tootstrap.plain("set", "single_user", "no").status == DONE


@pytest.mark.parametrize(("key", "value", "why"), [("domain", "a.org", "part of every handle"), ("registrations", "closed", "web interface")])
def test_what_cannot_change_is_refused(installed: Bed, tootstrap: Product, key: str, value: str, why: str) -> None:
    before = installed.machine.get("/etc/tootstrap/settings.toml")
    run = tootstrap.plain("set", key, value)
    assert run.status == REFUSED and why in run.words, run.text
    assert installed.machine.get("/etc/tootstrap/settings.toml") == before


def test_a_relays_password_comes_through_standard_input(installed: Bed, tootstrap: Product) -> None:
    machine = installed.machine
    words = ["smtp.server", "smtp.example.org", "smtp.login", "me", "smtp.password", "-"]
    done = machine.run([tootstrap.program, "set", *words], input=f"{RELAY_PASSWORD}\n", check=False, timeout=300)
    assert done.returncode == DONE, done.stderr
    holders = machine.sh(f"grep -rl {RELAY_PASSWORD} /etc/tootstrap /opt/mastodon /var/log /var/lib/tootstrap || true").split()
    assert set(holders) == {"/etc/tootstrap/secrets.toml", "/opt/mastodon/secrets.env"}
    assert RELAY_PASSWORD not in machine.sh("journalctl --no-pager --output=export --all")
    assert tootstrap.plain("set", "smtp.server", "--clear").status == DONE
    assert b"SMTP" not in machine.get("/opt/mastodon/env.production")


def test_a_password_on_the_command_line_is_refused(tootstrap: Product) -> None:
    run = tootstrap.plain("set", "smtp.password", RELAY_PASSWORD)
    assert run.status == REFUSED and RELAY_PASSWORD not in run.text, run.text


def test_the_owner_gets_a_new_password(installed: Bed, tootstrap: Product) -> None:
    before = credentials(installed.machine, ADA)["Owner Password"]
    run = tootstrap.plain("owner", "reset-password")
    assert run.status == DONE, run.text
    after = credentials(installed.machine, ADA)["Owner Password"]
    assert re.fullmatch("[0-9a-f]{32}", after) and after != before and after not in run.text
    assert installed.machine.sh(f"stat -c '%a %U' /home/{ADA}/.credentials").strip() == f"600 {ADA}"
    assert after not in installed.machine.sh("journalctl --no-pager --output=export --all; cat /var/lib/tootstrap/*.jsonl")


def test_tootctl_and_logs_pass_on_what_they_are_told(tootstrap: Product) -> None:
    assert tootstrap.plain("tootctl", "version").text.strip() == "4.7.4"
    assert tootstrap.plain("tootctl", "accounts", "modify", "nobody", "--approve").status == 1
    logs = tootstrap.plain("logs", "--tail", "3", "db")
    assert logs.status == DONE and "db-1" in logs.text and "\x1b" not in logs.text, logs.text
    assert tootstrap.plain("logs", "nothing-of-this-name").status != DONE


def test_the_commands_of_tootctl_that_help_and_pages_show(installed: Bed, tootstrap: Product) -> None:
    usage = tootstrap.plain("tootctl", "media", "usage")
    assert usage.status == DONE and "Attachments:\t0 Bytes (0 Bytes local)" in usage.text, usage.text
    removed = tootstrap.plain("tootctl", "media", "remove", "--days", "3")
    assert removed.status == DONE and "Removed 0 media attachments" in removed.text, removed.text
    assert tootstrap.plain("tootctl", "settings", "registrations", "close").text.strip() == "OK"
    assert "media" in tootstrap.plain("tootctl", "help").text

    # A word that is not the domain ends it: nobody is suspended.
    suspended = "SELECT username FROM accounts WHERE suspended_at IS NOT NULL"
    before = psql(installed.machine, suspended)
    leaving = [tootstrap.program, "tootctl", "self-destruct"]
    assert installed.machine.run(leaving, input="example.org\n", check=False, timeout=120).returncode == 1
    assert psql(installed.machine, suspended) == before


def test_a_long_word_on_the_command_line_is_refused_in_short_lines(tootstrap: Product) -> None:
    refused = tootstrap.plain("plan", "--single-user", "maybe " * 20)
    assert refused.status == REFUSED and max(map(len, refused.text.splitlines())) <= 80, refused.text


def test_pages_and_completions(installed: Bed, tootstrap: Product) -> None:
    assert tootstrap.plain("man", "/root/man").status == DONE
    assert installed.machine.get("/root/man/tootstrap-set.1").startswith(b".ie")
    assert installed.machine.sh(f"{tootstrap.program} completions bash | bash -n && echo good") == "good\n"
