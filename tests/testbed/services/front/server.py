"""Accepts connections, ends TLS, reads requests, sends answers through the faults."""

import collections
import http.server
import logging
import socket
import ssl
import threading
import time
from collections.abc import Mapping

from ..http import Request, Response
from ..listen import FreeBind
from .backends import Backend, Stream
from .faults import Cut, HostFault, HostFaults, send_body

log = logging.getLogger("front")

IDLE_SECONDS = 120
BODY_LIMIT = 64 * 1024 * 1024
LOG_SIZE = 50_000


class Front:
    """The listeners on ports 443 and 80 of the front's addresses."""

    def __init__(self, listen: list[str], chain: str, key: str, backends: Mapping[str, Backend]) -> None:
        self.backends, self.faults = dict(backends), HostFaults()
        #: Names that are served on port 80, too; every other one is redirected to HTTPS there.
        self.plain: dict[str, Backend] = {}
        self.requests: collections.deque[dict] = collections.deque(maxlen=LOG_SIZE)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(chain, key)
        self._context.set_alpn_protocols(["http/1.1"])
        self._context.sni_callback = self._know_name
        self._servers = [_Server((address, 443), _Handler, self, self._context) for address in listen]
        self._servers += [_Server((address, 80), _Redirect, self, None) for address in listen]

    def start(self) -> None:
        """Begins to answer; the sockets are bound since construction."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, name="front", daemon=True).start()

    def _know_name(self, _sock: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        if name is not None and name.lower() not in self.backends:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        return None


class _Server(FreeBind, http.server.ThreadingHTTPServer):
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], handler, front: Front, context: ssl.SSLContext | None) -> None:
        self.front, self._context = front, context
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Without the look-up of the own name that http.server does."""
        FreeBind.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def finish_request(self, request: socket.socket, client_address) -> None:
        """The TLS handshake, in the connection's own thread."""
        request.settimeout(IDLE_SECONDS)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._context is not None:
                request = self._context.wrap_socket(request, server_side=True)
            self.RequestHandlerClass(request, client_address, self)
        except (ssl.SSLError, OSError) as error:
            log.info("connection of %s ended: %s", client_address[0], error)
        finally:
            request.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        """One request: parse, find its host, answer."""
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self._exchange()
        except Cut:
            self.close_connection = True
        except (ssl.SSLError, OSError) as error:
            log.info("%s %s of %s ended: %s", self.command, self.path, self.client_address[0], error)
            self.close_connection = True

    def _exchange(self) -> None:
        host = self.headers.get("Host", "").split(":")[0].lower()
        caller = self.client_address[0]
        family = 6 if ":" in caller else 4
        fault = self.server.front.faults.take(host, self.command, self.path, family)
        if fault is not None:
            time.sleep(fault.delay)
        request = self._request(caller)
        if request is None:
            answer: Response | Stream = Response.text(413, "Payload too large, or of unknown length\n")
            self.close_connection = True
        elif fault is not None and fault.status is not None:
            answer = Response(fault.status, dict(fault.headers), fault.body.encode())
        elif host in self.backends():
            answer = self.backends()[host].answer(request)
        else:
            answer = Response.text(421, "Misdirected Request\n")
        self.server.front.requests.append(
            {
                "time": time.time(),
                "caller": caller,
                "method": self.command,
                "host": host,
                "path": self.path,
                "range": self.headers.get("Range"),
                "status": answer.status,
                "fault": fault is not None,
            }
        )
        self._send(answer, fault)

    def backends(self) -> Mapping[str, Backend]:
        """Who answers for which name on this port."""
        return self.server.front.backends

    def _request(self, caller: str) -> Request | None:
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_LIMIT or "Transfer-Encoding" in self.headers:
            return None
        # Fields that come several times are one list (RFC 9110 §5.3): Docker sends many `Accept`.
        headers = {name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers}
        return Request(self.command, path, query, headers, self.rfile.read(length), caller)

    def _send(self, answer: Response | Stream, fault: HostFault | None) -> None:
        if isinstance(answer, Response):
            if answer.hang is not None:
                time.sleep(answer.hang)
                self.close_connection = True
                return
            body = b"" if self.command == "HEAD" else answer.body
            headers = [*answer.headers.items(), ("Content-Length", str(len(answer.body)))]
            answer = Stream(answer.status, headers, len(body), iter([body] if body else []))
        if fault is not None and (cut := fault.cut()) and cut[0] == 0:
            cut[1](self.connection)
            raise Cut
        if answer.length is None:
            answer.headers.append(("Connection", "close"))
            self.close_connection = True
        self.connection.sendall(self._head(answer))
        sent = send_body(self.connection, answer.chunks, fault)
        if answer.length is not None and sent < answer.length:
            log.warning("%s%s ended after %d of %d bytes", self.headers.get("Host"), self.path, sent, answer.length)
            self.close_connection = True

    def _head(self, answer: Stream) -> bytes:
        reason = self.responses[answer.status][0] if answer.status in self.responses else "Unknown"
        names = {name.lower() for name, _ in answer.headers}
        lines = [f"HTTP/1.1 {answer.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if "date" not in names:
            lines.append(f"Date: {self.date_time_string()}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class _Redirect(_Handler):
    """Port 80: what is not served in plain is redirected to HTTPS."""

    def backends(self) -> Mapping[str, Backend]:
        return self.server.front.plain

    def _exchange(self) -> None:
        host = self.headers.get("Host", "").split(":")[0].lower()
        if host in self.server.front.plain:
            super()._exchange()
            return
        self._send(Response(301, {"Location": f"https://{host}{self.path}"}), None)
