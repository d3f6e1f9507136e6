"""A browser for the contract tests: keeps cookies, finds the authenticity token, follows redirects on request."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, field

from mastodon_stack import DOMAIN, Reply, request


@dataclass
class Browser:
    """Speaks to the web process as the proxy would for one client."""

    port: int
    client: str = "203.0.113.77"
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Reply:
        return self._send("GET", path)

    def follow(self, path: str) -> Reply:
        """The last answer of a chain of redirects."""
        for _ in range(5):
            reply = self.get(path)
            if reply.status not in (301, 302, 303):
                return reply
            path = reply.headers["location"].removeprefix(f"https://{DOMAIN}")
        raise AssertionError(f"too many redirects, last to {path}")

    def submit(self, page: str, to: str, fields: dict[str, str], method: str = "POST") -> Reply:
        """Sends the form of `page` with its token."""
        form = {"authenticity_token": self.token(page), **fields}
        return self._send(method, to, urllib.parse.urlencode(form))

    def token(self, page: str) -> str:
        found = re.search(r'name="authenticity_token" value="([^"]+)"', self.follow(page).body)
        assert found, f"{page} has no authenticity token"
        return found[1]

    def sign_in(self, email: str, password: str) -> Reply:
        fields = {"user[email]": email, "user[password]": password}
        return self.submit("/auth/sign_in", "/auth/sign_in", fields)

    def _send(self, method: str, path: str, body: str | None = None) -> Reply:
        headers = {"X-Forwarded-For": self.client}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        reply = request(self.port, path, method, headers, body, self.cookies)
        self.cookies |= reply.cookies
        return reply
