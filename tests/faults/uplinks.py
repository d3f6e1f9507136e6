"""How the machine is connected, other than with one public address of each family. Each is undone at the end, with the machine off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from testbed import layout as where
from testbed.bed import Bed
from testbed.net import inside

PRIVATE_V4, PRIVATE_GW_V4 = "10.0.0.2", "10.0.0.1"


def _rules(bed: Bed, action: str, program: str, rules: list[str]) -> None:
    for rule in rules:
        table, _, rest = rule.partition(" ")
        inside(bed.layout.rtr, [program, "-t", table, action, *rest.split()])


def _unplug(bed: Bed) -> None:
    """The next boot finds the usual network."""
    bed.machine.kill()
    bed.network.plug_machine()


@contextmanager
def one_to_one_nat(bed: Bed) -> Iterator[None]:
    """A VPC: eth0 has a private address alone, and the router translates the public one."""
    public, private = where.MACHINE_V4, PRIVATE_V4
    rules = [
        f"nat PREROUTING -d {public} -j DNAT --to-destination {private}",
        f"nat OUTPUT -d {public} -j DNAT --to-destination {private}",
        f"nat POSTROUTING -s {private} -o cli -j SNAT --to-source {public}",
        f"nat POSTROUTING -s {private} -o vm -j SNAT --to-source {public}",
        f"nat INPUT -s {private} -j SNAT --to-source {public}",
    ]
    vm, rtr = bed.layout.vm, bed.layout.rtr
    inside(vm, ["ip", "-4", "address", "flush", "dev", "eth0"])
    inside(vm, ["ip", "address", "add", f"{private}/24", "dev", "eth0"])
    inside(rtr, ["ip", "address", "add", f"{PRIVATE_GW_V4}/24", "dev", "vm"])
    inside(vm, ["ip", "route", "add", "default", "via", PRIVATE_GW_V4])
    _rules(bed, "-A", "iptables", rules)
    try:
        yield
    finally:
        _rules(bed, "-D", "iptables", rules)
        _unplug(bed)


@contextmanager
def no_ipv6(bed: Bed) -> Iterator[None]:
    """As with `ipv6.disable_ipv6=1`: not even ::1."""
    for which in ("all", "default"):
        inside(bed.layout.vm, ["sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1"])
    try:
        yield
    finally:
        _unplug(bed)


@contextmanager
def broken_ipv6(bed: Bed) -> Iterator[None]:
    """The machine has its address and its route, and nothing ever comes back."""
    rules = ["filter FORWARD -i vm -j DROP", f"filter INPUT -i vm -d {where.FRONT_V6} -j DROP"]
    _rules(bed, "-I", "ip6tables", rules)
    try:
        yield
    finally:
        _rules(bed, "-D", "ip6tables", rules)
        _unplug(bed)
