"""The machine.

One installation by the StackScript on a machine with several peculiarities, each of them looked at by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cases import Case
from endstate import good, nothing_to_do
from harness import REUSABLE, fresh_world
from product import DONE, Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.verify import compose
from uplinks import PRIVATE_V4, one_to_one_nat

GERMAN = {"LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8"}
LINK = "../run/systemd/resolve/stub-resolv.conf"

#: A cloud image in Germany whose administrator installed needrestart, hardened /tmp and let systemd-resolved resolve.
ARRANGE = f"""
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y install needrestart locales >/dev/null
sed -i 's/^# *de_DE.UTF-8/de_DE.UTF-8/' /etc/locale.gen
locale-gen >/dev/null
update-locale LANG=de_DE.UTF-8
mkdir -p /etc/systemd/resolved.conf.d
printf '[Resolve]\\nDNS={where.MACHINE_GW_V4}\\n' >/etc/systemd/resolved.conf.d/bed.conf
systemctl enable -q --now systemd-resolved
ln -sf {LINK} /etc/resolv.conf
mount -t tmpfs -o noexec,nosuid,nodev,mode=1777 tmpfs /tmp
"""


@dataclass(frozen=True)
class Odd:
    """The installed machine with its peculiarities, and what the installation said."""

    bed: Bed
    console: str


@pytest.fixture(scope="module")
def odd(bed: Bed, stackscript: str) -> Iterator[Odd]:
    REUSABLE.clear()
    fresh_world(bed)
    bed.machine.restore("bare")
    bed.machine.sh(ARRANGE)
    with one_to_one_nat(bed):
        done = bed.machine.stackscript(stackscript, FORM | {"lang": "de_DE.UTF-8", "lc_all": "de_DE.UTF-8"})
        assert done.returncode == 0, done.stdout[-3000:]
        yield Odd(bed, done.stdout)


def test_tmp_that_runs_nothing(odd: Odd, case: Case) -> None:
    case.tried = "`/tmp` mounted noexec"
    machine = odd.bed.machine
    assert "noexec" in machine.sh("findmnt -no OPTIONS /tmp").strip().split(",")
    machine.put("/tmp/program", "#!/bin/sh\n", 0o755)
    assert machine.run(["/tmp/program"], check=False).returncode != 0, "the mount option has no effect"
    assert "Permission denied" not in odd.console, odd.console[-3000:]
    good(odd.bed)
    case.happened = "installed as elsewhere: nothing is run from /tmp"
    case.recovered = "not needed"


def test_resolv_conf_is_a_link(odd: Odd, case: Case) -> None:
    case.tried = "`/etc/resolv.conf` is a link to systemd-resolved's stub on 127.0.0.53"
    machine = odd.bed.machine
    assert machine.sh("readlink /etc/resolv.conf").strip() == LINK
    assert "nameserver 127.0.0.53" in machine.get("/etc/resolv.conf").decode()
    assert "REACHED" in compose(machine, "exec", "-T", "web", "ruby", "-rsocket", "-e", "TCPSocket.new('api.linode.com', 443); puts 'REACHED'")
    case.happened = "the link stays what it was; the containers resolve names, too"
    case.recovered = "not needed"


def test_needrestart(odd: Odd, case: Case) -> None:
    case.tried = "needrestart is installed, which asks after every installation of packages"
    machine = odd.bed.machine
    assert machine.sh("dpkg-query -W -f '${Status}' needrestart") == "install ok installed"
    assert machine.run(["dpkg", "--verify", "needrestart"]).stdout == b""
    log = machine.sh("zcat -f /var/log/dpkg.log.1* /var/log/dpkg.log 2>/dev/null || true")
    assert "docker-ce" in log.partition(" status installed needrestart:")[2], "nothing was installed since"
    case.happened = "nobody is asked anything; its configuration is untouched"
    case.recovered = "not needed"


def test_a_locale_that_is_not_english(odd: Odd, case: Case) -> None:
    case.tried = "a German locale in /etc/default/locale and in the environment of the run"
    machine = odd.bed.machine
    assert "LANG=de_DE.UTF-8" in machine.get("/etc/default/locale").decode().split()
    german = machine.run(["apt-get", "install", "no-such-package"], env=GERMAN, check=False).stderr.decode()
    assert "Unable to locate" not in german, "the programs here still speak English"
    with case.timed():
        run = Product(machine).plan(env=GERMAN)
    assert (run.status, run.differing()) == (DONE, set()), run.explained()
    case.happened = "installed as elsewhere, and a later German run understands every program; /etc/default/locale is untouched"
    case.recovered = "not needed"


def test_a_private_address_behind_nat(odd: Odd, case: Case) -> None:
    case.tried = "a VPC: the machine has only a private address, and 1:1 NAT of the public one (Linode's metadata names it)"
    machine = odd.bed.machine
    own = machine.sh("ip -4 -o address show dev eth0")
    assert PRIVATE_V4 in own and where.MACHINE_V4 not in own, own
    records = odd.bed.services.control.records(where.DOMAIN)
    targets = {record["target"] for record in records if (record["type"], record["name"]) == ("A", where.SUBDOMAIN)}
    assert targets == {where.MACHINE_V4}, records
    nothing_to_do(Product(machine))
    case.happened = "the A record gets the public address; the certificate arrives, and the client's checks are good through the NAT"
    case.recovered = "not needed"
