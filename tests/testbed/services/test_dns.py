"""Authoritative servers, delegations and the recursor, over real sockets."""

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from dnslib import QTYPE, RR, A, DNSRecord

from testbed.services import ControlError, Rr, ServerFault, addresses

from .conftest import UPSTREAM_PORT

NS = list(addresses.LINODE_NAME_SERVERS.values())
MACHINE, CLIENT, ACME = addresses.RECURSOR_MACHINE, addresses.RECURSOR_CLIENT, addresses.RECURSOR_ACME
SITE = "social.fedi-test.org"
OLD, NEW = "203.0.113.9", "203.0.113.10"


def eventually(true: Callable[[], bool], within: float = 3.0) -> bool:
    """Waits until it is true; False if that takes longer."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def zone(bed):
    """fedi-test.org with a site, served at once."""
    bed.control.set_publication_delay(0)
    bed.control.put_zone("fedi-test.org", [{"type": "A", "name": "social", "target": OLD}])
    return bed.control


class TestAuthoritative:
    def test_all_five_answer_with_authority(self, bed, zone):
        for server in NS:
            reply = bed.dig(server, SITE)
            assert reply.header.aa == 1 and reply.header.ra == 0
            assert [(str(rr.rdata), rr.ttl) for rr in reply.rr] == [(OLD, 300)]

    def test_soa_and_ns_are_made_from_the_domain(self, bed, zone):
        soa = bed.dig(NS[0], "fedi-test.org", "SOA").rr[0]
        assert soa.ttl == 300 and str(soa.rdata).startswith("ns1.linode.com. hostmaster.fedi-test.org. ")
        assert str(soa.rdata).endswith(" 14400 14400 1209600 300")
        assert bed.answers(NS[0], "fedi-test.org", "NS") == [f"{name}." for name in addresses.LINODE_NAME_SERVERS]

    def test_negative_answers_carry_the_zone_ttl(self, bed, zone):
        missing, no_data = bed.dig(NS[1], "nothing.fedi-test.org"), bed.dig(NS[1], SITE, "AAAA")
        assert (missing.header.rcode, no_data.header.rcode) == (3, 0)
        for reply in (missing, no_data):
            assert reply.header.aa == 1 and not reply.rr
            assert [(QTYPE[rr.rtype], rr.ttl) for rr in reply.auth] == [("SOA", 300)]

    def test_every_record_type(self, bed, zone):
        records = [
            {"type": "AAAA", "name": "social", "target": addresses.MACHINE_V6},
            {"type": "CNAME", "name": "www", "target": SITE},
            {"type": "MX", "name": "", "target": "mail.example.org", "priority": 10},
            {"type": "TXT", "name": "", "target": "x" * 300},
            {"type": "CAA", "name": "", "tag": "issue", "target": "letsencrypt.org"},
            {"type": "SRV", "service": "sip", "protocol": "tcp", "priority": 1, "port": 5060, "target": "s.org"},
            {"type": "A", "name": "*.wild", "target": NEW},
        ]
        zone.put_zone("fedi-test.org", [*records, {"type": "A", "name": "social", "target": OLD}])
        assert bed.answers(NS[0], SITE, "AAAA") == [addresses.MACHINE_V6]
        assert bed.answers(NS[0], "www.fedi-test.org") == [OLD, f"{SITE}."]
        assert bed.answers(NS[0], "fedi-test.org", "MX") == ["10 mail.example.org."]
        assert bed.answers(NS[0], "fedi-test.org", "TXT") == [f'"{"x" * 255}","{"x" * 45}"']
        assert bed.answers(NS[0], "fedi-test.org", "CAA") == ['0 issue "letsencrypt.org"']
        assert bed.answers(NS[0], "_sip._tcp.fedi-test.org", "SRV") == ["1 0 5060 s.org."]
        assert bed.answers(NS[0], "any.thing.wild.fedi-test.org") == [NEW]

    def test_names_are_compared_without_case(self, bed, zone):
        reply = bed.dig(NS[0], "SoCiAl.FEDI-test.org")
        assert str(reply.q.qname) == "SoCiAl.FEDI-test.org." and str(reply.rr[0].rdata) == OLD

    def test_long_answer_is_truncated_and_whole_over_tcp(self, bed, zone):
        zone.put_zone("fedi-test.org", [{"type": "TXT", "name": "big", "target": "x" * 2000}])
        assert bed.dig(NS[0], "big.fedi-test.org", "TXT").header.tc == 1
        reply = bed.dig(NS[0], "big.fedi-test.org", "TXT", tcp=True)
        assert reply.header.tc == 0 and b"".join(reply.rr[0].rdata.data) == b"x" * 2000

    def test_other_zones_are_refused(self, bed, zone):
        assert bed.dig(NS[0], "example.org").header.rcode == 5

    def test_disabled_zone_is_not_served(self, bed, zone):
        zone.put_zone("fedi-test.org", [], status="disabled")
        assert bed.dig(NS[0], "fedi-test.org").header.rcode == 5

    def test_zones_need_an_active_linode(self, bed, zone):
        zone.set_account_active(False)
        assert bed.dig(NS[0], SITE).header.rcode == 5

    def test_zone_of_another_account_is_served(self, bed):
        bed.control.set_publication_delay(0)
        bed.control.put_zone_elsewhere("theirs.org", [Rr("www.theirs.org", "A", 60, NEW)])
        assert bed.answers(NS[0], "www.theirs.org") == [NEW]
        assert bed.control.domains() == []

    def test_child_delegation_is_a_referral(self, bed, zone):
        zone.add_record("fedi-test.org", "child", "NS", addresses.OTHER_PROVIDER)
        reply = bed.dig(NS[0], "www.child.fedi-test.org")
        assert reply.header.aa == 0 and not reply.rr and str(reply.auth[0].rdata) == "ns1.other-dns.net."


class TestPublication:
    """linode.md §1.8."""

    def test_change_appears_after_the_delay(self, bed, zone):
        zone.set_publication_delay(0.4)
        zone.set_record("fedi-test.org", "social", "A", NEW)
        assert bed.answers(NS[0], SITE) == [OLD]
        assert eventually(lambda: bed.answers(NS[0], SITE) == [NEW])

    def test_never_published_until_released(self, bed, zone):
        zone.set_publication_delay(None)
        zone.set_record("fedi-test.org", "social", "A", NEW)
        zone.put_zone("other.org")
        assert bed.answers(NS[0], SITE) == [OLD]
        assert bed.dig(NS[0], "other.org").header.rcode == 5
        zone.set_publication_delay(0)
        assert bed.answers(NS[0], SITE) == [NEW]
        assert bed.dig(NS[0], "other.org").header.rcode == 0

    def test_one_frozen_server_stays_stale(self, bed, zone):
        zone.set_name_server_fault("ns3.linode.com", ServerFault(frozen=True))
        zone.set_record("fedi-test.org", "social", "A", NEW)
        assert [bed.answers(server, SITE) for server in NS] == [[NEW], [NEW], [OLD], [NEW], [NEW]]
        zone.clear_name_server_faults()
        assert bed.answers(NS[2], SITE) == [NEW]

    def test_one_server_is_later(self, bed, zone):
        zone.set_name_server_fault("ns1.linode.com", ServerFault(lag=0.5))
        zone.set_record("fedi-test.org", "social", "A", NEW)
        assert (bed.answers(NS[0], SITE) == [NEW], bed.answers(NS[1], SITE)) == (False, [NEW])
        assert eventually(lambda: bed.answers(NS[0], SITE) == [NEW])

    def test_flapping_server_alternates(self, bed, zone):
        zone.set_name_server_fault("ns5.linode.com", ServerFault(flapping=True))
        zone.put_zone("fedi-test.org", [{"type": "A", "name": "social", "target": OLD}])
        zone.add_record("fedi-test.org", "social", "AAAA", addresses.MACHINE_V6)
        seen = [len(bed.answers(NS[4], SITE, "AAAA")) for _ in range(4)]
        assert sorted(seen) == [0, 0, 1, 1] and seen[0] != seen[1]

    @pytest.mark.parametrize(("mode", "rcode"), [("servfail", 2), ("refused", 5)])
    def test_failing_server(self, bed, zone, mode, rcode):
        zone.set_name_server_fault("ns2.linode.com", ServerFault(mode=mode))
        assert bed.dig(NS[1], SITE).header.rcode == rcode

    def test_silent_server(self, bed, zone):
        zone.set_name_server_fault("ns2.linode.com", ServerFault(mode="silent"))
        with pytest.raises(TimeoutError):
            bed.dig(NS[1], SITE, timeout=0.3)
        assert bed.answers(MACHINE, SITE) == [OLD]


class TestDelegation:
    def test_referral_with_glue(self, bed):
        reply = bed.dig(addresses.TLD_SERVER_V4, "www.fedi-test.org")
        assert reply.header.aa == 0 and not reply.rr
        assert [str(rr.rdata) for rr in reply.auth] == [f"{name}." for name in addresses.LINODE_NAME_SERVERS]
        assert [str(rr.rdata) for rr in reply.ar] == NS

    def test_root_and_top_level_name_servers(self, bed):
        assert bed.answers(addresses.TLD_SERVER_V4, ".", "NS") == ["a.root-servers.net."]
        assert bed.answers(MACHINE, ".", "NS") == ["a.root-servers.net."]
        assert bed.answers(MACHINE, "org", "NS") == ["a.gtld-servers.net."]
        assert bed.answers(MACHINE, "a.gtld-servers.net") == [addresses.TLD_SERVER_V4]

    def test_unregistered_name(self, bed):
        bed.control.undelegate("fedi-test.org")
        reply = bed.dig(addresses.TLD_SERVER_V4, SITE)
        assert reply.header.rcode == 3 and reply.header.aa == 1

    def test_delegated_to_another_provider(self, bed, zone):
        zone.delegate("fedi-test.org", [addresses.OTHER_PROVIDER])
        zone.put_other_zone("fedi-test.org", [Rr(SITE, "A", 60, NEW)])
        assert bed.answers(MACHINE, SITE) == [NEW]
        assert bed.answers(MACHINE, "fedi-test.org", "NS") == ["ns1.other-dns.net."]
        assert bed.answers(NS[0], SITE) == [OLD]

    def test_record_that_cannot_be_sent_is_refused(self, bed):
        with pytest.raises(ControlError, match="no record type WKS"):
            bed.control.put_other_zone("x.org", [Rr("x.org", "WKS", 60, "x")])

    def test_delegated_where_nobody_serves_it_is_servfail(self, bed):
        assert bed.dig(MACHINE, SITE).header.rcode == 2

    def test_left_over_ds_breaks_the_zone_for_validators(self, bed, zone):
        zone.delegate("fedi-test.org", list(addresses.LINODE_NAME_SERVERS), ds=True)
        assert bed.dig(MACHINE, SITE).header.rcode == 2
        assert bed.answers(MACHINE, "fedi-test.org", "DS")[0].startswith("20326 8 2 ")
        assert bed.answers(addresses.TLD_SERVER_V4, "fedi-test.org", "DS")
        assert bed.answers(NS[0], SITE) == [OLD]


class TestRecursor:
    def test_names_of_the_bed(self, bed):
        for name in addresses.FRONT_NAMES:
            assert bed.answers(MACHINE, name) == [addresses.FRONT_V4]
            assert bed.answers(CLIENT, name, "AAAA") == [addresses.FRONT_V6]
        for name, address in addresses.LINODE_NAME_SERVERS.items():
            assert bed.answers(MACHINE, name) == [address]
        assert bed.answers(MACHINE, "203-0-113-10.ip.linodeusercontent.com") == ["203.0.113.10"]

    def test_mail_domains(self, bed):
        assert bed.answers(MACHINE, "example.org", "MX") == ["10 mail.example.org."]
        assert bed.answers(MACHINE, "example.com", "MX") == ["0 ."]
        for qtype in ("MX", "A", "AAAA"):
            reply = bed.dig(MACHINE, "mail-less.org", qtype)
            assert (reply.header.rcode, reply.rr) == (0, [])

    @pytest.mark.parametrize("name", ["api.zerossl.com", "acme.zerossl.com"])
    def test_second_issuer_does_not_exist(self, bed, name):
        assert bed.dig(MACHINE, name).header.rcode == 3

    def test_resolves_through_the_delegation(self, bed, zone):
        reply = bed.dig(MACHINE, SITE, tcp=True)
        assert str(reply.rr[0].rdata) == OLD
        assert (reply.header.aa, reply.header.ra) == (0, 1)

    def test_alias_into_another_zone(self, bed, zone):
        zone.add_record("fedi-test.org", "mail", "CNAME", "mail.example.org")
        assert bed.answers(MACHINE, "mail.fedi-test.org") == ["198.51.100.99", "mail.example.org."]

    def test_old_answer_is_cached_until_its_ttl_or_a_flush(self, bed, zone):
        assert bed.answers(MACHINE, SITE) == [OLD]
        zone.set_record("fedi-test.org", "social", "A", NEW, ttl_sec=30)
        assert bed.answers(MACHINE, SITE) == [OLD]
        assert bed.answers(CLIENT, SITE) == [NEW], "the client has a cache of its own"
        zone.flush_caches()
        assert bed.answers(MACHINE, SITE) == [NEW]

    def test_missing_name_is_cached_too(self, bed, zone):
        assert bed.dig(MACHINE, "late.fedi-test.org").header.rcode == 3
        zone.add_record("fedi-test.org", "late", "A", NEW)
        assert bed.dig(MACHINE, "late.fedi-test.org").header.rcode == 3
        assert bed.answers(ACME, "late.fedi-test.org") == [NEW], "the authority's resolver caches nothing"

    def test_ttl_counts_down_and_ends(self, bed, zone):
        zone.delegate("short.org", [addresses.OTHER_PROVIDER])
        zone.put_other_zone("short.org", [Rr("short.org", "A", 1, OLD)])
        assert bed.answers(MACHINE, "short.org") == [OLD]
        zone.put_other_zone("short.org", [Rr("short.org", "A", 1, NEW)])
        assert bed.answers(MACHINE, "short.org") == [OLD]
        assert eventually(lambda: bed.answers(MACHINE, "short.org") == [NEW])

    @pytest.mark.parametrize(("fate", "rcode"), [("servfail", 2), ("nxdomain", 3), ("refused", 5)])
    def test_name_with_another_fate(self, bed, fate, rcode):
        bed.control.override_name(addresses.API, fate)
        assert bed.dig(MACHINE, addresses.API).header.rcode == rcode
        bed.control.override_name(addresses.API, None)
        assert bed.dig(MACHINE, addresses.API).header.rcode == 0

    def test_query_log(self, bed, zone):
        zone.clear_dns_queries()
        bed.answers(MACHINE, SITE)
        lines = [(q["server"], q["name"], q["type"], q["rcode"]) for q in zone.dns_queries()]
        assert lines[0] == (addresses.TLD_SERVER, SITE, "A", "NOERROR")
        assert lines[1][0] in addresses.LINODE_NAME_SERVERS
        assert lines[2] == (f"recursor {MACHINE}", SITE, "A", "NOERROR")


class _Upstream(socketserver.BaseRequestHandler):
    """Knows one name; everything else does not exist."""

    def handle(self) -> None:
        raw, sock = self.request
        query = DNSRecord.parse(raw)
        reply = query.reply()
        if query.q.qname == "deb.debian.org" and query.q.qtype == QTYPE.A:
            reply.add_answer(RR("deb.debian.org", rdata=A("192.0.2.80"), ttl=5))
        else:
            reply.header.rcode = 3
        sock.sendto(reply.pack(), self.client_address)


class TestForwarding:
    @pytest.fixture
    def upstream(self, bed) -> Iterator[None]:
        """The host's resolver, outside the namespace of the services."""
        with socketserver.ThreadingUDPServer(("127.0.0.1", UPSTREAM_PORT), _Upstream) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield
            server.shutdown()

    @pytest.mark.usefixtures("upstream")
    def test_all_other_names_go_to_the_host(self, bed):
        for tcp in (False, True):
            reply = bed.dig(MACHINE, "deb.debian.org", tcp=tcp)
            assert [(str(rr.rdata), rr.ttl) for rr in reply.rr] == [("192.0.2.80", 5)]
        assert bed.dig(MACHINE, "nothing.debian.org").header.rcode == 3

    @pytest.mark.usefixtures("upstream")
    def test_alias_to_a_name_outside(self, bed, zone):
        zone.add_record("fedi-test.org", "mirror", "CNAME", "deb.debian.org")
        assert bed.answers(MACHINE, "mirror.fedi-test.org") == ["192.0.2.80", "deb.debian.org."]

    def test_no_resolver_is_servfail(self, bed):
        assert bed.dig(MACHINE, "deb.debian.org", timeout=8).header.rcode == 2


def test_garbage_is_ignored(bed):
    with bed.socket(socket.SOCK_DGRAM) as sock:
        sock.sendto(b"\x00\x01", (MACHINE, 53))
    assert bed.answers(MACHINE, addresses.API) == [addresses.FRONT_V4]
