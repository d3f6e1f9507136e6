"""Single-user mode is ours and converges, on and off."""

from __future__ import annotations

import json
import re

import pytest
from harness import wait_healthy
from product import CHANGES_PENDING, DONE, Product
from testbed import layout as where
from testbed.bed import Bed

LEAVES_IT_AS_IT_WAS = True


def mode(bed: Bed) -> bool:
    """What the page tells the browser (mastodon.md §2.5)."""
    page = bed.client.run(["curl", "-sS", "--max-time", "20", f"https://{where.SITE}/"]).stdout
    found = re.search(r'<script id="initial-state"[^>]*>(.*?)</script>', page, re.S)
    assert found, page[:500]
    return bool(json.loads(found[1])["meta"].get("single_user_mode"))


@pytest.mark.parametrize(("answer", "on"), [("Yes", True), ("No", False)])
def test_switching(installed: Bed, tootstrap: Product, answer: str, on: bool) -> None:
    assert mode(installed) is not on
    asked = {"SINGLE_USER_MODE": answer}
    assert tootstrap.plan(env=asked).status == CHANGES_PENDING
    assert mode(installed) is not on, "the plan switched it"

    run = tootstrap.install(env=asked)
    assert run.status == DONE, run.explained()
    wait_healthy(installed)
    assert mode(installed) is on

    kept = tootstrap.install()
    assert (kept.status, kept.differing()) == (DONE, set()), "the answer was not remembered: " + kept.explained()
