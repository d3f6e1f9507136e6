"""Debian's docker.io, containerd, runc and docker-compose, repacked under the names that Docker's packages have."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .apt_download import AptRoot
from .run import run

DEBIAN_NUMBER = {"bullseye": 11, "bookworm": 12, "trixie": 13}

VERSIONS = {
    "docker-ce": "5:28.5.1-1",
    "docker-ce-cli": "5:28.5.1-1",
    "containerd.io": "1.7.28-1",
    "docker-buildx-plugin": "0.29.1-1",
    "docker-compose-plugin": "2.40.0-1",
}
"""What Docker's packages say; `docker --version` and `docker compose version` tell the truth."""

COMPOSE_RELEASE = "trixie"
COMPOSE_LIBRARIES = ["ld-linux-x86-64.so.2", "libc.so.6", "libresolv.so.2", "libpthread.so.0", "libdl.so.2", "libnss_*"]
PLUGINS = Path("usr/libexec/docker/cli-plugins")
COMPOSE_HOME = Path("usr/libexec/docker/compose")
COMPOSE_SCRIPT = f"""#!/bin/sh
d=/{COMPOSE_HOME}
exec $d/ld-linux-x86-64.so.2 --library-path $d $d/docker-compose "$@"
"""

DOUBLE = "The test bed's double of Docker's package, repacked from Debian's"


def repack(release: str, work: Path, pool: Path) -> None:
    """Writes the five packages into `pool`; `work` is an empty directory that may be left full."""
    apt = AptRoot(release, work / "apt")
    engine = apt.unpack("docker.io", work)
    cli = apt.unpack("docker-cli", work) if apt.has("docker-cli") else engine
    client = _docker_ce_cli(cli, work / "docker-ce-cli")
    runtime = _containerd_io(apt, work)
    compose, version = _compose(work)
    packages: dict[str, tuple[Path, list[str]]] = {
        "docker-ce": (_docker_ce(engine), _docker_ce_fields(engine)),
        "docker-ce-cli": (client, ["Depends: libc6", "Conflicts: docker.io, docker-cli", "Replaces: docker.io, docker-cli"]),
        "containerd.io": (runtime, ["Depends: libc6, libseccomp2", "Provides: containerd, runc",
                                    "Conflicts: containerd, runc", "Replaces: containerd, runc"]),
        "docker-buildx-plugin": (_empty(work / "docker-buildx-plugin"), []),
        "docker-compose-plugin": (compose, [f"X-Testbed-Compose: {version}"]),
    }
    for name, (tree, fields) in packages.items():
        _pack(name, release, tree, fields, pool)


def _docker_ce_fields(engine: Path) -> list[str]:
    """Debian's dependencies, with Docker's names for what Docker names otherwise."""
    renamed = {"containerd", "runc", "docker-cli"}
    kept = [item for item in field(engine, "Depends").split(", ") if item.split()[0] not in renamed]
    depends = ", ".join(["containerd.io", "docker-ce-cli", *kept])
    pre = field(engine, "Pre-Depends")
    return [f"Pre-Depends: {pre}", f"Depends: {depends}", "Recommends: ca-certificates, git, xz-utils",
            "Conflicts: docker.io", "Replaces: docker.io"]


def _docker_ce(engine: Path) -> Path:
    (engine / "usr/bin/docker").unlink(missing_ok=True)
    return engine


def _docker_ce_cli(cli: Path, tree: Path) -> Path:
    target = _empty(tree) / "usr/bin/docker"
    target.parent.mkdir(parents=True)
    shutil.copy2(cli / "usr/bin/docker", target)
    return tree


def _containerd_io(apt: AptRoot, work: Path) -> Path:
    """containerd with its maintainer scripts, and runc's files."""
    tree, runc = apt.unpack("containerd", work), apt.unpack("runc", work)
    shutil.rmtree(runc / "DEBIAN")
    shutil.copytree(runc, tree, dirs_exist_ok=True, symlinks=True)
    return tree


def _compose(work: Path) -> tuple[Path, str]:
    """The plugin's tree, and the version of Compose in it."""
    apt = AptRoot(COMPOSE_RELEASE, work / "apt-compose")
    source, libc = apt.unpack("docker-compose", work), apt.unpack("libc6", work)
    tree = _empty(work / "docker-compose-plugin")
    home, plugin = tree / COMPOSE_HOME, tree / PLUGINS / "docker-compose"
    home.mkdir(parents=True)
    plugin.parent.mkdir(parents=True)
    shutil.copy2(source / PLUGINS / "docker-compose", home)
    for pattern in COMPOSE_LIBRARIES:
        for library in (libc / "usr/lib/x86_64-linux-gnu").glob(pattern):
            shutil.copy2(library, home)
    plugin.write_text(COMPOSE_SCRIPT)
    plugin.chmod(0o755)
    return tree, field(source, "Version")


def _pack(name: str, release: str, tree: Path, fields: list[str], pool: Path) -> None:
    """gzip at level 1: bullseye's dpkg cannot read zstd, and nobody keeps these files."""
    for useless in ("usr/share/doc", "usr/share/man", "usr/share/lintian"):
        shutil.rmtree(tree / useless, ignore_errors=True)
    (tree / "DEBIAN/md5sums").unlink(missing_ok=True)
    version = f"{VERSIONS[name]}~debian.{DEBIAN_NUMBER[release]}~{release}"
    control = [f"Package: {name}", f"Version: {version}", "Architecture: amd64", "Section: admin", "Priority: optional",
               "Maintainer: Test bed <testbed@tootstrap.example>", *fields, f"Description: {DOUBLE}"]
    (tree / "DEBIAN/control").write_text("\n".join(control) + "\n")
    file = f"{name}_{version.split(':')[-1]}_amd64.deb"
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, pool / file)


def _empty(tree: Path) -> Path:
    (tree / "DEBIAN").mkdir(parents=True)
    return tree


def field(tree: Path, name: str) -> str:
    """A one-line field of an unpacked package's control file."""
    found = re.search(rf"^{name}: (.*)$", (tree / "DEBIAN/control").read_text(), re.MULTILINE)
    if not found:
        raise KeyError(f"{tree.name} has no field {name}")
    return found[1]
