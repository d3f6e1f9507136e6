"""The storage of the bed's container registry, with every image under the names that the official ones have."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import cache, images, official
from .run import BuildError

REPOSITORIES: dict[str, tuple[str, list[str]]] = {
    "mastodon": ("mastodon/mastodon", ["v4.7.4"]),
    "streaming": ("mastodon/mastodon-streaming", ["v4.7.4"]),
    "postgres": ("library/postgres", ["17-alpine"]),
    "redis": ("library/redis", ["7-alpine"]),
    "caddy": ("library/caddy", ["2", "2-alpine", "2.10", "2.10-alpine", "2.11", "2.11-alpine"]),
}
"""Image folder → repository and tags. One registry answers for ghcr.io and Docker Hub."""

CONFIG = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {storage}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def registry() -> Path:
    """The `rootdirectory` of a docker-registry with filesystem storage; nothing but the registry may write to it."""
    source = official.image if official.wanted() else images.image
    built = {name: source(name) for name in REPOSITORIES}
    key = cache.key(Path(__file__), *(image.key for image in built.values()))
    return cache.entry("registry", key, lambda at: _fill(at, built))


def _fill(storage: Path, built: dict[str, images.Image]) -> None:
    with _registry_on(storage) as address:
        for name, image in built.items():
            repository, tags = REPOSITORIES[name]
            for tag in tags:
                target = f"docker://{address}/{repository}:{tag}"
                images.buildah("push", "--quiet", "--tls-verify=false", "--format=v2s2", image.ref, target)
        _verify(address, list(built))


@contextmanager
def _registry_on(storage: Path) -> Iterator[str]:
    """A registry process for as long as the block runs; gives its address."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="registry-") as work:
        config, log = Path(work) / "config.yml", Path(work) / "log"
        config.write_text(CONFIG.format(storage=storage, port=port))
        with log.open("wb") as output:
            process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=output, stderr=output)
        try:
            _wait_for(f"http://127.0.0.1:{port}/v2/", process, log)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise BuildError(f"docker-registry does not answer at {url}:\n{log.read_text()}")


def _verify(address: str, names: list[str]) -> None:
    """Every tag answers with a manifest whose blobs are all there."""
    for name in names:
        repository, tags = REPOSITORIES[name]
        for tag in tags:
            manifest = json.loads(_get(address, f"{repository}/manifests/{tag}"))
            for blob in [manifest["config"], *manifest["layers"]]:
                _get(address, f"{repository}/blobs/{blob['digest']}", method="HEAD")


def _get(address: str, path: str, method: str = "GET") -> bytes:
    accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
    request = urllib.request.Request(f"http://{address}/v2/{path}", headers=accept, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())
