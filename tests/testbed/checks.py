"""What a client must see of a finished installation, over DNS, HTTP and HTTPS alone.

Runs in the client's namespace as `python3 -m testbed.checks`: reads `Expected` as JSON from standard input, prints one JSON object a check.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from urllib.parse import quote

from . import quic
from .web import Browser, Reply, connect, hidden_fields, secure

HTTP3 = "HTTP/3 is offered and answers"


@dataclass(frozen=True)
class Account:
    email: str
    password: str


@dataclass(frozen=True)
class Expected:
    """What was asked for and what the machine generated."""

    site: str
    #: What stands behind the second @ of a handle.
    handle_domain: str
    owner_name: str
    owner: Account
    ordinary: Account | None
    contact: str
    #: `open`, `approved`, `closed`, or None where the web interface may have changed it.
    registrations: str | None
    vapid_public_key: str
    v4: str
    v6: str | None

    @classmethod
    def from_json(cls, text: str) -> "Expected":
        data = json.loads(text)
        for name in ("owner", "ordinary"):
            data[name] = Account(**data[name]) if data[name] else None
        return cls(**{field.name: data[field.name] for field in fields(cls)})


class Wrong(Exception):
    """A check's finding, as a sentence."""


Check = Callable[[Expected], str]
CHECKS: list[tuple[str, Check]] = []

#: Ports that only the machine itself may reach: web, streaming, PostgreSQL, Redis, Caddy's admin, Docker, MTA, Sidekiq's and others' usual ones.
CLOSED_PORTS = (25, 111, 2019, 2375, 2376, 3000, 3306, 4000, 5432, 6379, 7433, 8080, 8443, 9000, 9090, 9100)
#: Long enough for a neighbour on the same kernel, short enough for a firewall that drops.
SCAN_SECONDS = 1.5


def check(title: str) -> Callable[[Check], Check]:
    def add(function: Check) -> Check:
        CHECKS.append((title, function))
        return function

    return add


def require(holds: bool, finding: str) -> None:
    if not holds:
        raise Wrong(finding)


@check("DNS names the machine")
def dns(expected: Expected) -> str:
    v4 = addresses(expected.site, socket.AF_INET)
    require(v4 == {expected.v4}, f"A is {sorted(v4)}, not {expected.v4}")
    v6 = addresses(expected.site, socket.AF_INET6)
    wanted = {expected.v6} if expected.v6 else set()
    require(v6 == wanted, f"AAAA is {sorted(v6)}, not {sorted(wanted)}")
    return ", ".join(sorted(v4 | v6))


def addresses(name: str, family: socket.AddressFamily) -> set[str]:
    try:
        return {entry[4][0] for entry in socket.getaddrinfo(name, 443, family, socket.SOCK_STREAM)}
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
            return set()
        raise


@check("certificate: chain and name are valid")
def certificate(expected: Expected) -> str:
    with secure(connect(expected.site, 443), expected.site) as tls:
        names = [value for kind, value in tls.getpeercert()["subjectAltName"] if kind == "DNS"]
        issuer = dict(pair[0] for pair in tls.getpeercert()["issuer"]).get("commonName", "?")
        version = tls.version()
    require(expected.site in names, f"it is for {names}")
    return f"{version}, issued by {issuer}"


@check(HTTP3)
def http3(expected: Expected) -> str:
    offered = Browser().get(url(expected, "/health")).headers.get("alt-svc", "")
    require('h3=":443"' in offered, f"Alt-Svc is {offered!r}")
    answer = quic.get(expected.site, "/health")
    require(answer.status == 200, f"over QUIC it answers {answer.status}: {answer.said}")
    return f"{offered}; {answer.status} over QUIC"


@check("old TLS is refused")
def old_tls(expected: Expected) -> str:
    context = ssl.create_default_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        with context.wrap_socket(connect(expected.site, 443), server_hostname=expected.site) as tls:
            raise Wrong(f"{tls.version()} was accepted")
    except ssl.SSLError as error:
        # An alert is the server's answer; any other error would be this side's own refusal.
        require("ALERT" in str(error.reason), f"TLS 1.1 was not tried: {error}")
        return f"TLS 1.1 gets {error.reason}"


@check("HTTP leads to HTTPS")
def to_https(expected: Expected) -> str:
    reply = Browser().get(f"http://{expected.site}/about?x=1", redirects=0)
    require(reply.status in (301, 308), f"status {reply.status}")
    where = reply.headers.get("location", "")
    require(where == f"https://{expected.site}/about?x=1", f"it leads to {where!r}")
    return f"{reply.status}"


@check("instance: domain, registrations, contact, push key")
def instance(expected: Expected) -> str:
    reply = Browser().get(url(expected, "/api/v2/instance"))
    require(reply.status == 200, f"status {reply.status}")
    said = json.loads(reply.body)
    require(said["domain"] == expected.handle_domain, f"domain is {said['domain']!r}")
    if expected.registrations:
        wanted = {"open": (True, False), "approved": (True, True), "closed": (False, False)}[expected.registrations]
        found = (said["registrations"]["enabled"], said["registrations"]["approval_required"])
        require(found[0] == wanted[0] and (not wanted[0] or found[1] == wanted[1]), f"registrations are {said['registrations']}")
    require(said["contact"]["email"] == expected.contact, f"contact is {said['contact']['email']!r}, not {expected.contact!r}")
    key = said["configuration"]["vapid"]["public_key"]
    require(key == expected.vapid_public_key, f"push key is {key!r}, not the generated one")
    streaming = said["configuration"]["urls"]["streaming"]
    require(streaming == f"wss://{expected.site}", f"streaming is at {streaming!r}")
    return f"Mastodon {said['version']}"


@check("WebFinger finds the owner")
def webfinger(expected: Expected) -> str:
    resource = f"acct:{expected.owner_name}@{expected.handle_domain}"
    # Other servers ask the handle's own domain.
    at = f"https://{expected.handle_domain}/.well-known/webfinger?resource="
    reply = Browser().get(at + quote(resource))
    require(reply.status == 200, f"status {reply.status}")
    said = json.loads(reply.body)
    require(said["subject"].lower() == resource.lower(), f"subject is {said['subject']!r}")
    require(any(link.get("rel") == "self" for link in said["links"]), "no link of relation self")
    unknown = Browser().get(at + quote(f"acct:nobody-here@{expected.handle_domain}"))
    require(unknown.status == 404, f"an unknown name gets {unknown.status}")
    return resource


@check("streaming answers behind its route")
def streaming(expected: Expected) -> str:
    health = Browser().get(url(expected, "/api/v1/streaming/health"))
    require(health.status == 200 and health.body.strip() == "OK", f"health: {health.status} {health.body[:80]!r}")
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    reply = Browser().get(url(expected, "/api/v1/streaming"), headers=upgrade)
    require(reply.status == 401, f"a WebSocket without token gets {reply.status}")
    message = reply.headers.get("x-error-message", "")
    require(message == "Missing access token", f"X-Error-Message is {message!r}")
    return "401 Missing access token"


@check("the owner signs in with the password of .credentials")
def owner_signs_in(expected: Expected) -> str:
    sign_in(expected, expected.owner)
    return expected.owner.email


@check("a wrong password is refused")
def wrong_password(expected: Expected) -> str:
    try:
        sign_in(expected, Account(expected.owner.email, "not-" + expected.owner.password))
    except Wrong:
        return "refused"
    raise Wrong("it was accepted")


#: What only people with rights may see.
GUARDED = ("/admin/settings", "/admin/settings/edit", "/sidekiq")


@check("the owner sees the administration and Sidekiq")
def owner_administers(expected: Expected) -> str:
    browser = sign_in(expected, expected.owner)
    for path in GUARDED:
        reply = browser.get(url(expected, path))
        require(reply.status == 200 and reply.path.startswith(path.removesuffix("/edit")), f"{path} gives {described(reply)}")
    return ", ".join(GUARDED)


@check("nobody else does: anonymous")
def anonymous_does_not(expected: Expected) -> str:
    return refused(expected, Browser())


@check("nobody else does: an ordinary user")
def ordinary_does_not(expected: Expected) -> str:
    if not expected.ordinary:
        raise Wrong("there is no ordinary user to try it with")
    return refused(expected, sign_in(expected, expected.ordinary))


def refused(expected: Expected, browser: Browser) -> str:
    answers = []
    for path in GUARDED:
        reply = browser.get(url(expected, path))
        led_away = not reply.path.startswith(path.removesuffix("/edit"))
        require(reply.status != 200 or led_away, f"{path} gives {described(reply)}")
        answers.append("sign-in page" if led_away else str(reply.status))
    return ", ".join(answers)


@check("both address families sign in")
def both_families(expected: Expected) -> str:
    families = [socket.AF_INET] + ([socket.AF_INET6] if expected.v6 else [])
    for family in families:
        sign_in(expected, expected.owner, family)
    return ", ".join(family.name for family in families)


@check("a request for another host name is not served")
def other_host(expected: Expected) -> str:
    reply = Browser().get(f"http://{expected.v4}/", headers={"Host": "other.example.org"}, redirects=0)
    served = reply.status == 200 and "initial-state" in reply.body
    require(not served and reply.headers.get("location", "").find("other.example.org") in (-1, len("https://")), described(reply))
    try:
        with connect(expected.v4, 443) as plain, secure(plain, "other.example.org"):
            raise Wrong("a valid certificate for another name was presented")
    except (ssl.SSLError, ConnectionError) as error:
        tls = getattr(error, "reason", None) or type(error).__name__
    inside = Browser().get(url(expected, "/api/v2/instance"), headers={"Host": "other.example.org"}, redirects=0)
    require(inside.status != 200, f"HTTPS with another Host header gives {inside.status}")
    return f"HTTP {reply.status}, TLS {tls}, other Host header {inside.status}"


@check("only SSH, HTTP and HTTPS are open")
def closed_ports(expected: Expected) -> str:
    hosts = [expected.v4] + ([expected.v6] if expected.v6 else [])
    found = [f"{host} port {port}" for host in hosts for port in open_ports(host, CLOSED_PORTS)]
    require(not found, "reachable: " + ", ".join(found))
    for host in hosts:
        missing = {80, 443} - set(open_ports(host, (80, 443)))
        require(not missing, f"{host}: not reachable: {sorted(missing)}")
    return f"{len(CLOSED_PORTS)} others tried on {len(hosts)} addresses"


def open_ports(host: str, ports: tuple[int, ...]) -> list[int]:
    """Connects to all at once, as a port that is dropped costs the whole patience."""
    found: list[int] = []
    selector = selectors.DefaultSelector()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in ports:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.connect_ex((host, port))
        selector.register(sock, selectors.EVENT_WRITE, port)
    while selector.get_map() and (ready := selector.select(SCAN_SECONDS)):
        for key, _ in ready:
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:  # type: ignore[union-attr]
                found.append(key.data)
            selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    selector.close()
    return sorted(found)


def sign_in(expected: Expected, account: Account, family: socket.AddressFamily = socket.AF_UNSPEC) -> Browser:
    """Fills in Mastodon's form; the session is good only if a page for signed-in users opens."""
    browser = Browser(family)
    page = browser.get(url(expected, "/auth/sign_in"))
    require(page.status == 200, f"the form: {described(page)}")
    form = {**hidden_fields(page.body), "user[email]": account.email, "user[password]": account.password}
    reply = browser.post(url(expected, "/auth/sign_in"), form)
    require(reply.status in (302, 303), f"{account.email}: the form answers {reply.status}")
    edit = browser.get(url(expected, "/auth/edit"))
    require(edit.status == 200 and edit.path == "/auth/edit", f"{account.email} is not signed in: {described(edit)}")
    return browser


def described(reply: Reply) -> str:
    return f"{reply.status} from {reply.url}"


def url(expected: Expected, path: str) -> str:
    return f"https://{expected.site}{path}"


def main() -> int:
    expected = Expected.from_json(sys.stdin.read())
    good = True
    for title, function in CHECKS:
        try:
            outcome = {"check": title, "ok": True, "said": function(expected)}
        except Wrong as wrong:
            outcome = {"check": title, "ok": False, "said": str(wrong)}
        except (OSError, KeyError, TypeError, ValueError) as error:
            outcome = {"check": title, "ok": False, "said": f"{type(error).__name__}: {error}"}
        good = good and bool(outcome["ok"])
        print(json.dumps(outcome), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
