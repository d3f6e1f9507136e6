"""A mail relay: Debian's aiosmtpd, a real SMTP server, with the ports, the encryption and the rules of a provider.

It speaks TLS from the start on 465 and STARTTLS on 25, 587 and 2525, wants a login before anything else, takes mail from the
domains that the account may send for, and puts it into a maildir instead of passing it on. A blocked port drops packets, as
Linode's network does (linode.md §5).
"""

import asyncio
import functools
import mailbox
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Collection
from pathlib import Path

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from . import addresses
from .listen import _IP_FREEBIND

LOGIN, PASSWORD = "relay-account", "relay-password-of-the-bed"
IMPLICIT_TLS = 465
PORTS = (25, IMPLICIT_TLS, 587, 2525)
#: Whom the relay does not know, as a provider's does not know a mistyped address.
UNKNOWN = "nobody-of-this-name"


class Account(Mailbox):
    """What a customer may do."""

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """A sender of another domain is refused."""
        domain = address.rpartition("@")[2]
        if domain != addresses.TEST_DOMAIN and not domain.endswith(f".{addresses.TEST_DOMAIN}"):
            return f"553 5.7.1 <{address}>: Sender address rejected: not owned by user {LOGIN}"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """One address does not exist."""
        if address.startswith(f"{UNKNOWN}@"):
            return f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"


class Relay:
    """Listens from its making on; answers after `start`."""

    def __init__(self, chain: Path, key: Path, maildir: Path) -> None:
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(chain, key)
        self._maildir = maildir
        self._sockets = {port: _bound(port) for port in PORTS}
        self._loop = asyncio.new_event_loop()
        self._blocked: frozenset[int] = frozenset()
        self.reset()

    def start(self) -> None:
        """Serves in a thread of its own, until the process ends."""
        threading.Thread(target=self._serve, name="relay", daemon=True).start()

    def reset(self) -> None:
        """No mail, no port blocked."""
        self.block([])
        shutil.rmtree(self._maildir, ignore_errors=True)
        # Also makes the directories.
        self._handler = Account(str(self._maildir))

    def messages(self) -> list[dict]:
        """What was taken, oldest first: from, to (of the envelope), headers (lower case), body."""
        box = mailbox.Maildir(self._maildir, create=False)
        return [_shown(box[name]) for name in sorted(box.keys())]

    def block(self, ports: Collection[int]) -> None:
        """From now on packets to these ports, and to no others, are lost."""
        ports = frozenset(ports)
        if not ports <= set(PORTS):
            raise ValueError(f"the relay has the ports {PORTS}")
        for port in self._blocked - ports:
            _filter("-D", port)
        for port in ports - self._blocked:
            _filter("-I", port)
        self._blocked = ports

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        for port, listening in self._sockets.items():
            tls = self._tls if port == IMPLICIT_TLS else None
            session = functools.partial(self._session, starttls=tls is None)
            self._loop.run_until_complete(self._loop.create_server(session, sock=listening, ssl=tls))
        self._loop.run_forever()

    def _session(self, starttls: bool) -> SMTP:
        return SMTP(
            self._handler, hostname=addresses.RELAY, ident="ESMTP", tls_context=self._tls if starttls else None,
            auth_required=True, auth_require_tls=starttls, authenticator=_authenticate, loop=self._loop,
        )  # fmt: skip


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword) -> AuthResult:
    right = (given.login, given.password) == (LOGIN.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


def _bound(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    listening.bind((addresses.RELAY_V4, port))
    listening.listen()
    return listening


def _filter(action: str, port: int) -> None:
    """In the namespace of this process, which is the router's."""
    rule = ["INPUT", "-d", addresses.RELAY_V4, "-p", "tcp", "--dport", str(port), "-j", "DROP"]
    subprocess.run(["iptables", "--wait", action, *rule], check=True, capture_output=True)


def _shown(message: mailbox.MaildirMessage) -> dict:
    headers = {name.lower(): str(value) for name, value in message.items()}
    return {
        "from": headers.get("x-mailfrom", ""),
        "to": [word.strip() for word in headers.get("x-rcptto", "").split(",")],
        "headers": headers,
        "body": message.get_payload(decode=True).decode(errors="replace"),
    }
