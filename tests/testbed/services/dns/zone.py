"""A zone's records and what an authoritative server answers from them."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import dnslib
from dnslib import QTYPE, RCODE, RR

MAX_CNAME_CHAIN = 8
TXT_CHUNK = 255


def normal(name: str) -> str:
    """A domain name as this bed compares it: lower case, no trailing dot."""
    return str(name).lower().rstrip(".")


def parents(name: str) -> Iterator[str]:
    """The name itself, then each parent up to the top-level domain."""
    labels = name.split(".") if name else []
    for start in range(len(labels)):
        yield ".".join(labels[start:])


@dataclass(frozen=True)
class Rr:
    """One resource record; `data` is in presentation format without quotes."""

    name: str
    type: str
    ttl: int
    data: str

    def wire(self) -> RR:
        """The record as dnslib sends it."""
        rdata = _rdata(self)
        return RR(self.name or ".", getattr(QTYPE, self.type), rdata=rdata, ttl=self.ttl)


def _rdata(rr: Rr) -> dnslib.RD:
    words = rr.data.split()
    match rr.type:
        case "A":
            return dnslib.A(rr.data)
        case "AAAA":
            return dnslib.AAAA(rr.data)
        case "NS":
            return dnslib.NS(rr.data)
        case "CNAME":
            return dnslib.CNAME(rr.data)
        case "PTR":
            return dnslib.PTR(rr.data)
        case "MX":
            return dnslib.MX(words[1], int(words[0]))
        case "SRV":
            return dnslib.SRV(int(words[0]), int(words[1]), int(words[2]), words[3])
        case "CAA":
            flags, tag, value = rr.data.split(maxsplit=2)
            return dnslib.CAA(int(flags), tag, value)
        case "DS":
            return dnslib.DS(int(words[0]), int(words[1]), int(words[2]), bytes.fromhex(words[3]))
        case "SOA":
            return dnslib.SOA(words[0], words[1], tuple(int(word) for word in words[2:7]))
        case "TXT":
            raw = rr.data.encode()
            return dnslib.TXT([raw[i : i + TXT_CHUNK] for i in range(0, len(raw), TXT_CHUNK)] or [b""])
    raise ValueError(f"no record type {rr.type} in this bed")


@dataclass
class Answer:
    """What a server says about a question, before it becomes a message."""

    rcode: int = RCODE.NOERROR
    answers: list[Rr] = field(default_factory=list)
    authority: list[Rr] = field(default_factory=list)
    additional: list[Rr] = field(default_factory=list)
    authoritative: bool = True

    @property
    def is_referral(self) -> bool:
        """Another server must be asked (RFC 1034 §4.3.1)."""
        return not self.authoritative and not self.answers and any(rr.type == "NS" for rr in self.authority)


@dataclass(frozen=True)
class Zone:
    """A zone as it is served: apex name, SOA fields (seconds), all other records."""

    name: str
    primary: str
    mailbox: str
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int
    ttl: int
    records: tuple[Rr, ...]

    @property
    def soa(self) -> Rr:
        """The zone's start of authority."""
        fields = f"{self.primary} {self.mailbox} {self.serial} {self.refresh} {self.retry} {self.expire} {self.minimum}"
        return Rr(self.name, "SOA", self.ttl, fields)

    @functools.cached_property
    def nodes(self) -> dict[str, list[Rr]]:
        """Records by owner name; empty non-terminals have an empty list."""
        nodes: dict[str, list[Rr]] = {self.name: [self.soa]}
        for rr in self.records:
            nodes.setdefault(normal(rr.name), []).append(rr)
        for owner in list(nodes):
            for parent in parents(owner):
                if parent == self.name:
                    break
                nodes.setdefault(parent, [])
        return nodes

    def answer(self, qname: str, qtype: str) -> Answer:
        """The answer of an authoritative server of this zone (RFC 1034 §4.3.2)."""
        answers: list[Rr] = []
        for _ in range(MAX_CNAME_CHAIN):
            cut = self._delegation(qname, qtype)
            if cut is not None:
                return Answer(answers=answers, authority=cut, additional=self._glue(cut), authoritative=bool(answers))
            found = self._node(qname)
            if found is None:
                return self._negative(answers, RCODE.NXDOMAIN)
            alias = [rr for rr in found if rr.type == "CNAME"]
            if alias and qtype not in ("CNAME", "ANY"):
                answers += alias
                qname = normal(alias[0].data)
                if not is_within(qname, self.name):
                    return Answer(answers=answers)
                continue
            wanted = [rr for rr in found if qtype in (rr.type, "ANY")]
            if not wanted:
                return self._negative(answers, RCODE.NOERROR)
            return Answer(answers=answers + wanted)
        return Answer(rcode=RCODE.SERVFAIL)

    def _negative(self, answers: list[Rr], rcode: int) -> Answer:
        """NXDOMAIN or no data, with the SOA whose TTL says how long (RFC 2308 §3)."""
        soa = Rr(self.name, "SOA", min(self.soa.ttl, self.minimum), self.soa.data)
        return Answer(rcode=rcode, answers=answers, authority=[soa])

    def _delegation(self, qname: str, qtype: str) -> list[Rr] | None:
        """NS records of the child zone that holds the name, if there is one."""
        cuts = [owner for owner in parents(qname) if owner != self.name and is_within(owner, self.name)]
        for owner in reversed(cuts):
            servers = [rr for rr in self.nodes.get(owner, []) if rr.type == "NS"]
            if servers and not (qtype == "DS" and owner == qname):
                return servers
        return None

    def _glue(self, servers: list[Rr]) -> list[Rr]:
        names = {normal(rr.data) for rr in servers}
        return [rr for name in sorted(names) for rr in self.nodes.get(name, []) if rr.type in ("A", "AAAA")]

    def _node(self, qname: str) -> list[Rr] | None:
        """Records at the name, or synthesised from a wildcard; None: no such name."""
        if qname in self.nodes:
            return self.nodes[qname]
        for encloser in list(parents(qname))[1:]:
            star = self.nodes.get(f"*.{encloser}")
            if star is not None:
                return [Rr(qname, rr.type, rr.ttl, rr.data) for rr in star]
            if encloser in self.nodes:
                return None
        return None


def is_within(name: str, zone: str) -> bool:
    """Is the name the zone's apex or below it? Everything is below the root ""."""
    return name == zone or zone == "" or name.endswith("." + zone)


def closest(names: Iterable[str], qname: str) -> str | None:
    """The longest of the zone names that holds the question's name."""
    known = set(names)
    return next((parent for parent in parents(qname) if parent in known), None)
