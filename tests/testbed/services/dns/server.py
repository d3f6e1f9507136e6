"""Sockets: one UDP and one TCP listener for each name server address."""

import collections
import logging
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from dnslib import EDNS0, QTYPE, RCODE, DNSError, DNSHeader, DNSRecord

from ..listen import FreeBind
from .zone import Answer, normal

log = logging.getLogger("dns")

UDP_SIZE = 512
LOG_SIZE = 100_000


@dataclass(frozen=True)
class Question:
    """One question as a server received it."""

    server: str
    client: str
    name: str
    type: str
    tcp: bool
    raw: bytes
    checking_disabled: bool


#: Gives an `Answer`, a ready message (forwarded names), or None: no answer at all.
Responder = Callable[[Question], Answer | bytes | None]


@dataclass(frozen=True)
class Asked:
    """One line of the query log; `time` is seconds since the epoch."""

    time: float
    server: str
    client: str
    name: str
    type: str
    tcp: bool
    rcode: str


class QueryLog:
    """Every question that any server of the bed was asked."""

    def __init__(self) -> None:
        self._lines: collections.deque[Asked] = collections.deque(maxlen=LOG_SIZE)
        self._lock = threading.Lock()

    def add(self, question: Question, rcode: str) -> None:
        """Remembers one question and the response code it got."""
        line = Asked(time.time(), question.server, question.client, question.name, question.type, question.tcp, rcode)
        with self._lock:
            self._lines.append(line)

    def lines(self) -> list[dict]:
        """All lines, oldest first."""
        with self._lock:
            return [asdict(line) for line in self._lines]

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._lines.clear()


class NameServer:
    """A name server at one address, port 53, over UDP and TCP."""

    def __init__(self, name: str, address: str, responder: Responder, queries: QueryLog) -> None:
        self.name, self.address = name, address
        self._responder, self._queries = responder, queries
        self._servers = [_Udp((address, 53), self), _Tcp((address, 53), self)]

    def start(self) -> None:
        """Begins to answer; the sockets are bound since construction."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, name=f"dns-{self.name}", daemon=True).start()

    def reply(self, raw: bytes, client: str, tcp: bool) -> bytes | None:
        """The answer to one message; None if it gets none."""
        try:
            record = DNSRecord.parse(raw)
        except DNSError as error:
            log.warning("%s: %s sent no DNS message: %s", self.name, client, error)
            return None
        question = Question(
            self.name, client, normal(record.q.qname), QTYPE[record.q.qtype], tcp, raw, bool(record.header.cd)
        )
        try:
            answer = self._responder(question)
            reply = _message(record, answer, tcp) if isinstance(answer, Answer) else answer
        except Exception:
            log.exception("%s: no answer for %s %s", self.name, question.name, question.type)
            reply = _message(record, Answer(rcode=RCODE.SERVFAIL, authoritative=False), tcp)
        self._queries.add(question, RCODE[DNSRecord.parse(reply).header.rcode] if reply else "none")
        return reply


def _message(query: DNSRecord, answer: Answer, tcp: bool) -> bytes:
    header = query.header
    flags = DNSHeader(id=header.id, bitmap=0, qr=1, rd=header.rd, cd=header.cd)
    flags.aa = int(answer.authoritative)
    flags.ra = int(answer.authoritative is False and not answer.is_referral)
    flags.rcode = answer.rcode
    reply = DNSRecord(flags, q=query.q)
    reply.add_answer(*(rr.wire() for rr in answer.answers))
    reply.add_auth(*(rr.wire() for rr in answer.authority))
    reply.add_ar(*(rr.wire() for rr in answer.additional))
    options = next((rr for rr in query.ar if rr.rtype == QTYPE.OPT), None)
    limit = UDP_SIZE
    if options is not None:
        limit = max(UDP_SIZE, options.edns_len)
        reply.add_ar(EDNS0(udp_len=1232))
    wire = reply.pack()
    if tcp or len(wire) <= limit:
        return wire
    flags.tc = 1
    return DNSRecord(flags, q=query.q).pack()


class _Udp(FreeBind, socketserver.ThreadingUDPServer):
    max_packet_size = 65535

    def __init__(self, address: tuple[str, int], server: NameServer) -> None:
        self.name_server = server
        super().__init__(address, _UdpHandler)


class _UdpHandler(socketserver.BaseRequestHandler):
    server: _Udp

    def handle(self) -> None:
        raw, sock = self.request
        reply = self.server.name_server.reply(raw, self.client_address[0], tcp=False)
        if reply is not None:
            sock.sendto(reply, self.client_address)


class _Tcp(FreeBind, socketserver.ThreadingTCPServer):
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], server: NameServer) -> None:
        self.name_server = server
        super().__init__(address, _TcpHandler)


class _TcpHandler(socketserver.StreamRequestHandler):
    server: _Tcp
    timeout = 30

    def handle(self) -> None:
        try:
            while len(prefix := self.rfile.read(2)) == 2:
                raw = self.rfile.read(struct.unpack("!H", prefix)[0])
                reply = self.server.name_server.reply(raw, self.client_address[0], tcp=True)
                if reply is None:
                    return
                self.wfile.write(struct.pack("!H", len(reply)) + reply)
        except (TimeoutError, ConnectionError) as error:
            log.debug("tcp from %s ended: %s", self.client_address[0], error)
