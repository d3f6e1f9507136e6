"""A firewall with rules of its owner's: it is only added to, and nobody is locked out, whether it was in force before or not."""

from __future__ import annotations

import pytest
from product import DONE, STILL_WAITING, Product
from remote import Key, Ssh
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.verify import compose

#: Of the owner's; nothing of the product's makes or needs it.
OWN = "allow from 192.0.2.7 to any port 5432 proto tcp"


@pytest.fixture(scope="module")
def ssh(installed: Bed, key: Key) -> Ssh:
    """Root and the sudo user accept the key, and the product has seen that."""
    key.authorize(installed.machine, "root", FORM["user_name"])
    run = Product(installed.machine).install()
    assert run.status == DONE, run.explained()
    return Ssh(installed, key)


def policy(bed: Bed, *rules: str, active: bool) -> None:
    """Replaces every rule."""
    words = [["ufw", "--force", "reset"], *(["ufw", *rule.split()] for rule in rules), *([["ufw", "--force", "enable"]] if active else [])]
    for argv in words:
        bed.machine.run(argv)


def rules(bed: Bed) -> list[str]:
    """In ufw's order."""
    return [line.removeprefix("ufw ") for line in bed.machine.sh("ufw show added").splitlines() if line.startswith("ufw ")]


def is_active(bed: Bed) -> bool:
    return "Status: active" in bed.machine.sh("ufw status")


def test_before_it_is_in_force_sshds_port_is_opened_first(installed: Bed, tootstrap: Product, ssh: Ssh) -> None:
    policy(installed, OWN, "deny 22", active=False)
    run = tootstrap.install()
    assert (run.status, run.ids("changed")) == (DONE, {"firewall/ufw"}), run.explained()
    assert is_active(installed) and ssh.login("root") == "root"
    found = rules(installed)
    assert found.index("allow 22/tcp") < found.index("deny 22") and OWN in found, found
    again = tootstrap.plan()
    assert (again.status, again.differing()) == (DONE, set()), again.explained()


def test_a_policy_in_force_is_only_added_to(installed: Bed, tootstrap: Product, ssh: Ssh) -> None:
    only_the_client = f"allow from {where.CLIENT_V4} to any port 22 proto tcp"
    policy(installed, OWN, only_the_client, active=True)
    run = tootstrap.install()
    assert (run.status, run.ids("changed")) == (DONE, {"firewall/ufw"}), run.explained()
    assert ssh.login("root") == "root"
    # Who is let in to sshd is the owner's wish.
    assert rules(installed) == [OWN, only_the_client, "allow 80/tcp", "allow 443/tcp", "allow 443/udp"]


def test_a_port_that_the_owner_shuts_stays_shut_until_the_owner_opens_it(installed: Bed, tootstrap: Product, ssh: Ssh) -> None:
    policy(installed, OWN, "deny 22", "allow 80", "allow 443", active=True)
    before = rules(installed)
    run = tootstrap.install()
    assert (run.status, run.ids("waiting"), run.ids("changed")) == (STILL_WAITING, {"firewall/ufw"}, set()), run.explained()
    assert "sudo ufw delete deny 22" in run.text, run.text
    assert rules(installed) == before and not ssh.is_reachable()

    installed.machine.run(["ufw", "delete", "deny", "22"])
    cured = tootstrap.install()
    assert (cured.status, cured.ids("changed")) == (DONE, {"firewall/ufw"}), cured.explained()
    assert ssh.login("root") == "root"
    assert rules(installed) == [OWN, "allow 80", "allow 443", "allow 22/tcp"]


def test_the_containers_did_not_notice(installed: Bed) -> None:
    running = compose(installed.machine, "ps", "--services", "--filter", "status=running").split()
    assert set(running) == {"db", "redis", "web", "sidekiq", "streaming", "caddy"}
    assert installed.client.run(["curl", "-sS", "--max-time", "20", f"https://{where.SITE}/health"]).stdout.strip() == "OK"
