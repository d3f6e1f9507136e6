"""The release's user data on the first boot of a machine, by Debian's own cloud-init. Without a token, the records made by hand elsewhere,
the bare domain as the site with www beside it, for one person alone."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from harness import REUSABLE, fresh_world, wait_healthy
from product import DONE, Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.machine import Machine
from testbed.services import Rr
from testbed.verify import verify

SEED = "/var/lib/cloud/seed/nocloud"
RECORDED = "/etc/tootstrap/settings.toml"
WWW = f"www.{where.DOMAIN}"
OTHER_PROVIDER = "ns1.other-dns.net"

#: What somebody writes into the user data.
ANSWERS = {
    "domain": f'"{where.DOMAIN}"',
    "subdomain": '"www"',
    "email": '"hello@example.org"',
    "owner": '"Ada"',
    "owner_email": '"ada@example.org"',
    "single_user": "true",
    "sudo_user": '"ada"',
}
FORM = {"domain": where.DOMAIN, "subdomain": "www", "soa_email_address": "hello@example.org", "user_name": "ada"}

INSTALL_SECONDS = 900


def filled_in(user_data: str, more: str) -> str:
    """`more`: lines of settings after those that the user data has."""
    for name, value in ANSWERS.items():
        user_data, found = re.subn(rf"^( +{name} = ).*$", rf"\g<1>{value}", user_data, flags=re.M)
        assert found == 1, f"{name} stands {found} times in cloud-init.yaml"
    last = "      harden = true\n"
    assert user_data.count(last) == 1
    return user_data.replace(last, last + "".join(f"      {line}\n" for line in more.splitlines()))


@pytest.fixture(scope="module")
def first_boot(bed: Bed, dist: Path) -> Bed:
    """Returns when cloud-init has ended, however."""
    REUSABLE.clear()
    fresh_world(bed)
    records = [Rr(name, *record) for name in (where.DOMAIN, WWW) for record in (("A", 300, where.MACHINE_V4), ("AAAA", 300, where.MACHINE_V6))]
    bed.services.control.put_other_zone(where.DOMAIN, records)
    bed.services.control.delegate(where.DOMAIN, [OTHER_PROVIDER])
    machine = bed.machine
    machine.restore("bare", boot=False)
    mirror = machine.get(RECORDED).decode().partition("\n\n")[2]  # the one setting that the bed needs
    machine.remove(RECORDED)
    machine.remove("/etc/cloud/cloud-init.disabled")
    machine.put(f"{SEED}/meta-data", "instance-id: the-first\nlocal-hostname: bare\n")
    machine.put(f"{SEED}/user-data", filled_in((dist / "cloud-init.yaml").read_text(), mirror))
    machine.boot(wait=False)
    wait_ended(machine)
    return bed


def wait_ended(machine: Machine) -> None:
    limit = time.monotonic() + INSTALL_SECONDS
    while status(machine) not in ("done", "error", "disabled"):
        assert time.monotonic() < limit, f"cloud-init has not ended after {INSTALL_SECONDS} s:\n{machine.console()[-3000:]}"
        time.sleep(0.5)


def status(machine: Machine) -> str:
    """Empty while the machine is not up yet."""
    if not machine.on:
        return ""
    said = machine.run(["cloud-init", "status"], check=False).stdout.decode()
    return said.partition(":")[2].strip()


def test_cloud_init_is_content(first_boot: Bed) -> None:
    machine = first_boot.machine
    log = machine.get("/var/log/cloud-init-output.log").decode(errors="replace")
    assert status(machine) == "done", log[-3000:]
    assert f"Your server  https://{where.DOMAIN}" in log and "WAITING" not in log, log[-3000:]
    assert machine.sh(f"stat -c '%a %U' {RECORDED}").split() == ["600", "root"]


def test_everything_a_client_must_see(first_boot: Bed) -> None:
    wait_healthy(first_boot)
    failed = [str(outcome) for outcome in verify(first_boot, FORM, registrations="closed") if not outcome.ok]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_www_leads_to_the_site(first_boot: Bed, scheme: str) -> None:
    script = ["curl", "-sS", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", f"{scheme}://{WWW}/about?x=1"]
    assert first_boot.client.run(script).stdout == f"301 https://{where.DOMAIN}/about?x=1"


def test_a_second_install_changes_nothing(first_boot: Bed) -> None:
    run = Product(first_boot.machine).install(token=None)
    assert (run.status, run.differing()) == (DONE, set()), run.explained()
