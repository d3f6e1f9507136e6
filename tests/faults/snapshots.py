"""Disks that interrupted installations start from, and what an undisturbed one makes of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from interrupted import Undisturbed, begin, undisturbed
from product import RELEASED, UPLOADED
from testbed.bed import Bed

APT = {"DEBIAN_FRONTEND": "noninteractive"}


@pytest.fixture(scope="session")
def from_bare(bed: Bed, dist: Path) -> Undisturbed:
    """A bare Debian with the binary in root's home: everything is still to do, and most of the time goes into packages and images."""
    bed.machine.restore("bare", boot=False)
    bed.machine.put(UPLOADED, (dist / RELEASED).read_bytes(), 0o755)
    bed.machine.snapshot("bare-binary")
    return undisturbed(bed, "bare-binary", UPLOADED)


@pytest.fixture(scope="session")
def from_prepared(bed: Bed, from_bare: Undisturbed) -> Undisturbed:
    """The same with the packages installed (by apt-get) and the images pulled (by docker) beforehand, and nothing else."""
    machine = bed.machine
    begin(bed, "bare-binary")
    for path, content in from_bare.sources.items():
        machine.put(path, content)
    names = [name for step in ("base/packages", "host/packages") for name in from_bare.title(step).split()[1:]]
    machine.run(["apt-get", "-q", "update"], env=APT)
    machine.run(["apt-get", "-q", "-y", "install", "--no-install-recommends", *names], env=APT, timeout=900)
    for step in ("caddy", "postgres", "redis", "mastodon", "streaming"):
        machine.run(["docker", "pull", "-q", from_bare.title(f"docker/image-{step}").split()[1]], timeout=600)
    machine.poweroff()
    machine.snapshot("prepared")
    return undisturbed(bed, "prepared", UPLOADED)
