"""A recursor: it asks the bed's authoritative servers and remembers the answers.

Names that nobody in the bed serves go unchanged to the host's own resolver.
"""

import dataclasses
import itertools
import logging
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from dnslib import QTYPE, RCODE, DNSError, DNSRecord

from .. import addresses
from ..namespace import socket_in
from . import world
from .server import Question
from .zone import Answer, Rr, Zone, is_within, normal

log = logging.getLogger("recursor")

TIMEOUT = 1.5
MAX_REFERRALS = 8
MAX_CNAMES = 8
NEGATIVE_CAP = 3 * 3600  # RFC 2308 §5

SERVFAIL = Answer(rcode=RCODE.SERVFAIL, authoritative=False)
_ids = itertools.count(1)


@dataclass(frozen=True)
class Upstream:
    """The resolver of the host, reached from the host's network namespace at the path `namespace`."""

    address: str
    port: int
    namespace: str

    def ask(self, raw: bytes, tcp: bool) -> bytes:
        """Forwards one message as it is; over TCP only what is too long, as not every resolver has TCP."""
        reply = self._exchange(raw, socket.SOCK_DGRAM)
        if tcp and DNSRecord.parse(reply).header.tc:
            return self._exchange(raw, socket.SOCK_STREAM)
        return reply

    def _exchange(self, raw: bytes, kind: int) -> bytes:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with socket_in(self.namespace, family, kind) as sock:
            return exchange(sock, (self.address, self.port), raw, timeout=5)


def exchange(sock: socket.socket, server: tuple[str, int], raw: bytes, timeout: float = TIMEOUT) -> bytes:
    """Sends one DNS message and waits for the one that answers it."""
    sock.settimeout(timeout)
    sock.connect(server)
    if sock.type == socket.SOCK_DGRAM:
        sock.send(raw)
        while (reply := sock.recv(65535))[:2] != raw[:2]:
            log.debug("%s sent an answer to another question", server)
        return reply
    sock.sendall(struct.pack("!H", len(raw)) + raw)
    with sock.makefile("rb") as stream:
        prefix = stream.read(2)
        if len(prefix) < 2:
            raise ConnectionError(f"{server} closed before an answer")
        return stream.read(struct.unpack("!H", prefix)[0])


@dataclass
class Cache:
    """Answers until their TTL has passed; `flush` empties it."""

    _entries: dict[tuple[str, str], tuple[float, float, Answer]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, name: str, qtype: str) -> Answer | None:
        """A remembered answer with the TTLs that are left."""
        now = time.monotonic()
        with self._lock:
            stored, expires, answer = self._entries.get((name, qtype), (0.0, 0.0, SERVFAIL))
        if expires <= now:
            return None
        age = int(now - stored)
        older = lambda rrs: [Rr(rr.name, rr.type, max(0, rr.ttl - age), rr.data) for rr in rrs]  # noqa: E731
        return Answer(answer.rcode, older(answer.answers), older(answer.authority), authoritative=False)

    def keep(self, name: str, qtype: str, answer: Answer) -> None:
        """Remembers an answer; failures are not kept."""
        if answer.rcode not in (RCODE.NOERROR, RCODE.NXDOMAIN):
            return
        ttls = [rr.ttl for rr in answer.answers]
        ttls += [min(rr.ttl, NEGATIVE_CAP) for rr in answer.authority if rr.type == "SOA"]
        now = time.monotonic()
        with self._lock:
            self._entries[(name, qtype)] = (now, now + min(ttls, default=0), answer)

    def flush(self) -> None:
        """Forgets every answer."""
        with self._lock:
            self._entries.clear()


class Recursor:
    """Resolves for one place. Delegations are looked up each time, answers are cached.

    It validates as far as the bed needs: a zone with a left-over DS record is
    SERVFAIL unless the question has the CD bit.
    """

    def __init__(self, registrars: world.Registrars, upstream: Upstream, caching: bool = True) -> None:
        self._registrars, self._upstream = registrars, upstream
        self.cache = Cache() if caching else None
        #: Names with another fate: an rcode such as `servfail`, `nxdomain`, or `silent`.
        self.overrides: dict[str, str] = {}
        #: Names of real servers that lead to the front instead.
        self.interposed: set[str] = set()
        #: Addresses of the front's names that differ from its own, by name and type.
        self.moved: dict[tuple[str, str], str] = {}

    def flush(self) -> None:
        """Forgets every answer."""
        if self.cache:
            self.cache.flush()

    def reset(self) -> None:
        """Forgets every answer, every override, what is interposed and what has moved."""
        self.flush()
        self.overrides.clear()
        self.interposed.clear()
        self.moved.clear()

    def respond(self, question: Question) -> Answer | bytes | None:
        """An answer, the forwarded message, or None for a name made silent."""
        fault = self.overrides.get(question.name)
        if fault == "silent":
            return None
        if fault is not None:
            return Answer(rcode=getattr(RCODE, fault.upper()), authoritative=False)
        if not self._is_ours(question.name, question.type):
            return self._forward(question)
        found = self._registrars.find(question.name)
        if found and found[1].ds and question.type != "DS" and not question.checking_disabled:
            return SERVFAIL
        return self.resolve(question.name, question.type)

    def resolve(self, name: str, qtype: str) -> Answer:
        """Follows referrals and aliases to the end, cached where allowed."""
        answers: list[Rr] = []
        for _ in range(MAX_CNAMES):
            part = self._resolve_one(name, qtype)
            answers += part.answers
            alias = part.answers[-1] if part.answers else None
            if alias is None or alias.type != "CNAME" or qtype in ("CNAME", "ANY"):
                return Answer(part.rcode, answers, part.authority, authoritative=False)
            name = normal(alias.data)
        return SERVFAIL

    def _is_ours(self, name: str, qtype: str) -> bool:
        if name == "" or (self._registrars.is_top_level(name) and "." not in name):
            return True
        return bool(self._hosts(name)) or world.does_not_exist(name) or self._registrars.find(name) is not None

    def _hosts(self, name: str) -> list[Rr]:
        if name in self.interposed:
            return [Rr(name, "A", 1, addresses.FRONT_V4)]
        records = world.host_records(name)
        return [dataclasses.replace(rr, data=self.moved.get((name, rr.type), rr.data)) for rr in records]

    def real_address(self, name: str) -> str:
        """The IPv4 address of a host outside the bed."""
        answer = self._ask_upstream(name, "A")
        found = [rr.data for rr in answer.answers if rr.type == "A"]
        if not found:
            raise ConnectionError(f"the host's resolver knows no address of {name}")
        return found[0]

    def _resolve_one(self, name: str, qtype: str) -> Answer:
        hosts = self._hosts(name)
        if hosts:
            return Answer(answers=[rr for rr in hosts if rr.type == qtype], authoritative=False)
        if world.does_not_exist(name):
            return Answer(rcode=RCODE.NXDOMAIN, authority=[_no_such_name()], authoritative=False)
        if not self._is_ours(name, qtype):
            return self._ask_upstream(name, qtype)
        cached = self.cache.find(name, qtype) if self.cache else None
        if cached is not None:
            return cached
        answer = self._iterate(name, qtype)
        if self.cache:
            self.cache.keep(name, qtype, answer)
        return answer

    def _iterate(self, name: str, qtype: str) -> Answer:
        servers = [addresses.TLD_SERVER_V4]
        for _ in range(MAX_REFERRALS):
            answer = self._ask_any(servers, name, qtype)
            if not answer.is_referral:
                return answer
            servers = self._addresses_of(answer)
        log.warning("too many referrals for %s %s", name, qtype)
        return SERVFAIL

    def _addresses_of(self, referral: Answer) -> list[str]:
        glue = {normal(rr.name): rr.data for rr in referral.additional if rr.type == "A"}
        found: list[str] = []
        for rr in referral.authority:
            if rr.type != "NS":
                continue
            if normal(rr.data) in glue:
                found.append(glue[normal(rr.data)])
            elif not is_within(normal(rr.data), normal(rr.name)):
                found += [a.data for a in self.resolve(normal(rr.data), "A").answers if a.type == "A"]
        return found

    def _ask_any(self, servers: list[str], name: str, qtype: str) -> Answer:
        """The first usable answer, beginning at another server each time."""
        start = next(_ids) % len(servers) if servers else 0
        for address in servers[start:] + servers[:start]:
            try:
                answer = _ask(address, name, qtype)
            except (OSError, DNSError) as error:
                log.info("%s did not answer %s %s: %s", address, name, qtype, error)
                continue
            if answer.rcode in (RCODE.NOERROR, RCODE.NXDOMAIN):
                return answer
        return SERVFAIL

    def _forward(self, question: Question) -> Answer | bytes:
        try:
            return self._upstream.ask(question.raw, question.tcp)
        except OSError as error:
            log.warning("host's resolver gave no answer for %s %s: %s", question.name, question.type, error)
            return SERVFAIL

    def _ask_upstream(self, name: str, qtype: str) -> Answer:
        query = DNSRecord.question(name or ".", qtype)
        try:
            return _parsed(self._upstream.ask(query.pack(), tcp=True))
        except (OSError, DNSError) as error:
            log.warning("host's resolver gave no answer for %s %s: %s", name, qtype, error)
            return SERVFAIL


def _ask(address: str, name: str, qtype: str) -> Answer:
    query = DNSRecord.question(name or ".", qtype)
    query.header.rd = 0
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            raw = exchange(sock, (address, 53), query.pack())
        record = DNSRecord.parse(raw)
        if not record.header.tc:
            return _answer(record)
    raise ConnectionError(f"{address} truncates over TCP")


def _parsed(raw: bytes) -> Answer:
    return _answer(DNSRecord.parse(raw))


def _answer(record: DNSRecord) -> Answer:
    section = lambda rrs: [_rr(rr) for rr in rrs if rr.rtype != QTYPE.OPT]  # noqa: E731
    return Answer(
        record.header.rcode, section(record.rr), section(record.auth), section(record.ar), bool(record.header.aa)
    )


def _rr(rr) -> Rr:
    kind = QTYPE[rr.rtype]
    match kind:
        case "TXT":
            data = b"".join(rr.rdata.data).decode(errors="replace")
        case "CAA":
            data = f"{rr.rdata.flags} {rr.rdata.tag} {rr.rdata.value}"
        case _:
            data = str(rr.rdata)
    return Rr(normal(rr.rname), kind, rr.ttl, data.rstrip(".") if kind in ("NS", "CNAME", "PTR") else data)


def _no_such_name() -> Rr:
    zone = Zone("", addresses.ROOT_SERVER, "nstld.verisign-grs.com", 1, 1800, 900, 604800, 60, 60, ())
    return zone.soa
