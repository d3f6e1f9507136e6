"""The owner at the web administration, from the client: reads an order as JSON from standard input, saves one setting after the other."""

from __future__ import annotations

import json
import sys

from .checks import Account, Expected, sign_in
from .web import hidden_fields


def main() -> None:
    order = json.loads(sys.stdin.read())
    owner = Account(order["email"], order["password"])
    expected = Expected(order["site"], "", "", owner, None, "", None, "", "", None)
    browser = sign_in(expected, owner)
    for page, key, value in order["changes"]:
        address = f"https://{order['site']}/admin/settings/{page}"
        shown = browser.get(address)
        if shown.status != 200 or "authenticity_token" not in shown.body:
            sys.exit(f"{address}: {shown.status}, no form")
        saved = browser.post(address, {**hidden_fields(shown.body), f"form_admin_settings[{key}]": value})
        if saved.status not in (302, 303):
            sys.exit(f"{address}: saving {key} gives {saved.status}")


if __name__ == "__main__":
    main()
