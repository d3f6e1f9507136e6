"""A docker-registry storage with one small image, written without a registry.

Layout: docker.com/registry "filesystem driver", registry/storage/paths.go.
"""

import hashlib
import json
import random
from pathlib import Path

LAYER_SIZE = 3_000_000
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def layer() -> bytes:
    """The image's only layer: always the same bytes (no real archive)."""
    return random.Random(1).randbytes(LAYER_SIZE)


def make_registry(root: Path, names: list[str], tag: str) -> None:
    """The same image under each of the names."""
    blobs = root / "docker/registry/v2/blobs"
    config = json.dumps({"architecture": "amd64", "os": "linux"}).encode()
    parts = {CONFIG_TYPE: config, LAYER_TYPE: layer()}
    described = {kind: {"mediaType": kind, "size": len(data), "digest": digest(data)} for kind, data in parts.items()}
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": described[CONFIG_TYPE],
            "layers": [described[LAYER_TYPE]],
        }
    ).encode()
    for data in (*parts.values(), manifest):
        value = digest(data).removeprefix("sha256:")
        _write(blobs / "sha256" / value[:2] / value / "data", data)
    for name in names:
        repository = root / "docker/registry/v2/repositories" / name
        for data in parts.values():
            _link(repository / "_layers", data)
        _link(repository / "_manifests/revisions", manifest)
        _link(repository / "_manifests/tags" / tag / "index", manifest)
        _write(repository / "_manifests/tags" / tag / "current/link", digest(manifest).encode())


def digest(data: bytes) -> str:
    """The content's address."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _link(at: Path, data: bytes) -> None:
    _write(at / "sha256" / digest(data).removeprefix("sha256:") / "link", digest(data).encode())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
