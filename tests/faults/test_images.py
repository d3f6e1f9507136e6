"""Images.

The image of one service is gone, and the registry, the network or the disk is in the way of pulling it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from background import Background
from cases import Case
from product import DONE, Product
from recovery import Undisturbed, failed, run_plainly, until
from testbed import layout as where
from testbed.bed import Bed
from testbed.net import inside
from testbed.services import HostFault, addresses

IMAGE = "ghcr.io/mastodon/mastodon-streaming:v4.7.4"
REPOSITORY = "/v2/mastodon/mastodon-streaming"
MANIFEST = rf"^{REPOSITORY}/manifests/"
BLOB = rf"^{REPOSITORY}/blobs/"
#: Only the layer that no other image has is as large.
MIDDLE = 20_000_000
STEP = r"docker/image-streaming"


@pytest.fixture(scope="module")
def undisturbed(installed: Bed) -> Undisturbed:
    return Undisturbed.of(installed)


def remove_image(bed: Bed) -> None:
    """As if it had never been here: a recorded one would be asked for by its digest."""
    bed.machine.sh(f"docker rm --force mastodon-streaming-1; docker rmi {IMAGE}; sed -i '\\#{IMAGE}#d' /etc/tootstrap/images.toml")
    bed.services.control.clear_front_requests()


@pytest.fixture
def without_image(installed: Bed, undisturbed: Undisturbed) -> Iterator[Bed]:
    remove_image(installed)
    yield installed
    installed.services.control.clear_host_faults()


def fault(bed: Bed, path: str, **trouble) -> None:
    bed.services.control.add_host_fault(HostFault(addresses.GHCR, path=path, **trouble))


def faults(bed: Bed) -> int:
    return sum(request["fault"] for request in bed.services.control.front_requests())


def by_itself(bed: Bed, case: Case, undisturbed: Undisturbed) -> str:
    with case.timed():
        run = run_plainly(Product(bed.machine))
    assert run.status == DONE, run.text[-3000:]
    undisturbed.same(bed, checks=False)
    case.recovered = "by itself, in the same run"
    return run.text


PASSING: dict[str, tuple[str, dict[str, Any]]] = {
    "answers 500 twice": (MANIFEST, {"status": 500, "times": 2}),
    "answers 429 once": (MANIFEST, {"status": 429, "body": '{"errors":[{"code":"TOOMANYREQUESTS"}]}', "times": 1}),
    "resets the connection in the middle of a layer": (BLOB, {"reset_after": MIDDLE, "times": 1}),
    "ends the connection in the middle of a layer": (BLOB, {"truncate_after": MIDDLE, "times": 1}),
    "sends a damaged layer once": (BLOB, {"flip_at": MIDDLE, "times": 1}),
}


@pytest.mark.parametrize("name", PASSING)
def test_a_registry_in_passing_trouble(without_image: Bed, undisturbed: Undisturbed, case: Case, name: str) -> None:
    case.tried = f"the registry {name}"
    path, trouble = PASSING[name]
    # A fault inside a body must not be used up by a smaller blob.
    fault(without_image, path, **({**trouble, "times": None} if path == BLOB else trouble))
    if path == BLOB:
        run = Background(without_image)
        until(lambda: _met(without_image), 120, "the layer was not asked for")
        without_image.services.control.clear_host_faults()
        with case.timed():
            ended = run.ended()
        assert ended.status == DONE, ended.text[-3000:]
        undisturbed.same(without_image, checks=False)
        case.recovered = "by itself, in the same run"
    else:
        by_itself(without_image, case, undisturbed)
    case.happened = "Docker, or `install`, tries again"
    assert faults(without_image) >= 1, "the fault was not met"


def _met(bed: Bed) -> bool:
    """The large layer was asked for once more: a part of it had come."""
    blobs = [request["path"] for request in bed.services.control.front_requests() if BLOB[1:] in request["path"]]
    return len(blobs) > len(set(blobs))


def test_a_slow_registry(without_image: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "the registry sends 1 MB a second: the pull takes most of a minute"
    fault(without_image, BLOB, bytes_per_second=1_000_000)
    text = by_itself(without_image, case, undisturbed)
    assert re.search(r"still at docker/image-streaming \(\d\d:\d\d, \d+\.\d (of \d+\.\d )?MB", text), text[-2000:]
    case.happened = "it goes on, and says every 15 seconds how many bytes have come"
    case.recovered = "not needed"


LISTS_ANOTHER = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
    "manifests": [
        {
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "size": 1000,
            "digest": f"sha256:{'1' * 64}",
            "platform": {"architecture": "s390x", "os": "linux"},
        }
    ],
}

LASTING: dict[str, tuple[dict[str, Any], str, str]] = {
    "answers 500": ({"status": 500}, r"500 Internal Server Error", r"run this again later"),
    "answers 429": (
        {"status": 429, "body": '{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}'},
        r"toomanyrequests: You have reached your pull rate limit",
        r"limits how often .*docker login",
    ),
    "has the image for another processor only": (
        {"status": 200, "headers": {"Content-Type": LISTS_ANOTHER["mediaType"]}, "body": json.dumps(LISTS_ANOTHER)},
        r"no matching manifest for linux/amd64",
        r"not made for this machine's processor",
    ),
}


@pytest.mark.parametrize("name", LASTING)
def test_a_registry_in_lasting_trouble(without_image: Bed, undisturbed: Undisturbed, case: Case, name: str) -> None:
    case.tried = f"the registry {name}"
    trouble, why, do = LASTING[name]
    fault(without_image, MANIFEST, **trouble)
    block = failed(run_plainly(Product(without_image.machine)), STEP, rf"cannot pull image {IMAGE}.*{why}", do)
    case.happened = f"exit 1 after {faults(without_image)} tries: {block.parts['why'].rpartition('daemon: ')[2]}"
    without_image.services.control.clear_host_faults()
    undisturbed.recovered(without_image, case, checks=False)


# --- IPv6


NOBODY = "2001:db8:51::dead"


@contextmanager
def black_hole(bed: Bed) -> Iterator[None]:
    """The registry's IPv6 address is one to which every packet is lost."""
    route = ["blackhole", f"{NOBODY}/128"]
    inside(bed.layout.rtr, ["ip", "-6", "route", "add", *route])
    bed.services.control.move_host(addresses.GHCR, "AAAA", NOBODY)
    try:
        yield
    finally:
        bed.services.control.move_host(addresses.GHCR, "AAAA", None)
        inside(bed.layout.rtr, ["ip", "-6", "route", "delete", *route])


def test_ipv6_leads_nowhere(without_image: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "the registry has an IPv6 address, and whatever is sent there is lost"
    with black_hole(without_image):
        with case.timed():
            run = run_plainly(Product(without_image.machine))
    assert run.status == DONE, run.text[-3000:]
    callers = {request["caller"] for request in without_image.services.control.front_requests() if request["host"] == addresses.GHCR}
    assert callers == {where.MACHINE_V4}, callers
    undisturbed.same(without_image, checks=False)
    case.happened = "Docker pulls over IPv4"
    case.recovered = "by itself, in the same run"


def test_ipv6_breaks(without_image: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "connections to the registry over IPv6 are made, and then reset"
    fault(without_image, "", family=6, reset_after=0)
    block = failed(run_plainly(Product(without_image.machine)), STEP, rf"cannot pull image {IMAGE}.*connection reset by peer", r"the connection over IPv6 breaks: .*disable_ipv6=1")
    case.happened = f"exit 1 after {faults(without_image)} requests: Docker itself never falls back to IPv4 then. It says what helps: {block.parts['do'].partition(':')[0]}"
    without_image.services.control.clear_host_faults()
    undisturbed.recovered(without_image, case, checks=False)


# --- the disk

#: Also what is reserved for root, as whom Docker writes.
FILL = "fallocate -l $(( $(stat -f -c %f /var) * $(stat -f -c %S /var) - {left} * 1048576 )) /var/filler"

#: Files in many directories, until the file system has only `left` inodes.
USE_INODES = """
import os
free = os.statvfs("/var").f_ffree - {left}
for number in range(free // 20000 + 1):
    directory = f"/var/filler/{{number}}"
    os.makedirs(directory)
    for file in range(min(20000, free - number * 20000) - 1):
        os.mknod(f"{{directory}}/{{file}}")
"""


@pytest.fixture
def pristine_without_image(pristine: Bed) -> Iterator[tuple[Bed, Undisturbed]]:
    before = Undisturbed.of(pristine)
    remove_image(pristine)
    yield pristine, before


def test_the_disk_is_full(pristine_without_image: tuple[Bed, Undisturbed], case: Case) -> None:
    case.tried = "the disk has 60 MB left"
    bed, before = pristine_without_image
    bed.machine.sh(FILL.format(left=60))
    block = failed(run_plainly(Product(bed.machine)), STEP, r"no space left on device", r"make room .*df -h /var/lib/docker")
    case.happened = f"exit 1: {block.parts['why'].rpartition('daemon: ')[2]}"
    bed.machine.sh("rm /var/filler")
    before.recovered(bed, case)


def test_out_of_inodes(pristine_without_image: tuple[Bed, Undisturbed], case: Case) -> None:
    case.tried = "the disk has space, but only 200 inodes left"
    bed, before = pristine_without_image
    bed.machine.run(["python3", "-c", USE_INODES.format(left=200)], timeout=280)
    block = failed(run_plainly(Product(bed.machine)), STEP, r"no space left on device", r"make room .*df -i /var/lib/docker")
    case.happened = f"exit 1: {block.parts['why'].rpartition('daemon: ')[2]}"
    bed.machine.run(["rm", "-rf", "/var/filler"], timeout=280)
    before.recovered(bed, case)
