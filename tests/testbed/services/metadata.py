"""A double of Linode's metadata service (linode.md §4), with the token flow enforced.

Reachable from the machine's network only. Not covered: tags, backups and GPU
details beyond empty values.
"""

import base64
import http.server
import ipaddress
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import addresses
from .listen import FreeBind

log = logging.getLogger("metadata")

VARIANTS = ("public", "private", "vpc", "no_ipv6", "absent", "silent")
TTL_MIN, TTL_MAX = 1, 86400
PRIVATE_V4 = "192.168.133.7"
VPC_V4 = "10.0.0.2"
MACHINE_SUBNETS = tuple(ipaddress.ip_network(network) for network in addresses.MACHINE_NETWORKS)


@dataclass(frozen=True)
class Instance:
    """The machine as the service describes it.

    `variant`: `public` (one public IPv4 and SLAAC), `private` (a private IPv4 only),
    `vpc` (a VPC interface, no public address), `no_ipv6`, `absent` (connections
    are refused at once by closing), `silent` (nothing is ever answered).
    `memory` in MB. `user_data` is plain text, sent in base64.
    """

    variant: str = "public"
    id: int = 60000001
    label: str = "tootstrap-test"
    region: str = "us-ord"
    type: str = "g6-standard-1"
    image: str = "linode/debian11"
    vcpus: int = 1
    memory: int = 2048
    disk: int = 51200
    ssh_keys: tuple[str, ...] = ()
    user_data: str = ""

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"metadata variant {self.variant!r}: one of {VARIANTS}")

    def instance(self) -> dict[str, Any]:
        """GET /v1/instance."""
        return {
            "id": self.id,
            "label": self.label,
            "region": self.region,
            "type": self.type,
            "host_uuid": "3a3ddd59d9a78bb8de041391075df44de62bfec8",
            "tags": [],
            "specs": {
                "vcpus": self.vcpus, "memory": self.memory, "gpus": 0, "transfer": 2000, "disk": self.disk,
            },
            "backups": {"enabled": False, "status": None},
            "image": {"id": self.image, "label": "Debian 11"},
            "account_euuid": "A1BC2DEF-34GH-567I-J890KLMN12O34P56",
        }  # fmt: skip

    def network(self) -> dict[str, Any]:
        """GET /v1/network; every address carries a prefix."""
        public = [f"{addresses.MACHINE_V4}/32"] if self.variant in ("public", "no_ipv6") else []
        private = [f"{PRIVATE_V4}/17"] if self.variant == "private" else []
        interfaces = []
        if self.variant == "vpc":
            interfaces = [{"id": 1, "purpose": "vpc", "label": "eth0", "ipam_address": f"{VPC_V4}/24"}]
        has_v6 = self.variant == "public"
        return {
            "interfaces": interfaces,
            "ipv4": {"public": public, "private": private, "shared": []},
            "ipv6": {
                "slaac": f"{addresses.MACHINE_V6}/128" if has_v6 else "",
                "link_local": "fe80::f03c:93ff:fe00:1/128" if has_v6 else "",
                "ranges": [],
                "shared_ranges": [],
            },
        }


class Metadata:
    """The service at both of its addresses."""

    def __init__(self) -> None:
        self.instance = Instance()
        self._tokens: dict[str, float] = {}
        self._lock = threading.Lock()
        self._servers = [_Server((at, 80), self) for at in (addresses.METADATA_V4, addresses.METADATA_V6)]

    def start(self) -> None:
        """Begins to answer."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, name="metadata", daemon=True).start()

    def reset(self) -> None:
        """The default instance."""
        self.instance = Instance()

    def issue(self, seconds: int) -> str:
        """A new token that lives so long."""
        token = secrets.token_hex(32)
        with self._lock:
            self._tokens[token] = time.monotonic() + seconds
        return token

    def is_valid(self, token: str | None) -> bool:
        """Was this token issued and is it not expired?"""
        with self._lock:
            return token is not None and self._tokens.get(token, 0.0) > time.monotonic()

    def pages(self) -> dict[str, Callable[[], Any]]:
        """What each path answers, as a JSON value."""
        data = self.instance
        return {
            "/v1/instance": data.instance,
            "/v1/network": data.network,
            "/v1/ssh-keys": lambda: {"users": {"root": list(data.ssh_keys)}},
            "/v1/user-data": lambda: base64.b64encode(data.user_data.encode()).decode(),
        }


class _Server(FreeBind, http.server.ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], service: Metadata) -> None:
        self.service = service
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        FreeBind.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), 80

    def verify_request(self, request, client_address) -> bool:
        """Closed for others than the machine, and for everyone if there is no such service."""
        source = ipaddress.ip_address(client_address[0])
        from_machine = any(source in network for network in MACHINE_SUBNETS)
        return from_machine and self.service.instance.variant != "absent"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_PUT(self) -> None:
        """PUT /v1/token."""
        if self._is_silent():
            return
        seconds = self.headers.get("Metadata-Token-Expiry-Seconds", "")
        if self.path != "/v1/token":
            self._answer(404, "not found")
        elif not seconds.isdigit() or not TTL_MIN <= int(seconds) <= TTL_MAX:
            self._answer(400, f"Metadata-Token-Expiry-Seconds must be {TTL_MIN}-{TTL_MAX}")
        else:
            token = self.server.service.issue(int(seconds))
            self._answer(200, [token] if self._wants_json() else token)

    def do_GET(self) -> None:
        """The four pages; only with a valid token."""
        if self._is_silent():
            return
        pages = self.server.service.pages()
        if not self.server.service.is_valid(self.headers.get("Metadata-Token")):
            self._answer(401, "missing or invalid Metadata-Token")
        elif self.path not in pages:
            self._answer(404, "not found")
        else:
            self._answer(200, pages[self.path]())

    def _is_silent(self) -> bool:
        if self.server.service.instance.variant != "silent":
            return False
        self.close_connection = True
        while self.connection.recv(4096):
            pass
        return True

    def _wants_json(self) -> bool:
        return "application/json" in self.headers.get("Accept", "")

    def _answer(self, status: int, value: Any) -> None:
        as_json = self._wants_json() and not (self.path == "/v1/user-data" and status == 200)
        text = json.dumps(value) if as_json else _lines(value)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if as_json else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        log.info("%s %s", self.client_address[0], format % args)


def _lines(value: Any, prefix: str = "") -> str:
    """`key: value` lines; nested keys are joined with dots."""
    if not isinstance(value, dict):
        return str(value)
    lines: list[str] = []
    for key, inner in value.items():
        name = f"{prefix}{key}"
        if isinstance(inner, dict):
            lines.append(_lines(inner, f"{name}."))
        elif isinstance(inner, list):
            lines += [f"{name}: {item}" for item in inner] or [f"{name}:"]
        else:
            lines.append(f"{name}: {inner}")
    return "\n".join(line for line in lines if line)
