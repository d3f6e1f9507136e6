"""What is refused on a machine that has something already."""

from __future__ import annotations

from pathlib import Path

from fingerprint import difference, fingerprint
from product import DONE, REFUSED, Product, environment
from testbed.bed import Bed
from testbed.demo import FORM


def test_another_domain_is_refused_with_the_reason(installed: Bed, tootstrap: Product) -> None:
    before = fingerprint(installed.machine)
    run = tootstrap.plain("install", env={**environment(FORM), "DOMAIN": "another-place.org"})
    assert run.status == REFUSED, run.text
    assert "domain" in run.text and "another-place.org" in run.text and "social.fedi-test.org" in run.text
    # Of a refused form on a bare machine the good answers are kept; here they would change an installed server by surprise.
    assert difference(before, fingerprint(installed.machine)) == ""
    still = tootstrap.plan()
    assert (still.status, still.differing()) == (DONE, set()), still.explained()


def test_somebody_elses_mastodon_is_recognised(bed: Bed, bare: Bed, dist: Path) -> None:
    """A source installation as Mastodon's own documentation makes it."""
    machine = bare.machine
    machine.sh("useradd --create-home mastodon; mkdir -p /home/mastodon/live; touch /home/mastodon/live/.env.production")
    machine.put("/etc/systemd/system/mastodon-web.service", "[Service]\nExecStart=/bin/true\n")
    product = Product.uploaded(machine, dist)
    before = fingerprint(machine)
    run = product.plain("install", env=environment(FORM))
    assert run.status == REFUSED, run.text
    assert "/home/mastodon/live" in run.text or "mastodon-web.service" in run.text, run.text
    lines = difference(before, fingerprint(machine)).splitlines()
    assert [line for line in lines if "tootstrap" not in line] == []
