"""What the test bed is made of, built once and cached: CA, root file systems, apt repository, container images."""

from .authority import CA, Leaf, ca
from .images import Image, image

__all__ = ["CA", "Image", "Leaf", "ca", "everything", "image"]


def everything() -> None:
    ca()
