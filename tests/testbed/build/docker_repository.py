"""A double of https://download.docker.com: Docker's packages, repacked from Debian's (facts/testbed.md §10).

The engine is the Debian release's own docker.io, containerd and runc under the names of Docker's packages; Compose v2
is trixie's, with its own loader and libc beside it. The repository is signed with a key of the bed's, not Docker's.
"""

from __future__ import annotations

import gzip
import inspect
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import cache, docker_packages
from .run import run

ARCHITECTURE = "amd64"
COMPONENT = "stable"
SIGNER = "Docker Release (tootstrap test bed)"


def docker_repository(release: str = "bullseye") -> Path:
    """A directory to serve as https://download.docker.com/; the key is `linux/debian/gpg` in it, armored."""
    recipe = [Path(__file__), Path(docker_packages.__file__), _key_directory().name]
    return cache.entry(f"docker-{release}", cache.key(release, *recipe), lambda at: _build(release, at))


def docker_key(release: str = "bullseye") -> tuple[Path, str]:
    """The armored public key that signs the repository, and its fingerprint (40 hex digits)."""
    return docker_repository(release) / "linux/debian/gpg", (_key_directory() / "fingerprint").read_text().strip()


def _key_directory() -> Path:
    """The signing key: one for all releases, and older than any edit of the packages."""
    return cache.entry("docker-key", cache.key(inspect.getsource(_make_key), SIGNER), _make_key, report=False)


def _make_key(at: Path) -> None:
    unlocked = ["gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
    with _gpg_home() as home:
        run(*unlocked, "--quick-gen-key", SIGNER, "rsa4096", "sign", "never", env=home)
        listing = run("gpg", "--batch", "--with-colons", "--list-keys", env=home)
        fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
        (at / "fingerprint").write_text(fingerprint + "\n")
        (at / "public.asc").write_text(run("gpg", "--batch", "--armor", "--export", env=home))
        (at / "private.asc").touch(mode=0o600)
        (at / "private.asc").write_text(run(*unlocked, "--armor", "--export-secret-keys", env=home))


@contextmanager
def _gpg_home() -> Iterator[dict[str, str]]:
    """An empty GNUPGHOME, as an environment; its agent is ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        environment = {"GNUPGHOME": home}
        try:
            yield environment
        finally:
            run("gpgconf", "--kill", "all", env=environment)


def _build(release: str, at: Path) -> None:
    top = at / "linux/debian"
    pool = top / "dists" / release / "pool" / COMPONENT / ARCHITECTURE
    pool.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=cache.root(), prefix="docker-") as work:
        docker_packages.repack(release, Path(work), pool)
    shutil.copy(_key_directory() / "public.asc", top / "gpg")
    _index(top, release)


def _index(top: Path, release: str) -> None:
    """Writes Packages, Release, InRelease and Release.gpg of the suite, as apt wants them."""
    suite = top / "dists" / release
    binary = suite / COMPONENT / f"binary-{ARCHITECTURE}"
    binary.mkdir(parents=True)
    packages = run("apt-ftparchive", "packages", f"dists/{release}/pool", cwd=top)
    (binary / "Packages").write_text(packages)
    (binary / "Packages.gz").write_bytes(gzip.compress(packages.encode(), mtime=0))
    fields = {
        "Origin": "Docker",
        "Label": "Docker CE",
        "Suite": release,
        "Codename": release,
        "Architectures": ARCHITECTURE,
        "Components": COMPONENT,
    }
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    text = run("apt-ftparchive", *options, "release", suite)  # written only now: else it would list itself
    (suite / "Release").write_text(text)
    _sign(suite)


def _sign(suite: Path) -> None:
    sign = ["gpg", "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]
    with _gpg_home() as home:
        run("gpg", "--batch", "--import", _key_directory() / "private.asc", env=home)
        run(*sign, "--clearsign", "--output", suite / "InRelease", suite / "Release", env=home)
        run(*sign, "--armor", "--detach-sign", "--output", suite / "Release.gpg", suite / "Release", env=home)
