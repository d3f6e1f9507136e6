"""A real server's name, led through the front: a double of nothing, only a place where faults can be put in."""

import http.client
import http.server
import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest
from dnslib import QTYPE, RR, A, DNSRecord

from testbed.services import HostFault, addresses

from .conftest import UPSTREAM_PORT

MIRROR = "deb.debian.org"
#: An address of the bed that has nothing on port 80 plays the mirror.
REAL = addresses.OTHER_PROVIDER_V4
BODY = bytes(range(256)) * 1000


class _Resolver(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        raw, sock = self.request
        reply = DNSRecord.parse(raw).reply()
        if reply.q.qname == MIRROR and reply.q.qtype == QTYPE.A:
            reply.add_answer(RR(MIRROR, rdata=A(REAL), ttl=5))
        sock.sendto(reply.pack(), self.client_address)


class _Mirror(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = self.path == "/debian/file" and self.headers["Host"] == MIRROR
        body = BODY if found else b"no"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        """Quiet."""


@pytest.fixture
def mirror(bed) -> Iterator[None]:
    """The real server, and the host's resolver that knows it."""
    listening = bed.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((REAL, 80))
    listening.listen()
    real = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Mirror, bind_and_activate=False)
    real.socket.close()
    real.socket = listening
    with real, socketserver.ThreadingUDPServer(("127.0.0.1", UPSTREAM_PORT), _Resolver) as resolver:
        for server in (real, resolver):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        real.shutdown()
        resolver.shutdown()


def get(bed, path: str, address: str = addresses.FRONT_V4) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(MIRROR, timeout=10)
    connection.sock = bed.socket()
    connection.sock.connect((address, 80))
    connection.request("GET", path)
    reply = connection.getresponse()
    try:
        return reply.status, reply.read()
    finally:
        connection.close()


@pytest.mark.usefixtures("mirror")
class TestInterposed:
    def test_the_name_leads_to_the_front_and_on_to_the_real_server(self, bed):
        assert bed.answers(addresses.RECURSOR_MACHINE, MIRROR) == [REAL]
        assert get(bed, "/debian/file")[0] == 301
        bed.control.interpose(MIRROR)
        assert bed.answers(addresses.RECURSOR_MACHINE, MIRROR) == [addresses.FRONT_V4]
        assert bed.answers(addresses.RECURSOR_MACHINE, MIRROR, "AAAA") == []
        assert get(bed, "/debian/file") == (200, BODY)
        assert get(bed, "/debian/other")[0] == 404

    def test_faults_reach_it(self, bed):
        bed.control.interpose(MIRROR)
        bed.control.add_host_fault(HostFault(MIRROR, path=r"/file$", times=1, status=404))
        bed.control.add_host_fault(HostFault(MIRROR, path=r"/file$", times=1, reset_after=1000))
        assert get(bed, "/debian/file")[0] == 404
        with pytest.raises(ConnectionResetError):
            get(bed, "/debian/file")
        assert get(bed, "/debian/file") == (200, BODY)

    def test_files_instead(self, bed):
        (bed.dist / "Release").write_text("another\n")
        bed.control.interpose(MIRROR, {"/debian/dists/bullseye": str(bed.dist)})
        assert get(bed, "/debian/dists/bullseye/Release") == (200, b"another\n")
        assert get(bed, "/debian/dists/bullseye/none")[0] == 404
        assert get(bed, "/debian/file") == (200, BODY)

    def test_reset_ends_it(self, bed):
        bed.control.interpose(MIRROR)
        bed.control.reset()
        assert bed.answers(addresses.RECURSOR_MACHINE, MIRROR) == [REAL]
        assert get(bed, "/debian/file")[0] == 301


def test_a_server_that_is_away_is_502(bed):
    bed.control.interpose(MIRROR)
    status, body = get(bed, "/debian/file")
    assert status == 502 and b"does not answer" in body


def test_a_name_of_the_front_can_lead_elsewhere_over_one_family(bed):
    bed.control.move_host(addresses.GHCR, "AAAA", "2001:db8:51::dead")
    assert bed.answers(addresses.RECURSOR_MACHINE, addresses.GHCR, "AAAA") == ["2001:db8:51::dead"]
    assert bed.answers(addresses.RECURSOR_MACHINE, addresses.GHCR) == [addresses.FRONT_V4]
    assert bed.answers(addresses.RECURSOR_MACHINE, addresses.DOCKER_HUB, "AAAA") == [addresses.FRONT_V6]
    bed.control.move_host(addresses.GHCR, "AAAA", None)
    assert bed.answers(addresses.RECURSOR_MACHINE, addresses.GHCR, "AAAA") == [addresses.FRONT_V6]
