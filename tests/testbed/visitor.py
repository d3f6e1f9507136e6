"""Somebody on the client who signs up by the web form: `python3 -m testbed.visitor SITE NAME`."""

from __future__ import annotations

import sys

from .web import Browser, hidden_fields


def sign_up(site: str, name: str) -> None:
    """The form as a browser sends it; the account then waits for its confirmation."""
    browser = Browser()
    page = browser.get(f"https://{site}/auth/sign_up")
    if page.status != 200:
        raise SystemExit(f"the form: {page.status}")
    password = f"{name}-s-own-password"
    form = {
        **hidden_fields(page.body),
        "user[account_attributes][username]": name,
        "user[email]": f"{name}@example.org",
        "user[password]": password,
        "user[password_confirmation]": password,
        "user[agreement]": "1",
    }
    reply = browser.post(f"https://{site}/auth", form)
    if reply.status not in (302, 303):
        raise SystemExit(f"the form answers {reply.status}: {reply.body[-500:]}")


if __name__ == "__main__":
    sign_up(*sys.argv[1:])
