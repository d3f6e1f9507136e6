"""What the test bed is made of, built once and cached: CA, root file systems, apt repository, container images."""

from .authority import CA, Leaf, ca
from .debian_root import ROOT_PASSWORD, rootfs
from .docker_repository import docker_key, docker_repository
from .images import Image, image
from .registry_storage import registry

__all__ = [
    "CA", "Image", "Leaf", "ROOT_PASSWORD",
    "ca", "docker_key", "docker_repository", "everything", "image", "registry", "rootfs",
]


def everything(release: str = "bullseye") -> None:
    """Builds all that one bed with a machine of that Debian release needs."""
    ca()
    rootfs(release)
    docker_repository(release)
    registry()
