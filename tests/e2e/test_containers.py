"""What every container may do, as Docker itself says."""

from __future__ import annotations

import json

import pytest
from testbed.bed import Bed
from testbed.verify import compose

LEAVES_IT_AS_IT_WAS = True

#: Capabilities given back after all were dropped, and whether the root file system is read-only.
SERVICES = {
    "db": ([], True),
    "redis": ([], True),
    "web": ([], False),
    "sidekiq": ([], False),
    "streaming": ([], True),
    "caddy": (["NET_BIND_SERVICE"], True),
}
#: Published on the machine's own address only.
PORTS = {"web": {"3000/tcp": "3000"}, "streaming": {"4000/tcp": "4000"}}


@pytest.fixture(scope="module")
def containers(installed: Bed) -> dict[str, dict]:
    """By service."""
    ids = installed.machine.sh("docker ps -aq").split()
    found = json.loads(installed.machine.run(["docker", "inspect", *ids]).stdout)
    return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in found}


def test_there_are_no_others(containers: dict[str, dict]) -> None:
    assert set(containers) == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_it_has_only_what_it_needs(containers: dict[str, dict], service: str) -> None:
    given_back, read_only = SERVICES[service]
    container, host = containers[service], containers[service]["HostConfig"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["CapDrop"] == ["ALL"] and not host["Privileged"]
    assert [capability.removeprefix("CAP_") for capability in host["CapAdd"] or []] == given_back
    if read_only:
        assert host["ReadonlyRootfs"]
    assert not [mount for mount in container["Mounts"] if "docker.sock" in mount["Source"]]
    assert host["PidMode"] == "" and not host["Devices"]


@pytest.mark.parametrize("service", SERVICES)
def test_it_cannot_take_the_whole_machine(containers: dict[str, dict], service: str) -> None:
    host = containers[service]["HostConfig"]
    assert 0 < host["Memory"] < 4 << 30
    assert 0 < host["PidsLimit"] <= 1024
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "5", "max-size": "10m"}}


@pytest.mark.parametrize("service", SERVICES)
def test_it_is_published_on_the_loopback_only(containers: dict[str, dict], service: str) -> None:
    """Caddy uses the host's network, behind the firewall, so that it sees true addresses."""
    host = containers[service]["HostConfig"]
    published = (host["PortBindings"] or {}).items()
    bound = {port: [(binding["HostIp"], binding["HostPort"]) for binding in bindings] for port, bindings in published}
    assert bound == {port: [("127.0.0.1", number)] for port, number in PORTS.get(service, {}).items()}
    assert (host["NetworkMode"] == "host") is (service == "caddy")


@pytest.mark.parametrize("service", ["web", "sidekiq"])
def test_uploads_find_a_place_that_takes_them(installed: Bed, service: str) -> None:
    """Both write them, as the image's own user."""
    write = "id -u && mkdir -p public/system/tried/1 && echo x > public/system/tried/1/a.png && cat public/system/tried/1/a.png && rm -r public/system/tried"
    assert compose(installed.machine, "exec", "-T", service, "sh", "-ec", write).split() == ["991", "x"]
