"""Listening sockets that outlive their address.

The machine's link, with the addresses that the router has on it, is made anew
each time the machine loses power; the services stay.
"""

import logging
import socket
import socketserver

log = logging.getLogger("listen")

_IP_FREEBIND = 15  # <linux/in.h>; the socket module has no name for it


class FreeBind(socketserver.BaseServer):
    """Mixed into a socketserver class: binds to addresses that are not there (yet)."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], *args, **kwargs) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, *args, **kwargs)

    def server_bind(self) -> None:
        """Binds with IP_FREEBIND."""
        self.socket.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request, client_address) -> None:
        """What a handler did not expect goes to the log, not to stderr."""
        log.exception("request of %s", client_address)
