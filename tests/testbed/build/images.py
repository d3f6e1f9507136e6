"""Container images from `tests/testbed/images/<name>/Dockerfile`, built by buildah without a daemon.

`FROM testbed-<other>` in a Dockerfile means the image of the folder `<other>`; `testbed-base` is a minimal Debian
trixie that trusts the bed's CA. The images lie in a storage of our own in the cache, named
`localhost/testbed-<name>:<key>`; `latest` is the one built last.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import cache
from .authority import ca
from .run import BuildError, run

FOLDER = Path(__file__).parent.parent / "images"
DEBIAN = "trixie"
BASE_PACKAGES = "ca-certificates"
DPKG_OPTIONS = [
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
]
"""Kept in the image, so packages installed by the other Dockerfiles obey them too."""

_FROM = re.compile(r"^FROM\s+testbed-([a-z0-9]+)\b", re.MULTILINE)


@dataclass(frozen=True)
class Image:
    """A built image: `ref` names it in our storage."""

    name: str
    key: str

    @property
    def ref(self) -> str:
        return f"localhost/testbed-{self.name}:{self.key}"


def names() -> list[str]:
    """The folders that have a Dockerfile."""
    return sorted(path.parent.name for path in FOLDER.glob("*/Dockerfile"))


def image(name: str) -> Image:
    """The image of the folder `name`, built if its recipe or one it stands on has changed."""
    folder = FOLDER / name
    dockerfile = folder / "Dockerfile"
    if not dockerfile.is_file():
        raise BuildError(f"no image folder has the name {name}; there are: {', '.join(names())}")
    below = {other: image(other) for other in _FROM.findall(dockerfile.read_text())}
    built = Image(name, _key(name, below))
    with cache.locked(f"image-{name}"):
        if _exists(built):
            cache.record(f"image {name}", cached=True, seconds=0)
        else:
            with cache.timed(f"image {name}"):
                _build(built, below)
    return built


def storage() -> list[str]:
    """The options by which buildah and podman find our storage."""
    where = cache.root() / "containers"
    state = Path("/run/tootstrap-build") / cache.key(str(where))
    driver = ["--storage-driver=overlay", "--storage-opt=overlay.skip_mount_home=true"]  # no mount outlives a build
    return ["--root", str(where), "--runroot", str(state), *driver]


def buildah(*argv: str | Path) -> str:
    """buildah on our storage."""
    return run("buildah", *storage(), *argv)


def podman(*argv: str | Path) -> list[str]:
    """The command line that runs a container from our storage.

    runc, because crun refuses a host with cgroups of both versions; low limits, because podman's defaults are higher
    than what root may set on a host without CAP_SYS_RESOURCE.
    """
    if argv and argv[0] == "run":
        argv = ("run", "--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096", *argv[1:])
    options = ["--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=none"]
    return ["podman", *storage(), *options, *(str(arg) for arg in argv)]


def _key(name: str, below: dict[str, Image]) -> str:
    made_from: list[object] = [inspect.getsource(_build), FOLDER / name, *(image.key for image in below.values())]
    if name == "base":
        made_from += [ca().id, inspect.getsource(_add_debian), DEBIAN, BASE_PACKAGES, *DPKG_OPTIONS]
    return cache.key(*made_from)


def _exists(image: Image) -> bool:
    """buildah says 1 for an image that is not there, 125 when it fails."""
    try:
        buildah("inspect", "--type=image", "--format={{.FromImageID}}", image.ref)
    except BuildError as error:
        if "image not known" in str(error) or "not found" in str(error):
            return False
        raise
    return True


def _build(image: Image, below: dict[str, Image]) -> None:
    with tempfile.TemporaryDirectory(dir=cache.root(), prefix="context-") as temporary:
        context = Path(temporary) / "context"
        shutil.copytree(FOLDER / image.name, context, ignore=shutil.ignore_patterns("__pycache__"))
        if image.name == "base":
            _add_debian(context)
        dockerfile = context / "Dockerfile"
        dockerfile.write_text(_FROM.sub(lambda found: f"FROM {below[found[1]].ref}", dockerfile.read_text()))
        build = ["build", "--isolation=chroot", "--format=docker", "--layers", "--pull-never"]
        buildah(*build, "--tag", image.ref, "--tag", f"localhost/testbed-{image.name}:latest", context)


def _add_debian(context: Path) -> None:
    """Puts a minimal Debian and the CA's certificate beside the base image's Dockerfile."""
    options = [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
    keep_options = f'--customize-hook=printf "%s\\n" {" ".join(map(repr, DPKG_OPTIONS))} >"$1/etc/dpkg/dpkg.cfg.d/image"'
    run("mmdebstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", *options, keep_options, DEBIAN,
        context / "debian.tar")
    shutil.copy(ca().crt, context / "ca.crt")
    os.chmod(context / "ca.crt", 0o644)
