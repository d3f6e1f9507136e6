"""Does the agent's memory stay flat while much is pulled? Streaming's image once more with a small layer, and with 5 GB of layers.

The layers are sparse files of zeros in a copy of the bed's registry, so that they need no room here; the machine downloads, verifies and
unpacks every byte of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from product import INSTALLED
from testbed import build
from testbed import layout as where
from testbed.build import cache

from .census import Census
from .measuring import Sample
from .world import World

PART = "pulling"
REPOSITORY = "mastodon/mastodon-streaming"
LIGHT, HEAVY = "1 MB in one layer", "5 GB in five layers"
#: Tag, and bytes of each layer.
TAGS = {LIGHT: ("light", [1_000_000]), HEAVY: ("heavy", [1_000_000_000] * 5)}
PIECE = 1 << 20


def registry() -> Path:
    """The bed's, and these tags."""
    below = build.registry()
    return cache.entry("bench-registry", cache.key(Path(__file__), below.name), lambda at: _fill(at, below))


def call(world: World, variant: str, run: int) -> Sample:
    """On an installed machine: the other image is pulled and streaming started from it, while the agent's memory is watched."""
    meter = world.settled()
    tag, _ = TAGS[variant]
    argv = [INSTALLED, "set", "images.streaming", f"ghcr.io/{REPOSITORY}:{tag}"]
    census = Census(world.machine)
    sample = meter.call(PART, variant, run, argv, env={"LINODE_TOKEN": where.TOKEN})
    return replace(sample, memory=census.end().memory)


def _fill(at: Path, below: Path) -> None:
    # Links: what lies in a registry's storage is never changed.
    shutil.copytree(below, at, copy_function=os.link, dirs_exist_ok=True)
    store = _Store(at / "docker/registry/v2")
    for tag, sizes in TAGS.values():
        manifest, config = store.manifest()
        for number, size in enumerate(sizes):
            digest, length = store.add(_layer(f"padding/{tag}-{number}", size))
            manifest["layers"].append({**manifest["layers"][-1], "digest": digest, "size": length})
            config["rootfs"]["diff_ids"].append(digest)
            config["history"].append({"created_by": f"{size} bytes of padding, for tests/bench"})
        digest, length = store.add([json.dumps(config).encode()])
        manifest["config"] |= {"digest": digest, "size": length}
        store.tag(tag, json.dumps(manifest).encode())


def _layer(name: str, size: int) -> Iterator[bytes]:
    """A tar archive with one file of zeros, in pieces."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    yield entry.tobuf(tarfile.USTAR_FORMAT)
    whole = -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE
    zeros = bytes(PIECE)
    while whole:
        yield zeros[: min(whole, PIECE)]
        whole -= min(whole, PIECE)


class _Store:
    """The directories of docker-registry's storage driver `filesystem`."""

    def __init__(self, root: Path) -> None:
        self.blobs = root / "blobs/sha256"
        self.repository = root / "repositories" / REPOSITORY

    def manifest(self) -> tuple[dict, dict]:
        """Of the image as it is, and its configuration."""
        current = next(self.repository.glob("_manifests/tags/v*/current/link")).read_text()
        manifest = json.loads(self._data(current).read_bytes())
        return manifest, json.loads(self._data(manifest["config"]["digest"]).read_bytes())

    def add(self, pieces: Iterator[bytes] | list[bytes]) -> tuple[str, int]:
        """A blob, zeros as holes: its digest and size."""
        hashed, size, new = hashlib.sha256(), 0, self.blobs.parent / "new"
        with new.open("wb") as file:
            for piece in pieces:
                hashed.update(piece)
                size += len(piece)
                if piece.strip(b"\0"):
                    file.write(piece)
                else:
                    file.seek(len(piece), os.SEEK_CUR)
            file.truncate(size)
        digest = f"sha256:{hashed.hexdigest()}"
        self._data(digest).parent.mkdir(parents=True, exist_ok=True)
        new.replace(self._data(digest))
        self._link(f"_layers/{digest.replace(':', '/')}", digest)
        return digest, size

    def tag(self, name: str, manifest: bytes) -> None:
        digest, _ = self.add([manifest])
        for path in (f"_manifests/revisions/{digest.replace(':', '/')}", f"_manifests/tags/{name}/current"):
            self._link(path, digest)
        self._link(f"_manifests/tags/{name}/index/{digest.replace(':', '/')}", digest)

    def _data(self, digest: str) -> Path:
        hexadecimal = digest.removeprefix("sha256:")
        return self.blobs / hexadecimal[:2] / hexadecimal / "data"

    def _link(self, path: str, digest: str) -> None:
        at = self.repository / path
        at.mkdir(parents=True, exist_ok=True)
        (at / "link").write_text(digest)
