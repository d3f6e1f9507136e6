"""Somebody opens the address in a browser, a real one: while Mastodon is being set up, after that has failed, and when it does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from product import DONE, Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.chromium import DESKTOP, PHONE, Chromium, Tab
from testbed.demo import FORM
from testbed.machine import wait_until
from testbed.services import HostFault, addresses
from tour import keep_picture, keep_text

SITE = f"https://{where.SITE}/"
#: In the stand-in's page, as in Mastodon's.
MASTODON = "document.querySelector('meta[name=csrf-token]') !== null"
STREAMING = r"^/v2/mastodon/mastodon-streaming/manifests/"
#: What other servers and apps send for, besides a path.
PROGRAMS = (
    ("/users/Ada", ["-H", "Accept: application/activity+json, application/ld+json; profile=\"https://www.w3.org/ns/activitystreams\", text/html;q=0.1"]),
    ("/inbox", ["-X", "POST", "-H", "Content-Type: application/activity+json", "--data", "{}"]),
    ("/api/v2/instance", ["-H", "Accept: text/html"]),
    ("/.well-known/webfinger?resource=acct:Ada@fedi-test.org", []),
    ("/", []),
)  # fmt: skip


@pytest.fixture
def tab(bed: Bed) -> Iterator[Tab]:
    with Chromium(bed.client) as browser:
        yield browser.tab()


def shoot(tab: Tab, name: str, directory: Path) -> None:
    """On a phone and on a desk, by day and by night; each has its colours, and nothing to scroll sideways for."""
    backgrounds = set()
    for device, size in (("phone", PHONE), ("desktop", DESKTOP)):
        for scheme in ("light", "dark"):
            tab.look(size, scheme)
            assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (device, tab.text)
            assert tab.evaluate("parseFloat(getComputedStyle(document.querySelector('p')).fontSize) >= 16")
            backgrounds.add((scheme, tab.evaluate("getComputedStyle(document.body).backgroundColor")))
            path = directory / f"{name}-{device}-{scheme}.png"
            tab.shoot(path)
            keep_picture(path)
    assert len(backgrounds) == len({color for _, color in backgrounds}) == 2, backgrounds


def is_mastodon(tab: Tab) -> bool:
    return tab.url == SITE and bool(tab.evaluate(MASTODON))


def programs_are_told_to_come_back(bed: Bed, scheme: str) -> None:
    for path, options in PROGRAMS:
        said = bed.client.run(["curl", "-sS", "--max-time", "20", "-D", "-", *options, f"{scheme}://{where.SITE}{path}"]).stdout.lower()
        head, _, body = said.replace("\r", "").partition("\n\n")
        assert head.split()[1] == "503" and "retry-after: 10" in head and "cache-control: no-store" in head, (path, head)
        assert "<html" not in body and "text/html" not in head and len(body) < 100, (path, body)


def is_honest(tab: Tab) -> None:
    """Nothing of anybody else's was asked for, and the page's policy forbids nothing of its own."""
    assert not [url for url in tab.requests if f"//{where.SITE}/" not in url], tab.requests
    assert not [text for text in tab.complaints if "Security Policy" in text and "favicon" not in text], tab.complaints


def test_it_follows_an_installation_that_fails_and_goes_on_and_becomes_mastodon(bed: Bed, fresh: Bed, stackscript: str, tab: Tab, tmp_path: Path) -> None:
    control = bed.services.control
    # Made beforehand: a name that is asked for too early stays unknown to the client's resolver for a while.
    made = [{"name": where.SUBDOMAIN, "type": kind, "target": to, "ttl_sec": 300} for kind, to in (("A", where.MACHINE_V4), ("AAAA", where.MACHINE_V6))]
    control.put_zone(where.DOMAIN, made, soa_email=FORM["soa_email_address"], ttl_sec=300)
    for host in (addresses.ACME, addresses.ACME_STAGING):
        control.add_host_fault(HostFault(host, status=503))
    control.add_host_fault(HostFault(addresses.GHCR, path=STREAMING, status=404))
    first: list[CompletedProcess[str]] = []
    work = threading.Thread(target=lambda: first.append(bed.machine.stackscript(stackscript, FORM)))
    work.start()
    try:
        # Until Caddy has come up, the browser says that it cannot reach it.
        limit = time.monotonic() + 300
        while tab.go(f"http://{where.SITE}/") or "is being set up" not in tab.text:
            assert time.monotonic() < limit, tab.text
            time.sleep(1)
        # What came before was the browser's own page of an error.
        tab.requests.clear()
        seen = tab.wait_for("Begun at", 30)
        assert f"{where.SITE} is being set up" in seen and "Mastodon" in seen, seen
        assert tab.url == f"http://{where.SITE}/", "there is no certificate to show it over HTTPS"
        shoot(tab, "progress", tmp_path)
        programs_are_told_to_come_back(bed, "http")
        tab.wait_for("has stopped", 600)
    finally:
        work.join()
    assert first[0].returncode != 0
    keep_text("failure", "the StackScript, in /var/log/stackscript.log", first[0].stdout[first[0].stdout.rindex("\nFAILED docker/") :])
    assert "sudo tootstrap attach" in tab.text and "streaming" not in tab.text, tab.text
    shoot(tab, "stopped", tmp_path)
    assert {status for status, _ in tab.documents} == {503}, tab.documents

    control.clear_host_faults()
    # Nobody touches the tab any more.
    assert Product(bed.machine).install().status == DONE
    wait_until(lambda: is_mastodon(tab), 60, lambda: tab.text)
    is_honest(tab)
    assert sorted(bed.machine.sh("ls -A /opt/mastodon/caddy/site").split()) == ["back.html", "setup.html"]


def test_a_mastodon_that_does_not_answer_comes_back_by_itself(installed: Bed, tab: Tab, tmp_path: Path) -> None:
    assert tab.go(SITE) is None
    wait_until(lambda: is_mastodon(tab), 10, lambda: tab.text)
    installed.machine.sh("docker stop mastodon-web-1")
    try:
        assert tab.go(f"{SITE}about") is None
        assert "Back in a moment" in tab.wait_for("Back in a moment", 10)
        assert tab.documents[-1] == (503, f"{SITE}about")
        shoot(tab, "back", tmp_path)
        programs_are_told_to_come_back(installed, "https")
    finally:
        installed.machine.sh("docker start mastodon-web-1")
    wait_until(lambda: bool(tab.evaluate(MASTODON)), 90, lambda: tab.text)
    assert tab.url == f"{SITE}about"
    is_honest(tab)
