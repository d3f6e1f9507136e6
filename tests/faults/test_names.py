"""DNS.

What `install` says about names that are not as they must be. Those that only need time heal without anybody.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from background import Background
from cases import Case
from edge import answers, comes_by_itself, start_caddy, without_certificate
from product import DONE, Product, Run
from recovery import Undisturbed, run_plainly, until, waits
from testbed import layout as where
from testbed.bed import Bed
from testbed.services import ServerFault

LEAVES_IT_AS_IT_WAS = True

LINODE = [f"ns{number}.linode.com" for number in range(1, 6)]
ELSEWHERE = "ns1.other-dns.net"
WANTED = {"A": where.MACHINE_V4, "AAAA": where.MACHINE_V6}


@pytest.fixture(scope="module")
def undisturbed(installed: Bed) -> Undisturbed:
    return Undisturbed.of(installed)


@pytest.fixture(autouse=True)
def world(installed: Bed, undisturbed: Undisturbed) -> Iterator[None]:
    """Changes are served at once, and afterwards all is as it was."""
    control = installed.services.control
    control.set_publication_delay(0)
    yield
    control.set_publication_delay(0)
    control.clear_name_server_faults()
    control.delegate(where.DOMAIN, LINODE)
    control.delete_records(where.DOMAIN, "", "CAA")
    put_records(installed)


def put_records(bed: Bed) -> None:
    for kind, target in WANTED.items():
        bed.services.control.set_record(where.DOMAIN, where.SUBDOMAIN, kind, target)
    bed.services.control.flush_caches()


def remove_records(bed: Bed, *kinds: str) -> None:
    for kind in kinds:
        bed.services.control.delete_records(where.DOMAIN, where.SUBDOMAIN, kind)
    bed.services.control.flush_caches()


# --- what the operator has to change


def test_one_family_only(installed: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "without a token: somebody made the A record, but not the AAAA record"
    remove_records(installed, "AAAA")
    run = run_plainly(Product(installed.machine), token=None)
    block = waits(run, r"dns/published", rf"the AAAA record of {where.SITE} to be {where.MACHINE_V6} \(ns\d.linode.com says there is none\)", r"create these records")
    assert f"AAAA {where.MACHINE_V6}" in block.parts["do"] and "--linode-token-file FILE" in block.parts["do"], block
    case.happened = f"exit 4: waits for {block.parts['for']}, with the records to make"
    put_records(installed)
    undisturbed.recovered(installed, case, checks=False, token=None)


def test_delegated_elsewhere(installed: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "the zone at Linode is right, but the registrar names another provider's servers"
    control = installed.services.control
    control.put_other_zone(where.DOMAIN, [])
    control.delegate(where.DOMAIN, [ELSEWHERE])
    control.flush_caches()
    run = run_plainly(Product(installed.machine))
    block = waits(run, r"dns/published", rf"{where.DOMAIN} is delegated to {ELSEWHERE}", rf"at the registrar of {where.DOMAIN} enter the name servers ns1.linode.com.*or create these records")
    case.happened = f"exit 4 at once: waits for {block.parts['for']}"
    control.delegate(where.DOMAIN, LINODE)
    control.remove_other_zone(where.DOMAIN)
    control.flush_caches()
    undisturbed.recovered(installed, case, checks=False)


@pytest.mark.quick
def test_a_left_over_ds_record(installed: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "the parent zone still has a DS record of a former provider"
    control = installed.services.control
    control.delegate(where.DOMAIN, LINODE, ds=True)
    control.flush_caches()
    run = run_plainly(Product(installed.machine))
    block = waits(run, r"dns/published", rf"the DS record of {where.DOMAIN} to be removed", r"switch DNSSEC off")
    case.happened = f"exit 4 at once: waits for {block.parts['for']}"
    control.delegate(where.DOMAIN, LINODE)
    control.flush_caches()
    undisturbed.recovered(installed, case, checks=False)


def test_a_caa_record_that_forbids_us(installed: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "a CAA record of the domain lets only another authority issue certificates"
    control = installed.services.control
    without_certificate(installed)
    control.add_record(where.DOMAIN, "", "CAA", "other-authority.example", tag="issue")
    control.flush_caches()
    start_caddy(installed)
    try:
        run = run_plainly(Product(installed.machine))
        block = waits(run, r"edge/certificate", r"a CAA record does not let Let's Encrypt issue it", rf'remove its CAA records .*or add {where.SITE}\. 300 IN CAA 0 issue "letsencrypt.org"')
        assert not answers(installed)
    finally:
        control.delete_records(where.DOMAIN, "", "CAA")
        control.flush_caches()
    case.happened = f"exit 4: waits for {block.parts['for']}, with the record that would let it"
    undisturbed.recovered(installed, case, checks=False)


# --- what needs time


@pytest.mark.quick
def test_one_of_five_servers_is_stale(installed: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "ns4 goes on with the old address while ns1, ns2, ns3 and ns5 have the new one"
    control = installed.services.control
    control.set_record(where.DOMAIN, where.SUBDOMAIN, "A", "198.51.100.200")
    control.set_name_server_fault("ns4.linode.com", ServerFault(frozen=True))
    run = Background(installed)
    until(lambda: run.said("ns4.linode.com says 198.51.100.200"), 60, "nothing was said about ns4")
    control.clear_name_server_faults()
    with case.timed():
        ended = run.ended()
    assert ended.status == DONE, ended.text[-3000:]
    assert "dns/published: waiting for the A record" in ended.text, ended.text[-3000:]
    undisturbed.same(installed, checks=False)
    case.happened = "it waits, and says that ns4 is what it waits for"
    case.recovered = "by itself, in the same run, once ns4 agrees"


@dataclass(frozen=True)
class Unpublished:
    """A run while the name servers showed nothing."""

    run: Run
    #: When the servers began to show the records: seconds after the run began.
    published_after: float
    #: Seconds from then until the certificate was there.
    healed_after: float


@pytest.fixture(scope="module")
def unpublished(installed: Bed, undisturbed: Undisturbed) -> Unpublished:
    """Records are missing, Linode publishes nothing, there is no certificate; it publishes only long after `install` has given up."""
    control = installed.services.control
    control.set_publication_delay(0)
    without_certificate(installed)
    remove_records(installed, "A", "AAAA")
    time.sleep(1)
    control.set_publication_delay(None)
    start_caddy(installed)
    began = time.monotonic()
    run = run_plainly(Product(installed.machine))
    control.set_publication_delay(0)
    after = time.monotonic() - began
    return Unpublished(run, after, comes_by_itself(installed))


def test_never_published(installed: Bed, unpublished: Unpublished, case: Case) -> None:
    case.tried = "Linode accepts the records and never publishes them"
    block = waits(unpublished.run, r"dns/published", rf"the A record of {where.SITE} to be {where.MACHINE_V4} \(ns\d.linode.com says there is none\)", r"sudo tootstrap install looks again")
    waits(unpublished.run, r"edge/certificate", rf"the certificate for {where.SITE}", r"by itself")
    case.happened = f"exit 4 after {unpublished.published_after / 60:.0f} minutes, everything else is done; waits for {block.parts['for']} and for the certificate"
    case.recovered = "see the next line"


def test_published_late(installed: Bed, unpublished: Unpublished, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = f"the records are published only {unpublished.published_after / 60:.0f} minutes later, when `install` has ended (exit 4)"
    undisturbed.same(installed, http3=False)
    case.seconds = unpublished.healed_after
    case.happened = "nobody runs anything; Caddy goes on trying"
    case.recovered = "by itself: the certificate is there, and nothing is left to do"
