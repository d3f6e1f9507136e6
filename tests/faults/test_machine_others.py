"""The machine.

Somebody lives on it already: Docker with containers, a web server, a firewall; and there is no IPv6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cases import Case
from endstate import good
from harness import REUSABLE, fresh_world
from product import DONE, Product, Run, environment
from recovery import failed, run_plainly
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.machine import Machine
from uplinks import no_ipv6

#: Debian's Docker, which has no Compose v2, with a shop on port 80 and a ledger; nginx on 443; ufw in force.
ARRANGE = """
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
apt-get -qq -y install --no-install-recommends docker.io nginx-light ufw >/dev/null
rm /usr/sbin/policy-rc.d /etc/nginx/sites-enabled/default
printf 'server { listen 443; return 200 mine; }\\n' >/etc/nginx/conf.d/own.conf
systemctl start docker nginx
docker pull -q redis:7-alpine
docker run -d --name shop --restart always -p 80:6379 redis:7-alpine
docker run -d --name ledger --restart unless-stopped redis:7-alpine
ufw allow 22/tcp
ufw allow from 192.0.2.0/24 to any port 5432 proto tcp
ufw --force enable
"""

RULES = ["allow 22/tcp", "allow from 192.0.2.0/24 to any port 5432 proto tcp"]


@dataclass(frozen=True)
class Theirs:
    """What belongs to somebody else and must not be touched."""

    ledger: str
    shop: str
    daemon: str
    packages: str
    configuration: str

    @classmethod
    def of(cls, machine: Machine) -> "Theirs":
        def started(name: str) -> str:
            return machine.sh(f"docker inspect -f '{{{{.Id}}}} {{{{.State.StartedAt}}}} {{{{.RestartCount}}}}' {name}").strip()

        return cls(
            ledger=started("ledger"),
            shop=started("shop"),
            daemon=machine.sh("systemctl show --property=MainPID,ActiveEnterTimestamp docker"),
            packages=machine.sh("dpkg-query -W docker.io containerd runc nginx-light"),
            configuration=machine.sh("sha256sum /etc/docker/* /etc/default/docker /etc/nginx/conf.d/own.conf 2>/dev/null || true"),
        )


@dataclass(frozen=True)
class Lived:
    """Before, after the first run (which fails), and after the second."""

    bed: Bed
    before: Theirs
    first: Run
    between: Theirs
    second: Run
    after: Theirs


@pytest.fixture(scope="module")
def lived(bed: Bed, dist: Path) -> Iterator[Lived]:
    REUSABLE.clear()
    fresh_world(bed)
    machine = bed.machine
    machine.restore("bare")
    with no_ipv6(bed):
        machine.sh(ARRANGE)
        before = Theirs.of(machine)
        product = Product.uploaded(machine, dist)
        first = run_plainly(product, "--harden", env=environment(FORM))
        between = Theirs.of(machine)
        machine.sh("systemctl -q disable --now nginx; docker update --restart=no shop; docker stop -t 1 shop")
        second = run_plainly(Product(machine))
        yield Lived(bed, before, first, between, second, Theirs.of(machine))


def test_ports_80_and_443_are_taken(lived: Lived, case: Case) -> None:
    case.tried = "port 80 published by somebody's container, port 443 taken by nginx, before the installation"
    why = r"port 80 is taken by the container shop, port 443 is taken by nginx \(process \d+\)"
    block = failed(lived.first, "ports 80 and 443", why, r"docker stop shop.*systemctl status \d+.*or use a machine without another web server")
    assert lived.second.status == DONE, lived.second.text[-3000:]
    good(lived.bed, v6=None)
    case.happened = f"exit 1: {block.parts['why']}; both choices are named, and everything else is done"
    case.recovered = "the owner ends both, `tootstrap install` reaches a good server"


def test_somebodys_docker_is_never_restarted(lived: Lived, case: Case) -> None:
    case.tried = "Debian's Docker without Compose v2, with somebody's containers"
    assert lived.between == lived.before
    assert (lived.after.ledger, lived.after.daemon, lived.after.packages) == (lived.before.ledger, lived.before.daemon, lived.before.packages)
    assert lived.after.configuration == lived.before.configuration
    machine = lived.bed.machine
    assert machine.sh("dpkg-query -W -f '${Status}' docker-compose-plugin") == "install ok installed"
    assert not machine.exists("/etc/docker/daemon.json")
    assert "the Docker that is here is used as it is" in lived.first.text, lived.first.text[-3000:]
    case.happened = "same container, start time, daemon process and package versions after two runs; only the Compose plugin is added"
    case.recovered = "not needed"


def test_a_policy_in_force_is_only_added_to(lived: Lived, case: Case) -> None:
    case.tried = "ufw in force with rules of its owner's"
    machine = lived.bed.machine
    rules = [line.removeprefix("ufw ") for line in machine.sh("ufw show added").splitlines() if line.startswith("ufw ")]
    assert rules == [*RULES, "allow 80/tcp", "allow 443/tcp", "allow 443/udp"], rules
    case.happened = "the owner's rules stay, in their order; 80/tcp, 443/tcp and 443/udp come after them"
    case.recovered = "not needed"


def test_no_ipv6_at_all(lived: Lived, case: Case) -> None:
    case.tried = "IPv6 switched off (net.ipv6.conf.all.disable_ipv6=1)"
    assert lived.bed.machine.sh("ip -6 address") == ""
    records = lived.bed.services.control.records(where.DOMAIN)
    assert not [record for record in records if record["type"] == "AAAA"], records
    assert [record["target"] for record in records if record["type"] == "A"] == [where.MACHINE_V4], records
    still = Product(lived.bed.machine).plan()
    assert (still.status, still.differing()) == (DONE, set()), still.explained()
    case.happened = "installed with an A record alone; nothing is left to do"
    case.recovered = "not needed"
