"""Downloading packages of another Debian release with apt's own checks, without installing that release."""

from __future__ import annotations

from pathlib import Path

from .run import run


class AptRoot:
    """The package lists of a Debian release in a directory of their own."""

    def __init__(self, release: str, directory: Path) -> None:
        """Fetches the lists; mmdebstrap knows the release's default mirror, suites and keys."""
        run("mmdebstrap", "--format=directory", "--variant=custom", "--skip=cleanup/apt/lists", release, directory)
        status = directory / "var/lib/dpkg/status"
        self._options = [f"-oDir={directory}", f"-oDir::State::status={status}", "-oAPT::Sandbox::User=root"]

    def has(self, package: str) -> bool:
        """Whether the release has a package of that name."""
        return package in run("apt-cache", *self._options, "pkgnames", package).splitlines()

    def unpack(self, package: str, into: Path) -> Path:
        """Downloads the newest version and unpacks it into `into/<package>`, control files in DEBIAN."""
        archives = into / f"{package}.archive"
        archives.mkdir(parents=True)
        run("apt-get", *self._options, "download", package, cwd=archives)
        (archive,) = archives.glob("*.deb")
        run("dpkg-deb", "--raw-extract", archive, into / package)
        return into / package
