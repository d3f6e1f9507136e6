"""The rest of the world's DNS: delegations, another provider, names of the bed."""

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from dnslib import RCODE

from .. import addresses
from .server import Question
from .zone import Answer, Rr, Zone, closest, normal, parents

DAY = 86400
#: Top-level domains whose delegations are ours; of others we say nothing.
TOP_LEVEL = frozenset("org com net info social io dev de eu uk online site club cloud example".split())
#: A made-up signing key's digest; whoever validates must fail (linode.md §1.3 on DNSSEC).
LEFT_OVER_DS = "20326 8 2 " + "e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d"
DASHED = re.compile(r"^(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})\.ip\.linodeusercontent\.com$")
#: Whose ports `tootstrap doctor` tries where no relay is set: in the bed an address of nobody, so that the real ones are left alone.
MAIL_RELAYS = ("smtp.mailgun.org", "smtp.sendgrid.net")
ZERO_SSL = ("api.zerossl.com", "acme.zerossl.com")


def _zone(name: str, primary: str, mailbox: str, records: Iterable[Rr], minimum: int = 300) -> Zone:
    return Zone(name, primary, mailbox, 2026010101, 14400, 14400, 1209600, minimum, 300, tuple(records))


@dataclass(frozen=True)
class Delegation:
    """What the registrar told the top-level domain: name servers, a left-over DS."""

    servers: tuple[str, ...]
    ds: bool = False


class OtherProvider:
    """A DNS company that is not Linode: one server, zones as the tests want them."""

    def __init__(self) -> None:
        self._zones: dict[str, Zone] = {}
        self._lock = threading.Lock()

    def put(self, name: str, records: Iterable[Rr]) -> None:
        """Makes or replaces a zone; it is served at once."""
        name, records = normal(name), list(records)
        for rr in records:
            rr.wire()  # a record that cannot be sent is the caller's error, now
        own = Rr(name, "NS", 3600, addresses.OTHER_PROVIDER)
        zone = _zone(name, addresses.OTHER_PROVIDER, f"hostmaster.{addresses.OTHER_PROVIDER}", [own, *records])
        with self._lock:
            self._zones[name] = zone

    def remove(self, name: str) -> None:
        """Drops a zone, if it is there."""
        with self._lock:
            self._zones.pop(normal(name), None)

    def reset(self) -> None:
        """No zones."""
        with self._lock:
            self._zones.clear()

    def respond(self, question: Question) -> Answer:
        """The answer of ns1.other-dns.net."""
        with self._lock:
            apex = closest(self._zones, question.name)
            zone = self._zones.get(apex) if apex is not None else None
        if zone is None:
            return Answer(rcode=RCODE.REFUSED, authoritative=False)
        return zone.answer(question.name, question.type)


class Registrars:
    """The root and all top-level domains: who is delegated to whom."""

    def __init__(self) -> None:
        self._delegations: dict[str, Delegation] = {}
        self._lock = threading.Lock()

    def delegate(self, zone: str, servers: Iterable[str], ds: bool = False) -> None:
        """Sets the name servers of a zone, and whether a DS record is left over."""
        with self._lock:
            self._delegations[normal(zone)] = Delegation(tuple(normal(server) for server in servers), ds)

    def undelegate(self, zone: str) -> None:
        """The name is not registered any more."""
        with self._lock:
            self._delegations.pop(normal(zone), None)

    def reset(self) -> None:
        """Nothing is delegated."""
        with self._lock:
            self._delegations.clear()

    def find(self, name: str) -> tuple[str, Delegation] | None:
        """The delegated zone that holds the name."""
        with self._lock:
            zone = closest(self._delegations, name)
            return None if zone is None else (zone, self._delegations[zone])

    def is_top_level(self, name: str) -> bool:
        """Is this the root or a top-level domain of ours?"""
        return name == "" or name in TOP_LEVEL or any(name == known.rsplit(".")[-1] for known in self._delegations)

    def respond(self, question: Question) -> Answer:
        """A referral, the DS at the zone cut, or that there is no such name."""
        name = question.name
        found = self.find(name)
        if found is not None:
            zone, delegation = found
            if question.type == "DS" and name == zone:
                return self._ds(zone, delegation)
            return self._referral(zone, delegation)
        top = name.rsplit(".", 1)[-1]
        apex = self._apex("" if name == "" else top)
        return apex.answer(name, question.type)

    def _referral(self, zone: str, delegation: Delegation) -> Answer:
        servers = [Rr(zone, "NS", DAY, server) for server in delegation.servers]
        glue = [rr for server in delegation.servers for rr in host_records(server)]
        ds = [Rr(zone, "DS", DAY, LEFT_OVER_DS)] if delegation.ds else []
        return Answer(authority=servers + ds, additional=glue, authoritative=False)

    def _ds(self, zone: str, delegation: Delegation) -> Answer:
        if delegation.ds:
            return Answer(answers=[Rr(zone, "DS", DAY, LEFT_OVER_DS)])
        return Answer(authority=[self._apex(zone.rsplit(".", 1)[-1]).soa])

    def _apex(self, name: str) -> Zone:
        server = addresses.TLD_SERVER if name else addresses.ROOT_SERVER
        return _zone(name, server, "nstld.verisign-grs.com", [Rr(name, "NS", DAY, server)], minimum=60)


def host_records(name: str) -> list[Rr]:
    """Address records of the hosts that the bed itself plays; empty: not ours."""
    if name in addresses.FRONT_NAMES:
        return [Rr(name, "A", 60, addresses.FRONT_V4), Rr(name, "AAAA", 60, addresses.FRONT_V6)]
    servers = {
        **addresses.LINODE_NAME_SERVERS,
        addresses.OTHER_PROVIDER: addresses.OTHER_PROVIDER_V4,
        addresses.TLD_SERVER: addresses.TLD_SERVER_V4,
        addresses.ROOT_SERVER: addresses.TLD_SERVER_V4,
    }
    if name in (addresses.RELAY, addresses.POSTMARK, addresses.MISNAMED_RELAY):
        return [Rr(name, "A", 300, addresses.RELAY_V4)]
    if name in MAIL_RELAYS:
        return [Rr(name, "A", 300, "198.51.100.98")]
    if name in servers:
        return [Rr(name, "A", 300, servers[name])]
    dashed = DASHED.match(name)
    if dashed and all(int(part) < 256 for part in dashed.groups()):
        return [Rr(name, "A", 86400, ".".join(dashed.groups()))]
    return []


def does_not_exist(name: str) -> bool:
    """Names that must be NXDOMAIN quickly: Caddy's second issuer (testbed.md §4)."""
    return any(parent in ZERO_SSL for parent in parents(name))


def mail_zones() -> dict[str, list[Rr]]:
    """Domains of e-mail addresses in tests: with MX, null MX (RFC 7505), nothing."""
    return {
        "example.org": [
            Rr("example.org", "A", 300, "198.51.100.99"),
            Rr("example.org", "MX", 300, "10 mail.example.org"),
            Rr("mail.example.org", "A", 300, "198.51.100.99"),
        ],
        "example.com": [Rr("example.com", "A", 300, "198.51.100.99"), Rr("example.com", "MX", 300, "0 .")],
        "mail-less.org": [Rr("mail-less.org", "TXT", 300, "v=spf1 -all")],
    }
