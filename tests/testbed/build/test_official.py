"""What of `TESTBED_IMAGES=official` needs no registry: how an image that was pulled becomes one of the bed's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import official
from .authority import ca
from .images import Image, buildah
from .registry_storage import REPOSITORIES

PULLED = "localhost/testbed-pulled:test"


@pytest.fixture
def pulled(tmp_path: Path) -> Iterator[str]:
    """An image that trusts somebody else only."""
    (tmp_path / "bundle").write_text("somebody else's root\n")
    (tmp_path / "Dockerfile").write_text(f'FROM scratch\nCOPY bundle /{official.BUNDLE}\nENV XDG_DATA_HOME=/data\nCMD ["caddy", "run"]\n')
    buildah("build", "--isolation=chroot", "--format=docker", "--tag", PULLED, tmp_path)
    yield PULLED
    buildah("rmi", "--force", PULLED)


def removed(made: Image) -> None:
    buildah("rmi", "--force", made.ref)


def bundle_of(ref: str) -> str:
    container = buildah("from", "--pull-never", ref).strip()
    try:
        return (Path(buildah("mount", container).strip()) / official.BUNDLE).read_text()
    finally:
        buildah("rm", container)


def config_of(ref: str) -> dict:
    return json.loads(buildah("inspect", "--type=image", ref))["Docker"]["config"]


def test_caddys_image_trusts_the_bed_as_well_and_is_otherwise_unchanged(pulled: str) -> None:
    made = official.adopted("caddy", pulled)
    bundle = bundle_of(made.ref)
    assert bundle.startswith("somebody else's root\n") and ca().crt.read_text().strip() in bundle
    assert {key: config_of(made.ref)[key] for key in ("Cmd", "Env")} == {key: config_of(pulled)[key] for key in ("Cmd", "Env")}
    assert bundle_of(pulled) == "somebody else's root\n"
    removed(made)


def test_every_other_image_stays_as_it_came(pulled: str) -> None:
    made = official.adopted("postgres", pulled)
    assert bundle_of(made.ref) == "somebody else's root\n"
    other = official.adopted("redis", pulled)
    assert made.ref != other.ref
    removed(made)
    removed(other)


def test_there_is_a_source_for_each_image_with_the_tag_that_the_product_asks_for() -> None:
    offered = {(name, repository, tag) for name, (repository, tags) in REPOSITORIES.items() for tag in tags}
    for name, source in official.SOURCES.items():
        repository, tag = source.partition("/")[2].split(":")
        assert (name, repository, tag) in offered
    assert set(official.SOURCES) == set(REPOSITORIES)


def test_it_is_asked_for_by_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TESTBED_IMAGES", raising=False)
    assert not official.wanted()
    monkeypatch.setenv("TESTBED_IMAGES", "official")
    assert official.wanted()
