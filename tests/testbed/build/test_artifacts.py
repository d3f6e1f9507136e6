"""The cache's promises, and what the CA, the root file system, the apt repository and the registry must be."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from . import cache
from .authority import Leaf, ca
from .debian_root import rootfs
from .docker_repository import docker_key, docker_repository
from .registry_storage import REPOSITORIES, registry


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOOTSTRAP_CACHE", str(tmp_path))
    return tmp_path


def read_image(image: Path, path: str) -> str:
    """A file inside an ext4 image, without mounting it."""
    return subprocess.run(["debugfs", "-R", f"cat {path}", image], check=True, capture_output=True, text=True).stdout


def test_two_builders_of_an_entry_build_it_once(empty_cache: Path) -> None:
    built = []

    def build(at: Path) -> None:
        built.append(at)
        (at / "file").write_text("x")

    threads = [threading.Thread(target=cache.entry, args=("kind", "key", build)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert (empty_cache / "kind/key/file").read_text() == "x"


def test_a_failed_build_leaves_no_entry(empty_cache: Path) -> None:
    def fail(at: Path) -> None:
        (at / "half").write_text("x")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cache.entry("kind", "key", fail)
    assert list((empty_cache / "kind").iterdir()) == []


def test_what_a_dead_builder_left_is_not_used(empty_cache: Path) -> None:
    (empty_cache / "kind/key.part").mkdir(parents=True)
    (empty_cache / "kind/key.part/half").touch()
    made = cache.entry("kind", "key", lambda at: (at / "whole").touch())
    assert [file.name for file in made.iterdir()] == ["whole"]


def test_key_changes_with_content_mode_and_name(tmp_path: Path) -> None:
    file = tmp_path / "recipe"
    file.write_text("a")
    keys = {cache.key(tmp_path)}
    file.write_text("b")
    keys.add(cache.key(tmp_path))
    file.chmod(0o755)
    keys.add(cache.key(tmp_path))
    file.rename(tmp_path / "other")
    keys.add(cache.key(tmp_path))
    assert len(keys) == 4


def test_leaf_is_valid_for_its_names_only() -> None:
    leaf = ca().leaf(["ghcr.io", "*.docker.io", "198.51.100.80"])
    for name, valid in {"ghcr.io": True, "auth.docker.io": True, "evil.example": False}.items():
        assert verifies(leaf, "-verify_hostname", name) == valid, name
    assert verifies(leaf, "-verify_ip", "198.51.100.80")
    assert ca().leaf(["198.51.100.80", "*.docker.io", "ghcr.io"]) == leaf
    assert leaf.key.stat().st_mode & 0o077 == 0


def verifies(leaf: Leaf, *options: str) -> bool:
    verify = ["openssl", "verify", "-CAfile", str(ca().crt), "-purpose", "sslserver", *options, str(leaf.chain)]
    return subprocess.run(verify, capture_output=True).returncode == 0


def test_root_file_system_is_a_fresh_linode() -> None:
    image = rootfs()
    sshd = read_image(image, "/etc/ssh/sshd_config").splitlines()
    assert {"PermitRootLogin yes", "PasswordAuthentication yes"} <= set(sshd)
    assert read_image(image, "/etc/machine-id") == ""
    assert read_image(image, "/etc/resolv.conf") == "nameserver 203.0.113.1\n"
    assert "127.0.0.1\tlocalhost" in read_image(image, "/etc/hosts")
    assert ca().crt.read_text().strip() in read_image(image, "/etc/ssl/certs/ca-certificates.crt")
    root = next(line for line in read_image(image, "/etc/shadow").splitlines() if line.startswith("root:"))
    assert root.split(":")[1].startswith("$")
    suites = {line.split()[2] for line in read_image(image, "/etc/apt/sources.list").splitlines()}
    assert suites == {"bullseye", "bullseye-updates", "bullseye-security"}
    lists = subprocess.run(["debugfs", "-R", "ls -p /var/lib/apt/lists", image], check=True, capture_output=True, text=True)
    assert "Packages" not in lists.stdout


def test_root_file_system_is_sound_and_sparse() -> None:
    image = rootfs()
    subprocess.run(["e2fsck", "-fn", image], check=True, capture_output=True)
    status = image.stat()
    assert status.st_size == 20 * 1024**3
    assert status.st_blocks * 512 < 600 * 1024**2


def test_docker_repository_is_signed_by_its_key(tmp_path: Path) -> None:
    suite = docker_repository() / "linux/debian/dists/bullseye"
    key, fingerprint = docker_key()
    keyring = tmp_path / "key.gpg"
    subprocess.run(["gpg", "--dearmor", "--output", keyring, key], check=True)
    for arguments in ([suite / "InRelease"], [suite / "Release.gpg", suite / "Release"]):
        verify: list[str | Path] = ["gpgv", "--status-fd=1", "--keyring", keyring, *arguments]
        done = subprocess.run(verify, check=True, capture_output=True, text=True)
        assert f"VALIDSIG {fingerprint}" in done.stdout
    assert re.fullmatch("[0-9A-F]{40}", fingerprint)


def test_docker_repository_has_the_five_packages_whole() -> None:
    top = docker_repository() / "linux/debian"
    suite = top / "dists/bullseye"
    stanzas = [dict(re.findall(r"^(\S+): (.*)$", text, re.MULTILINE))
               for text in (suite / "stable/binary-amd64/Packages").read_text().strip().split("\n\n")]
    assert sorted(stanza["Package"] for stanza in stanzas) == [
        "containerd.io", "docker-buildx-plugin", "docker-ce", "docker-ce-cli", "docker-compose-plugin",
    ]
    for stanza in stanzas:
        assert hashlib.sha256((top / stanza["Filename"]).read_bytes()).hexdigest() == stanza["SHA256"]
    index = hashlib.sha256((suite / "stable/binary-amd64/Packages.gz").read_bytes()).hexdigest()
    assert index in (suite / "Release").read_text()


def test_registry_has_every_tag() -> None:
    repositories = registry() / "docker/registry/v2/repositories"
    for repository, tags in REPOSITORIES.values():
        there = {path.name for path in (repositories / repository / "_manifests/tags").iterdir()}
        assert there == set(tags), repository


def test_file_capability_of_caddy_is_in_its_layer() -> None:
    """A registry that lost it would let the product drop a capability that the official image needs."""
    blobs = registry() / "docker/registry/v2/blobs/sha256"
    manifest = json.loads(tag_blob("library/caddy", "2-alpine").read_bytes())
    capabilities = set()
    for layer in manifest["layers"]:
        digest = layer["digest"].removeprefix("sha256:")
        with tarfile.open(blobs / digest[:2] / digest / "data") as archive:
            for member in archive:
                if member.name == "usr/bin/caddy":
                    capabilities.add(member.pax_headers.get("SCHILY.xattr.security.capability"))
    assert len(capabilities) == 1, "the binary should be in one layer only"
    assert capabilities.pop(), "no security.capability attribute"


def tag_blob(repository: str, tag: str) -> Path:
    """The file with the manifest that a tag names."""
    top = registry() / "docker/registry/v2"
    link = top / "repositories" / repository / "_manifests/tags" / tag / "current/link"
    digest = link.read_text().strip().removeprefix("sha256:")
    return top / "blobs/sha256" / digest[:2] / digest / "data"
