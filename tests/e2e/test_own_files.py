"""Files that belong to the operator are honoured and never written; a file of the product's that is missing is named alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from harness import wait_healthy
from product import CHANGES_PENDING, DONE, Product
from testbed import layout as where
from testbed.bed import Bed

CUSTOM = "/opt/mastodon/custom.env"
OVERRIDE = "/opt/mastodon/compose.override.yaml"
SITE = "/opt/mastodon/caddy/custom/notes.caddy"
#: Not one of the product's names, so without TLS; asked for by its name on the machine's address.
OWN_SITE = 'http://notes.example.org {\n\trespond "of the operator"\n}\n'
LOOK = f"stat -c '%n %i %a %Y %Z' {CUSTOM} {OVERRIDE} {SITE}"


def environment_of(bed: Bed, service: str) -> list[str]:
    return json.loads(bed.machine.run(["docker", "inspect", f"mastodon-{service}-1"]).stdout)[0]["Config"]["Env"]


@pytest.fixture(scope="module")
def before(installed: Bed) -> Iterator[str]:
    """The files, as they must stay."""
    installed.machine.put(CUSTOM, "OF_THE_OPERATOR=from custom.env\n", 0o640)
    installed.machine.put(OVERRIDE, "services:\n  streaming:\n    environment:\n      OVERRIDDEN: from the override\n", 0o640)
    installed.machine.put(SITE, OWN_SITE, 0o644)
    yield installed.machine.sh(LOOK)


def test_they_count_at_the_next_install(installed: Bed, tootstrap: Product, before: str) -> None:
    run = tootstrap.install()
    assert (run.status, run.ids("changed")) == (DONE, {"app/services", "edge/loaded"}), run.explained()
    wait_healthy(installed)
    for service in ("web", "sidekiq", "streaming"):
        assert "OF_THE_OPERATOR=from custom.env" in environment_of(installed, service), service
    assert "OVERRIDDEN=from the override" in environment_of(installed, "streaming")
    own = ["curl", "-sS", "--max-time", "20", "-H", "Host: notes.example.org", f"http://{where.MACHINE_V4}/"]
    assert installed.client.run(own).stdout == "of the operator"
    assert installed.client.run(["curl", "-sS", "--max-time", "20", f"https://{where.SITE}/health"]).stdout.strip() == "OK"


def test_they_change_nothing_more_and_are_as_they_were(installed: Bed, tootstrap: Product, before: str) -> None:
    again = tootstrap.install()
    assert (again.status, again.differing()) == (DONE, set()), again.explained()
    assert installed.machine.sh(LOOK) == before


def test_an_own_site_that_caddy_refuses_is_told_and_harms_nothing(installed: Bed, tootstrap: Product, before: str) -> None:
    installed.machine.put("/opt/mastodon/caddy/custom/broken.caddy", "notes.example.org {\n\tno_such_directive\n}\n")
    run = tootstrap.install()
    assert run.ids("failed") == {"edge/loaded"}, run.explained()
    assert "no_such_directive" in run.text and "caddy/custom" in run.text, run.text
    assert installed.client.run(["curl", "-sS", "--max-time", "20", f"https://{where.SITE}/health"]).stdout.strip() == "OK"
    installed.machine.remove("/opt/mastodon/caddy/custom/broken.caddy")
    cured = tootstrap.install()
    assert cured.status == DONE, cured.explained()


#: File of the Compose project → step that makes it.
OURS = {
    "compose.yaml": "docker/compose.yaml",
    "env.production": "docker/env.production",
    "secrets.env": "docker/secrets.env",
    "postgres/secret/password": "docker/postgres-password",
    "redis/conf/redis.conf": "docker/redis.conf",
    "caddy/conf/Caddyfile": "docker/Caddyfile",
    "caddy/site/setup.html": "docker/page-setup",
    "caddy/site/back.html": "app/page",
}


@pytest.mark.parametrize("name", OURS)
def test_a_missing_file_is_named_alone(installed: Bed, tootstrap: Product, before: str, name: str) -> None:
    path = f"/opt/mastodon/{name}"
    installed.machine.run(["mv", path, "/root/kept"])
    try:
        plan = tootstrap.plan()
    finally:
        installed.machine.run(["mv", "/root/kept", path])
    assert (plan.status, plan.ids("pending")) == (CHANGES_PENDING, {OURS[name]}), plan.explained()
    others = plan.differing() - plan.ids("pending")
    assert others <= plan.ids("unknown"), plan.explained()


def test_all_of_them_are_made_again_and_no_container_is_touched(installed: Bed, tootstrap: Product, before: str) -> None:
    started = "docker ps -q | sort | xargs docker inspect -f '{{.Id}} {{.State.StartedAt}}'"
    containers = installed.machine.sh(started)
    installed.machine.run(["rm", *(f"/opt/mastodon/{name}" for name in OURS)])
    run = tootstrap.install()
    assert (run.status, run.ids("changed")) == (DONE, set(OURS.values())), run.explained()
    assert installed.machine.sh(started) == containers
    assert installed.machine.sh(LOOK) == before
