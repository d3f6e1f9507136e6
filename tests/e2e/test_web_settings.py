"""What the owner sets in the web interface is the owner's: later runs never touch it (design.md §1)."""

from __future__ import annotations

import json
import re

import pytest
from product import DONE, Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.verify import credentials, psql

#: Page of the administration, field, new value.
CHANGES = [
    ("branding", "site_title", "Our own place"),
    ("branding", "site_contact_email", "someone-else@example.org"),
    ("registrations", "registrations_mode", "none"),
    ("content_retention", "media_cache_retention_period", "3"),
]


@pytest.fixture(scope="module")
def changed(installed: Bed) -> Bed:
    """The owner signs in and saves every page once."""
    written = credentials(installed.machine, FORM["user_name"])
    order = {
        "site": where.SITE,
        "email": written["Owner Email"],
        "password": written["Owner Password"],
        "changes": CHANGES,
    }
    done = installed.client.python("testbed.administer", input=json.dumps(order))
    assert done.returncode == 0, done.stderr
    return installed


def stored(bed: Bed) -> dict[str, str]:
    """The rows as JSON, for values have line ends."""
    return json.loads(psql(bed.machine, "SELECT json_object_agg(var, value) FROM settings")[0][0])


def test_the_web_interface_stored_them(changed: Bed) -> None:
    rows = stored(changed)
    for _, key, value in CHANGES:
        assert re.fullmatch(rf"--- ['\"]?{re.escape(value)}['\"]?\n", rows[key]), (key, rows[key])


def test_install_and_single_user_mode_leave_them(changed: Bed) -> None:
    before = stored(changed)
    tootstrap = Product(changed.machine)
    run = tootstrap.install()
    assert (run.status, run.differing()) == (DONE, set()), run.explained()
    assert stored(changed) == before
