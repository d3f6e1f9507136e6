"""The machine.

The firewall's and Docker's rules after what usually breaks them: seen from the client, and from the containers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import testbed
from cases import Case
from endstate import good, nothing_to_do
from harness import wait_healthy
from product import Product
from recovery import until
from testbed import layout as where
from testbed.bed import Bed
from testbed.verify import compose

#: Open on the machine, for everybody, and nobody's business outside.
OWN_PORT = 8081
WANTED = {22, 80, 443}
TRIED = sorted({*WANTED, 25, 111, 2019, 2375, 3000, 4000, 5432, 6379, 8080, OWN_PORT, 8443, 9000, 9090})

SCAN = "import json, sys; from testbed.checks import open_ports; print(json.dumps(open_ports(sys.argv[1], json.loads(sys.argv[2]))))"
OUT = "require 'socket'; TCPSocket.new('api.linode.com', 443).close; puts 'REACHED'"


def reachable(bed: Bed, address: str) -> set[int]:
    """Ports of TRIED that the client can connect to."""
    env = {"PYTHONPATH": str(Path(testbed.__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    return set(json.loads(bed.client.run(["/usr/bin/python3", "-c", SCAN, address, json.dumps(TRIED)], env=env).stdout))


#: Perl is on every Debian.
LISTENER = (
    f"my $s = IO::Socket::IP->new(LocalPort => {OWN_PORT}, LocalHost => '::', V6Only => 0, Listen => 5, ReuseAddr => 1) or die $@; "
    "while (my $c = $s->accept) { close $c }"
)


def listen(bed: Bed) -> None:
    """Somebody's program on all addresses."""
    bed.machine.run(["systemctl", "stop", "own-listener"], check=False)
    bed.machine.run(["systemd-run", "-q", "--unit", "own-listener", "perl", "-MIO::Socket::IP", "-e", LISTENER])
    until(lambda: f":{OWN_PORT}" in bed.machine.sh("ss -H -ltn"), 20, "the listener is up")


def docker_restarts(bed: Bed) -> None:
    bed.machine.run(["systemctl", "restart", "docker"])


CASES: list[tuple[str, Callable[[Bed], object]]] = [
    ("`ufw reload`", lambda bed: bed.machine.run(["ufw", "reload"])),
    ("`systemctl restart docker`", docker_restarts),
    ("a reboot", lambda bed: bed.machine.reboot()),
]


@pytest.mark.parametrize(("what", "happens"), CASES, ids=["ufw-reload", "docker-restart", "reboot"])
def test_rules_hold(installed: Bed, case: Case, what: str, happens: Callable[[Bed], object]) -> None:
    case.tried = f"the firewall's and Docker's rules after {what}"
    with case.timed():
        happens(installed)
        wait_healthy(installed)
    listen(installed)
    for address in (where.MACHINE_V4, where.MACHINE_V6):
        assert reachable(installed, address) == WANTED, address
    for service in ("web", "sidekiq"):
        assert "REACHED" in compose(installed.machine, "exec", "-T", service, "ruby", "-e", OUT), service
    good(installed)
    nothing_to_do(Product(installed.machine))
    case.happened = f"of {len(TRIED)} ports the client reaches 22, 80 and 443 over both families and no other; the containers reach the world"
    case.recovered = "by itself"
