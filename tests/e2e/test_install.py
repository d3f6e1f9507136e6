"""The main job: the StackScript on a bare Debian 11 ends in a Mastodon that answers."""

from __future__ import annotations

from harness import Installation, wait_healthy
from product import Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.verify import compose, credentials, psql, verify
from tour import keep_text

LEAVES_IT_AS_IT_WAS = True

ADA = FORM["user_name"]


def test_the_stackscript_says_that_it_is_complete(installation: Installation) -> None:
    assert installation.status == 0, installation.console[-3000:]
    assert "Installation Complete" in installation.console
    keep_text("installation", "the StackScript, in /var/log/stackscript.log", installation.console)
    print(f"installed in {installation.seconds:.0f} s")


def test_everything_a_client_must_see(installed: Bed) -> None:
    failed = [str(outcome) for outcome in verify(installed, FORM) if not outcome.ok]
    assert not failed, "\n".join(failed)


def test_status_is_good(installed: Bed, tootstrap: Product) -> None:
    done = tootstrap.plain("status")
    keep_text("status", "sudo tootstrap status", done.text)
    assert done.status == 0, done.text


def test_the_sudo_user_can_become_root_with_the_written_password(installed: Bed) -> None:
    password = credentials(installed.machine, ADA)["Sudo Password"]
    done = installed.machine.run(["su", "-", ADA, "-c", "sudo -S -p '' id -u; id -nG"], input=password + "\n")
    uid, groups = done.stdout.decode().splitlines()
    assert uid == "0"
    assert "sudo" in groups.split() and "docker" not in groups.split()


def test_the_database_sorts_independently_of_any_libc_and_still_knows_letters(installed: Bed) -> None:
    rows = psql(
        installed.machine,
        "SELECT pg_encoding_to_char(encoding), datlocprovider, datcollate, datctype FROM pg_database WHERE datname = current_database()",
    )
    assert rows == [["UTF8", "b", "C", "C.UTF-8"]]
    assert psql(installed.machine, "SELECT 'ÉMILE' ILIKE 'émile', lower('ÉMILE') = 'émile'") == [["t", "t"]]


def test_mail_records_are_untouched_and_addresses_published(installed: Bed, installation: Installation) -> None:
    records = installed.services.control.records(where.DOMAIN)
    found = {(record["type"], record["name"], record["target"]) for record in records}
    assert ("A", where.SUBDOMAIN, where.MACHINE_V4) in found
    assert ("AAAA", where.SUBDOMAIN, where.MACHINE_V6) in found
    assert not [entry for entry in found if entry[0] == "MX"]


def test_hardening(installed: Bed) -> None:
    machine = installed.machine
    assert "Status: active" in machine.sh("ufw status")
    assert "sshd" in machine.sh("fail2ban-client status")
    assert machine.sh("systemctl is-enabled unattended-upgrades").strip() == "enabled"
    assert machine.sh("hostname -f").strip() in (where.SITE, where.DOMAIN)


def test_sidekiq_works_its_queues(installed: Bed) -> None:
    assert "sidekiq" in compose(installed.machine, "ps", "--services", "--filter", "status=running").split()


def test_after_a_reboot_everything_is_served_again(installed: Bed) -> None:
    installed.machine.reboot()
    wait_healthy(installed)
    assert "Status: active" in installed.machine.sh("ufw status")
    failed = [str(outcome) for outcome in verify(installed, FORM) if not outcome.ok]
    assert not failed, "\n".join(failed)
