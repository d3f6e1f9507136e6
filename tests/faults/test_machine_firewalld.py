"""The machine.

firewalld is the firewall.
"""

from __future__ import annotations

from cases import Case
from endstate import good, nothing_to_do
from harness import wait_healthy
from product import DONE, Product
from recovery import flowing, run_plainly
from testbed import layout as where
from testbed.bed import Bed
from test_machine_rules import reachable

#: The bed's Docker is 20.10, which leaves the bridges of internal networks out of its zone (docker/for-linux#1353); whoever has both adds them.
ARRANGE = """
export DEBIAN_FRONTEND=noninteractive
ufw --force disable
apt-get -qq -y purge ufw >/dev/null
apt-get -qq -y install firewalld >/dev/null
systemctl restart docker
for network in $(docker network ls -q --filter driver=bridge); do
    if [ "$(docker network inspect -f '{{.Internal}}' "$network")" = true ]; then
        firewall-cmd -q --permanent --zone=docker --add-interface="br-$network"
        firewall-cmd -q --zone=docker --add-interface="br-$network"
    fi
done
"""

STATE = "firewall-cmd --get-active-zones; firewall-cmd --list-all; find /etc/firewalld -type f -exec sha256sum {} +"


def test_firewalld_is_left_alone(installed: Bed, case: Case) -> None:
    case.tried = "firewalld in force, with ssh alone open"
    machine = installed.machine
    machine.sh(ARRANGE, timeout=600)
    wait_healthy(installed)
    assert reachable(installed, where.MACHINE_V4) == {22}
    before = machine.sh(STATE)
    run = run_plainly(Product(machine))
    said = flowing(run.text)
    assert run.status == DONE, run.text[-3000:]
    assert "firewalld is the firewall here and is left as it is; let it pass 80/tcp, 443/tcp and 443/udp" in said, run.text[-3000:]
    assert machine.sh(STATE) == before
    assert machine.run(["sh", "-c", "command -v ufw"], check=False).stdout == b""
    case.happened = "its zones stay as they are, ufw does not come back, and the ports to open are named"
    with case.timed():
        for ports in ("80/tcp", "443/tcp", "443/udp"):
            machine.run(["firewall-cmd", f"--add-port={ports}"])
            machine.run(["firewall-cmd", "--permanent", f"--add-port={ports}"])
        good(installed)
    nothing_to_do(Product(machine))
    case.recovered = "the owner opens them, and every check of the client is good"
