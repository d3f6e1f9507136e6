"""What the test bed is made of, built once and cached: CA, root file systems, apt repository, container images."""

from .authority import CA, Leaf, ca
from .debian_root import ROOT_PASSWORD, rootfs
from .images import Image, image

__all__ = ["CA", "Image", "Leaf", "ROOT_PASSWORD", "ca", "everything", "image", "rootfs"]


def everything() -> None:
    ca()
    rootfs()
