"""What all doubles have in common, and the configuration that the official images document."""

from __future__ import annotations

import pytest

from .authority import ca
from .containers import configuration, run_once
from .images import names

OFFICIAL: dict[str, dict[str, object]] = {
    "postgres": {
        "Entrypoint": ["docker-entrypoint.sh"],
        "Cmd": ["postgres"],
        "StopSignal": "SIGINT",
        "Volumes": {"/var/lib/postgresql/data": {}},
        "ExposedPorts": {"5432/tcp": {}},
    },
    "redis": {
        "Entrypoint": ["docker-entrypoint.sh"],
        "Cmd": ["redis-server"],
        "WorkingDir": "/data",
        "Volumes": {"/data": {}},
        "ExposedPorts": {"6379/tcp": {}},
    },
    "caddy": {
        "Entrypoint": None,
        "Cmd": ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"],
        "WorkingDir": "/srv",
        "Volumes": None,
        "ExposedPorts": {"80/tcp": {}, "443/tcp": {}, "443/udp": {}, "2019/tcp": {}},
    },
}
ENVIRONMENT = {
    "postgres": {"LANG=en_US.utf8", "PG_MAJOR=17", "PGDATA=/var/lib/postgresql/data"},
    "redis": set[str](),
    "caddy": {"XDG_CONFIG_HOME=/config", "XDG_DATA_HOME=/data"},
}
WITHOUT = {"postgres": ["curl"], "redis": ["bash", "curl"], "caddy": ["bash"]}
"""What the official alpine image lacks: a health check that uses it would pass here and fail there."""
WITH = {"postgres": ["bash", "psql", "pg_isready", "pg_dump", "wget"], "redis": ["redis-cli", "wget"],
        "caddy": ["curl", "wget"]}


@pytest.mark.parametrize("name", names())
def test_says_that_it_is_a_double(name: str) -> None:
    labels = configuration(name)["Labels"]
    assert isinstance(labels, dict) and labels["org.tootstrap.testbed.double"]
    shown = run_once(name, "--network=none", "--entrypoint=cat", command=("/DOUBLE",)).stdout
    assert shown.startswith("This image was built by tootstrap's test bed.")


@pytest.mark.parametrize("name", names())
def test_trusts_the_beds_authority(name: str) -> None:
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    shown = run_once(name, "--network=none", "--entrypoint=cat", command=(bundle,)).stdout
    assert ca().crt.read_text().strip() in shown.replace("\r", "")


@pytest.mark.parametrize("name", OFFICIAL)
def test_is_configured_as_the_official_image(name: str) -> None:
    config = configuration(name)
    wanted = OFFICIAL[name]
    assert {field: config.get(field) for field in wanted} == wanted
    assert not config.get("User"), "the official image starts as root and drops root itself"
    environment = config["Env"]
    assert isinstance(environment, list) and ENVIRONMENT[name] <= set(environment)


@pytest.mark.parametrize("name", OFFICIAL)
def test_has_the_official_images_programs_and_no_others(name: str) -> None:
    look = "for program; do command -v $program >/dev/null && echo $program; done; true"
    asked = ("-c", look, "sh", *WITH[name], *WITHOUT[name])
    found = run_once(name, "--network=none", "--entrypoint=sh", command=asked)
    assert found.stdout.split() == WITH[name]
