"""The machine.

sshd on another port, nobody has a key, another administrator logs in by password, the form asks to disable root; nftables is the firewall
and does not know of a web server; IPv6 is there and leads nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cases import Case
from doors import Doors, make_account, root_by_password
from endstate import good
from harness import REUSABLE, fresh_world
from product import DONE, Product, Run
from recovery import flowing, run_plainly
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.verify import credentials
from uplinks import broken_ipv6

PORT = 2222
GRACE, EVE = ("grace", "grace-s-own-password"), ("eve", "eve-s-own-password")
USER = FORM["user_name"]

SSHD = f"""\
Port {PORT}
Match User eve
    ForceCommand /usr/bin/id -un
    AllowTcpForwarding no
"""

NFTABLES = f"""\
#!/usr/sbin/nft -f
flush ruleset
table inet own {{
    chain input {{
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established,related accept
        meta l4proto {{ icmp, ipv6-icmp }} accept
        tcp dport {PORT} accept
    }}
}}
"""


#: What the owner does when told which ports to open.
OPEN = "nft add rule inet own input tcp dport '{ 80, 443 }' accept; nft add rule inet own input udp dport 443 accept"


@dataclass(frozen=True)
class Guarded:
    """The machine after the first installation, and what was seen."""

    bed: Bed
    before: tuple[bool, ...]
    console: str
    rules: tuple[str, str]
    second: Run


def ways_in(doors: Doors) -> tuple[bool, ...]:
    """Root, the other administrator with sudo, somebody ordinary: by password."""
    return root_by_password(doors), doors.rules_by_password(*GRACE), doors.by_password(*EVE) == "eve"


def own_rules(bed: Bed) -> str:
    return bed.machine.sh("nft -s list table inet own")


@pytest.fixture(scope="module")
def guarded(bed: Bed, stackscript: str) -> Iterator[Guarded]:
    REUSABLE.clear()
    fresh_world(bed)
    machine = bed.machine
    machine.restore("bare")
    make_account(machine, *GRACE, "sudo")
    make_account(machine, *EVE)
    machine.put("/etc/ssh/sshd_config.d/own.conf", SSHD)
    machine.sh("export DEBIAN_FRONTEND=noninteractive; apt-get -qq update; apt-get -qq -y install nftables >/dev/null; systemctl restart ssh")
    machine.put("/etc/nftables.conf", NFTABLES, 0o755)
    machine.sh("systemctl -q enable --now nftables")
    with broken_ipv6(bed):
        before, rules = ways_in(Doors(bed, PORT)), own_rules(bed)
        done = machine.stackscript(stackscript, FORM | {"disable_root": "Yes"})
        assert done.returncode == 0, done.stdout[-3000:]
        after = own_rules(bed)
        machine.sh(OPEN)
        yield Guarded(bed, before, done.stdout, (rules, after), run_plainly(Product(machine)))


def test_a_foreign_firewall_is_left_alone(guarded: Guarded, case: Case) -> None:
    case.tried = "nftables in force, with sshd's port alone open"
    said = flowing(guarded.console)
    assert "nftables is the firewall here and is left as it is; let it pass 80/tcp, 443/tcp and 443/udp" in said, said[-3000:]
    assert "certificate" in said and "Installed, but something outside this machine is" in said, said[-3000:]
    assert guarded.rules[0] == guarded.rules[1]
    assert "ufw" not in guarded.bed.machine.sh("dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' | grep ' ii' || true").split()
    assert guarded.second.status == DONE, guarded.second.text[-3000:]
    good(guarded.bed, FORM | {"disable_root": "Yes"}, v6=None, http3=False)
    case.happened = "its rules stay as they are, ufw is not installed; the installation ends, waits for the certificate and names the ports to open"
    case.recovered = "the owner opens them, `tootstrap install` reaches a good server"


def test_nobody_is_locked_out(guarded: Guarded, case: Case) -> None:
    case.tried = "sshd on port 2222 with a `Match` block, no key anywhere, another administrator by password; DISABLE_ROOT=Yes"
    assert guarded.before == (True, True, True), "the client got in before"
    doors = Doors(guarded.bed, PORT)
    assert ways_in(doors) == (False, True, True)
    password = credentials(guarded.bed.machine, USER)["Sudo Password"]
    assert doors.rules_by_password(USER, password), "the sudo user of the form cannot become root"
    assert f"port = {PORT}" in guarded.bed.machine.get("/etc/fail2ban/jail.d/tootstrap.conf").decode()
    case.happened = "root no longer gets in; the new sudo user, the other administrator and somebody ordinary do by password (ssh before and after)"
    case.recovered = "not needed"


def test_ipv6_that_leads_nowhere(guarded: Guarded, case: Case) -> None:
    case.tried = "an IPv6 address and route that lead nowhere"
    assert where.MACHINE_V6 in guarded.bed.machine.sh("ip -6 address show dev eth0")
    records = guarded.bed.services.control.records(where.DOMAIN)
    assert not [record for record in records if record["type"] == "AAAA"], records
    assert "IPv6 does not work on this machine" in flowing(guarded.console), guarded.console[-3000:]
    case.happened = "everything is fetched over IPv4; no AAAA record is made, and why is said"
    case.recovered = "not needed"
