"""The certificate authority (ACME).

The certificate is gone, as on a machine that never had one, and the authority makes trouble while `install` waits for a new one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from cases import Case
from edge import answers, comes_by_itself, orders, serial, start_caddy, without_certificate
from product import DONE, Product
from recovery import Undisturbed, run_plainly, waits
from testbed import layout as where
from testbed.bed import Bed
from testbed.net import inside
from testbed.services import HostFault, addresses

LEAVES_IT_AS_IT_WAS = True

AUTHORITIES = (addresses.ACME, addresses.ACME_STAGING)
PROBLEM = {"Content-Type": "application/problem+json", "Retry-After": "60"}
RATE_LIMITED = {
    "type": "urn:ietf:params:acme:error:rateLimited",
    "detail": "too many certificates (5) already issued for this exact set of domains in the last 168h0m0s, retry after 2026-12-01 00:00:00 UTC",
    "status": 429,
}


@pytest.fixture(scope="module")
def undisturbed(installed: Bed) -> Undisturbed:
    return Undisturbed.of(installed)


@pytest.fixture
def uncertified(installed: Bed, undisturbed: Undisturbed) -> Iterator[Bed]:
    without_certificate(installed)
    installed.services.control.clear_front_requests()
    yield installed
    installed.services.control.clear_host_faults()
    start_caddy(installed)
    comes_by_itself(installed)


def down(bed: Bed) -> None:
    for host in AUTHORITIES:
        bed.services.control.add_host_fault(HostFault(host, status=503, body="upstream unavailable"))


def silent(bed: Bed) -> None:
    for host in AUTHORITIES:
        bed.services.control.add_host_fault(HostFault(host, reset_after=0))


def rate_limited(bed: Bed) -> None:
    for host in AUTHORITIES:
        bed.services.control.add_host_fault(HostFault(host, path="order", method="POST", status=429, headers=PROBLEM, body=json.dumps(RATE_LIMITED)))


def closed(bed: Bed) -> None:
    """As Linode's Cloud Firewall does in front of the machine."""
    for program in ("iptables", "ip6tables"):
        inside(bed.layout.rtr, [program, "-I", "OUTPUT", "-o", "vm", "-p", "tcp", "-m", "multiport", "--dports", "80,443", "-j", "DROP"])


def opened(bed: Bed) -> None:
    for program in ("iptables", "ip6tables"):
        inside(bed.layout.rtr, [program, "-D", "OUTPUT", "-o", "vm", "-p", "tcp", "-m", "multiport", "--dports", "80,443", "-j", "DROP"])


def healed(bed: Bed) -> None:
    bed.services.control.clear_host_faults()


CASES = {
    "the authority is down (503)": (down, healed, r"Let's Encrypt does not answer as it should", r"gets the certificate by itself once the authority answers", "503"),
    "the authority resets every connection": (silent, healed, r"Let's Encrypt does not answer as it should", r"by itself", ""),
    "the rate limit is reached (429)": (rate_limited, healed, r"a rate limit of Let's Encrypt's is reached", r"limits pass .*by itself", r"too many certificates \(5\)"),
    "a firewall in front of the machine drops ports 80 and 443": (
        closed,
        opened,
        r"Let's Encrypt does not reach this machine under the name",
        r"ports 80 and 443 must be open .*also in front of it .*by itself",
        "",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_no_certificate_yet(uncertified: Bed, undisturbed: Undisturbed, case: Case, name: str) -> None:
    case.tried = name
    break_it, heal, why, do, says = CASES[name]
    break_it(uncertified)
    start_caddy(uncertified)
    try:
        run = run_plainly(Product(uncertified.machine))
        block = waits(run, r"edge/certificate", why, do)
        assert re.match(f"Caddy says: .*{says}", block.parts["why"]), block
        assert not answers(uncertified)
        # What people see meanwhile on this machine itself: everything else works.
        assert "edge/certificate" in block.steps and "," not in block.steps, block
    finally:
        heal(uncertified)
    case.happened = f"exit 4, everything else is done; waits for {block.parts['for']}"
    case.seconds = comes_by_itself(uncertified)
    undisturbed.same(uncertified, http3=False)
    case.recovered = "by itself: nobody does anything, and Caddy has the certificate"


def test_the_store_outlives_a_reinstallation(installed: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "all containers, images and files of the project are removed, but no data; then `install`"
    control = installed.services.control
    before = serial(installed)
    control.clear_front_requests()
    installed.machine.sh(
        "cd /opt/mastodon && docker compose down --timeout 3 >/dev/null 2>&1"
        " && rm -rf compose.yaml env.production secrets.env caddy/conf caddy/site"
        " && docker image prune --all --force >/dev/null"
    )
    with case.timed():
        run = run_plainly(Product(installed.machine))
    assert run.status == DONE, run.text[-3000:]
    assert (serial(installed), orders(installed)) == (before, 0)
    undisturbed.same(installed)
    case.happened = f"the certificate that was there is served again, and none is asked for ({where.SITE})"
    case.recovered = "by the same run"
