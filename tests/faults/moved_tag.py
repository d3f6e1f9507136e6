"""A tag of the bed's registry that means another image now: the same layers under a configuration that says otherwise.

The registry's storage is shared by all beds and never written to, so the front answers for it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from testbed.bed import Bed
from testbed.machine import Machine
from testbed.services.front.faults import HostFault

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"


@dataclass(frozen=True)
class Moved:
    """Digests of the manifests: what the tag meant, and what it means now."""

    before: str
    now: str


def digest(machine: Machine, host: str, repository: str, tag: str) -> str:
    """What a tag means at the registry, as the machine is told."""
    head = _curl(machine, "--head", f"https://{host}/v2/{repository}/manifests/{tag}", MANIFEST)
    found = [line.split(":", 1)[1].strip() for line in head.splitlines() if line.lower().startswith("docker-content-digest:")]
    assert len(found) == 1, head
    return found[0]


def move(bed: Bed, host: str, repository: str, tag: str) -> Moved:
    """From now on the tag means the other image, until the front's faults are cleared."""
    url = f"https://{host}/v2/{repository}"
    before = digest(bed.machine, host, repository, tag)
    manifest = json.loads(_curl(bed.machine, f"{url}/manifests/{tag}", MANIFEST))
    config = json.loads(_curl(bed.machine, f"{url}/blobs/{manifest['config']['digest']}", CONFIG))
    config["config"].setdefault("Labels", {})["org.example.moved"] = "yes"
    other = json.dumps(config)
    manifest["config"] |= {"digest": _digest(other), "size": len(other)}
    told = json.dumps(manifest)
    answers = ((rf"/{repository}/manifests/({tag}|{_digest(told)})$", told, MANIFEST), (rf"/{repository}/blobs/{_digest(other)}$", other, CONFIG))
    for path, body, kind in answers:
        headers = {"Content-Type": kind, "Docker-Content-Digest": _digest(body), "Docker-Distribution-Api-Version": "registry/2.0"}
        bed.services.control.add_host_fault(HostFault(host=host, path=path, status=200, headers=headers, body=body))
    return Moved(before, _digest(told))


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _curl(machine: Machine, *arguments: str) -> str:
    *options, kind = arguments
    url = options[-1]
    return machine.run(["curl", "-sS", "--fail", "-L", "-H", f"Accept: {kind}", *options[:-1], *_token(machine, url), url]).stdout.decode()


def _token(machine: Machine, url: str) -> list[str]:
    """Docker Hub gives everybody a token to read with."""
    host, _, path = url.removeprefix("https://").partition("/v2/")
    repository = path.partition("/manifests/")[0].partition("/blobs/")[0]
    challenge = machine.run(["curl", "-sSI", url]).stdout.decode()
    realm = next((line for line in challenge.splitlines() if line.lower().startswith("www-authenticate:")), None)
    if realm is None:
        return []
    given = dict(part.split("=", 1) for part in realm.split(" ", 2)[2].replace('"', "").split(","))
    ask = f"{given['realm']}?service={given.get('service', host)}&scope=repository:{repository}:pull"
    return ["-H", f"Authorization: Bearer {json.loads(machine.run(['curl', '-sS', '--fail', ask]).stdout)['token']}"]
