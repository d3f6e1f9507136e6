"""What the test bed is made of, built once and cached: CA, root file systems, apt repository, container images."""

from concurrent.futures import ThreadPoolExecutor

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
    """Builds all that one bed with a machine of that Debian release needs, two things at a time."""
    ca()
    with ThreadPoolExecutor(2) as pool:
        for built in [pool.submit(rootfs, release), pool.submit(registry), pool.submit(docker_repository, release)]:
            built.result()
