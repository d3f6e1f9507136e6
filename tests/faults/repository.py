"""A small signed repository of Debian packages, made for a test."""

from __future__ import annotations

import gzip
import os
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

SIGNER = "Small repository (tootstrap test bed)"
UNATTENDED = ["gpg", "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]


def _run(*argv: str | Path, cwd: Path | None = None, home: Path | None = None) -> bytes:
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **({"GNUPGHOME": str(home)} if home else {})}
    return subprocess.run([str(word) for word in argv], cwd=cwd, env=environment, check=True, capture_output=True).stdout


def package(at: Path, name: str, version: str, files: dict[str, str], **scripts: str) -> Path:
    """A .deb in `at`; files below /etc are conffiles; `scripts`: postinst and the like."""
    with tempfile.TemporaryDirectory(prefix="package-") as work:
        tree = Path(work)
        control = tree / "DEBIAN"
        control.mkdir(mode=0o755)
        (control / "control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Test bed <bed@example.org>\nDescription: made for a test\n"
        )
        for path, text in files.items():
            target = tree / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        conffiles = [path for path in files if path.startswith("/etc/")]
        (control / "conffiles").write_text("".join(f"{path}\n" for path in conffiles))
        for script, text in scripts.items():
            (control / script).write_text(text)
            (control / script).chmod(0o755)
        made = at / f"{name}_{version}_all.deb"
        # bullseye's dpkg cannot read zstd.
        _run("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", tree, made)
    return made


def suite(at: Path, codename: str, valid_until: datetime | None = None) -> bytes:
    """Writes `at`/InRelease and the index of an empty component `main`, signed with a new key, whose public half is returned (armored)."""
    binary = at / "main" / "binary-amd64"
    binary.mkdir(parents=True)
    (binary / "Packages").write_text("")
    (binary / "Packages.gz").write_bytes(gzip.compress(b"", mtime=0))
    fields = {"Origin": "Debian", "Label": "Debian-Security", "Suite": "oldoldstable-security", "Codename": codename, "Architectures": "amd64", "Components": "main"}
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    text = _run("apt-ftparchive", *options, "release", at).decode()
    if valid_until is not None:
        made = valid_until - timedelta(days=8)
        lines = [line for line in text.splitlines() if not line.startswith("Date:")]
        text = "\n".join([f"Date: {_date(made)}", f"Valid-Until: {_date(valid_until)}", *lines]) + "\n"
    (at / "Release").write_text(text)
    return _signed(at)


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")


def _signed(at: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="gpg-") as work:
        home = Path(work)
        home.chmod(0o700)
        try:
            _run(*UNATTENDED, "--quick-gen-key", SIGNER, "rsa2048", "sign", "never", home=home)
            _run(*UNATTENDED, "--clearsign", "--output", at / "InRelease", at / "Release", home=home)
            return _run("gpg", "--batch", "--armor", "--export", home=home)
        finally:
            _run("gpgconf", "--kill", "all", home=home)
