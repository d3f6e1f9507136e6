"""A small HTTPS client for the checks: one address family a time, cookies, redirects, forms; every certificate is verified."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Reply:
    """`url` is where the answer came from, after redirects."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


@dataclass
class Browser:
    """`family`: AF_INET or AF_INET6 asks for that one alone; AF_UNSPEC takes what the resolver gives first."""

    family: socket.AddressFamily = socket.AF_UNSPEC
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, url: str, headers: Mapping[str, str] | None = None, redirects: int = 5) -> Reply:
        """Follows at most `redirects` redirects."""
        reply = self.request("GET", url, headers=headers)
        while redirects and reply.status in (301, 302, 303, 307, 308):
            reply = self.request("GET", urljoin(reply.url, reply.headers["location"]), headers=headers)
            redirects -= 1
        return reply

    def post(self, url: str, form: Mapping[str, str]) -> Reply:
        """Sends a form; a redirect is not followed."""
        return self.request("POST", url, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})

    def request(self, method: str, url: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        parts = urlsplit(url)
        connection = self._connection(parts.scheme, str(parts.hostname), parts.port)
        try:
            target = parts.path or "/"
            if parts.query:
                target += f"?{parts.query}"
            connection.request(method, target, body, {**self._cookie_header(), **(headers or {})})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            for line in answer.msg.get_all("set-cookie") or []:
                self.cookies.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
            return Reply(url, answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)
        finally:
            connection.close()

    def _cookie_header(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        number = port or (443 if scheme == "https" else 80)
        plain = connect(host, number, self.family)
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        connection.sock = secure(plain, host) if scheme == "https" else plain
        return connection


def connect(host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC, timeout: float = TIMEOUT_SECONDS) -> socket.socket:
    """A TCP connection; the addresses are tried in the resolver's order."""
    trouble: OSError | None = None
    for found, kind, protocol, _, address in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM):
        sock = socket.socket(found, kind, protocol)
        sock.settimeout(timeout)
        try:
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            trouble = error
    raise trouble or OSError(f"no address of {host}")


def secure(sock: socket.socket, name: str) -> ssl.SSLSocket:
    """TLS with chain and name verified against the roots in SSL_CERT_FILE."""
    return ssl.create_default_context().wrap_socket(sock, server_hostname=name)


def hidden_fields(page: str) -> dict[str, str]:
    """The hidden inputs of the page's forms (Rails' authenticity_token, _method)."""
    found = {}
    for tag in re.findall(r"<input\b[^>]*>", page):
        attributes = {name: unescape(value) for name, value in re.findall(r'(\w[\w-]*)="([^"]*)"', tag)}
        if attributes.get("type") == "hidden" and "name" in attributes:
            found[attributes["name"]] = attributes.get("value", "")
    return found
