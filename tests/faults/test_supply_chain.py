"""Supply chain: images by digest, Docker's key by fingerprint.

What was pulled first is what runs, whatever a tag means later.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
import tomllib
from pathlib import Path

import moved_tag
from cases import Case
from endstate import good, nothing_to_do
from product import DONE, STILL_WAITING, Product, environment
from recovery import failed, run_plainly, waits
from testbed import guest
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.machine import Machine

RECORD = "/etc/tootstrap/images.toml"
HUB = "registry-1.docker.io"
#: Reference → where the registry has it.
IMAGES = {
    "ghcr.io/mastodon/mastodon:v4.7.4": ("ghcr.io", "mastodon/mastodon", "v4.7.4"),
    "ghcr.io/mastodon/mastodon-streaming:v4.7.4": ("ghcr.io", "mastodon/mastodon-streaming", "v4.7.4"),
    "postgres:17-alpine": (HUB, "library/postgres", "17-alpine"),
    "redis:7-alpine": (HUB, "library/redis", "7-alpine"),
}
REDIS = "redis:7-alpine"


def image_id(machine: Machine, reference: str) -> str:
    return machine.run(["docker", "image", "inspect", "-f", "{{.Id}}", reference]).stdout.decode().strip()


def running_id(machine: Machine) -> str:
    return machine.run(["docker", "inspect", "-f", "{{.Image}}", "mastodon-redis-1"]).stdout.decode().strip()


def test_digests_are_recorded_and_shown(pristine: Bed, case: Case) -> None:
    case.tried = "digests of the images, as recorded and as `tootstrap status` shows them"
    machine = pristine.machine
    recorded = tomllib.loads(machine.get(RECORD).decode())["digests"]
    status = Product(machine).plain("status")
    assert status.status == DONE, status.text[-2000:]
    for reference, place in IMAGES.items():
        told = moved_tag.digest(machine, *place)
        assert recorded[reference].endswith(f"@{told}"), (reference, recorded)
        assert re.search(rf"^  {re.escape(reference)}\n +{told}$", status.text, re.MULTILINE), status.text[-2000:]
    assert len(recorded) == 5
    case.happened = "all five stand in images.toml and in `status`, as the registry tells them"
    case.recovered = "not needed"


def test_a_lost_image_comes_back_although_its_tag_moved(pristine: Bed, case: Case) -> None:
    case.tried = "the tag of Redis means another image at the registry; the local one is removed"
    machine, product = pristine.machine, Product(pristine.machine)
    first, record = image_id(machine, REDIS), machine.get(RECORD)
    moved_tag.move(pristine, *IMAGES[REDIS])
    machine.run(["docker", "rm", "-f", "mastodon-redis-1"])
    machine.run(["docker", "rmi", REDIS])
    with case.timed():
        run = run_plainly(product)
    assert run.status == DONE, run.text[-3000:]
    assert (image_id(machine, REDIS), running_id(machine), machine.get(RECORD)) == (first, first, record)
    nothing_to_do(product)
    good(pristine)
    case.happened = "`install` pulls by the recorded digest: the same image as before runs again"
    case.recovered = "by that run itself"


def test_a_tag_that_moved_is_told_and_not_taken(pristine: Bed, case: Case) -> None:
    case.tried = "the tag of Redis moves, and somebody pulls it"
    machine, product = pristine.machine, Product(pristine.machine)
    first, record = image_id(machine, REDIS), machine.get(RECORD)
    moved = moved_tag.move(pristine, *IMAGES[REDIS])
    machine.run(["docker", "pull", REDIS])
    assert image_id(machine, REDIS) != first, "the tag did not move"
    status = product.plain("status")
    assert status.status == STILL_WAITING and moved.before in status.text and moved.now in " ".join(status.text.split()), status.text[-3000:]
    run = run_plainly(product)
    block = waits(run, "docker/images", f"{REDIS} to be the image that was recorded", "docker pull")
    assert moved.before in block.parts["for"] and moved.now in block.parts["for"], block
    assert (running_id(machine), machine.get(RECORD)) == (first, record)
    command = re.search(r"\((docker pull [^)]+)\)", block.parts["do"])
    assert command, block
    with case.timed():
        machine.sh(command[1])
        after = run_plainly(product)
    assert after.status == DONE, after.text[-3000:]
    assert image_id(machine, REDIS) == first
    nothing_to_do(product)
    case.happened = "`status` and `install` name both digests (exit 4); the first image goes on running, the record stays"
    case.recovered = "with the command of the message"


def test_another_key_is_refused(fresh: Bed, dist: Path, case: Case) -> None:
    case.tried = "Docker's repository with another key than the one whose fingerprint is pinned"
    machine = fresh.machine
    machine.boot()
    product = Product.uploaded(machine, dist)
    path = f"/{guest.DIRECTORY}/docker.asc"
    right = machine.get(path)
    machine.put(path, _another_key())
    run = run_plainly(product, env=environment(FORM))
    failed(run, "base/docker-source", r"has the fingerprint [0-9A-Fa-f]{40}, not [0-9A-Fa-f]{40}", "whose key this is")
    assert not machine.exists("/etc/apt/sources.list.d/docker.list") and not machine.exists("/etc/apt/keyrings/docker.asc")
    assert machine.sh("dpkg-query -W -f '${Status} ' docker-ce 2>/dev/null || true").strip() == ""
    case.happened = "refused, with both fingerprints; no source and no package of that repository is on the machine"
    machine.put(path, right)
    with case.timed():
        after = run_plainly(product, env=environment(FORM))
    assert after.status == DONE, after.text[-3000:]
    nothing_to_do(Product(machine))
    good(fresh)
    case.recovered = "`tootstrap install`, once the right key is there"


def _another_key() -> bytes:
    with tempfile.TemporaryDirectory() as home:
        gpg = shlex.split(f"gpg --homedir {home} --batch --pinentry-mode loopback --passphrase ''")
        subprocess.run([*gpg, "--quick-gen-key", "Somebody else <other@example.org>", "ed25519", "sign", "never"], check=True, capture_output=True)
        return subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True).stdout
