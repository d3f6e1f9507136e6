"""The official images in place of the doubles: `TESTBED_IMAGES=official`, where ghcr.io and Docker Hub can be reached.

**Never run as a whole**: the machines this was written on reach no registry, so nothing that the project says rests on it. What needs no registry is
tested. Caddy's image is the only one that is changed: it gets the bed's CA, because Caddy checks whom it asks for certificates.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import cache
from .authority import ca
from .images import Image, buildah

#: Image folder → where the official image is.
SOURCES = {
    "mastodon": "ghcr.io/mastodon/mastodon:v4.7.4",
    "streaming": "ghcr.io/mastodon/mastodon-streaming:v4.7.4",
    "postgres": "docker.io/library/postgres:17-alpine",
    "redis": "docker.io/library/redis:7-alpine",
    "caddy": "docker.io/library/caddy:2-alpine",
}
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def wanted() -> bool:
    return os.environ.get("TESTBED_IMAGES") == "official"


def image(name: str) -> Image:
    """Pulled each time it is asked for: a tag may have moved. Its key is the digest of what came."""
    source = SOURCES[name]
    buildah("pull", "--quiet", f"docker://{source}")
    return adopted(name, source)


def adopted(name: str, source: str) -> Image:
    """The image `source` of our storage under the name that the registry's builder expects; Caddy's with the bed's CA."""
    digest = buildah("inspect", "--type=image", "--format={{.FromImageDigest}}", source).strip()
    made = Image(f"official-{name}", cache.key(Path(__file__), digest, ca().id))
    if name == "caddy":
        trusting(source, made.ref)
    else:
        buildah("tag", source, made.ref)
    return made


def trusting(source: str, target: str) -> None:
    """Makes `target`: `source` that also trusts the bed's CA."""
    container = buildah("from", "--pull-never", source).strip()
    try:
        bundle = Path(buildah("mount", container).strip()) / BUNDLE
        with bundle.open("a") as file:
            file.write("\n" + ca().crt.read_text())
        buildah("umount", container)
        buildah("commit", "--quiet", "--format=docker", container, target)
    finally:
        buildah("rm", container)
