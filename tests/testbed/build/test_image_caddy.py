"""The contract of the official Caddy image (https://hub.docker.com/_/caddy), asked of our double."""

from __future__ import annotations

import json
from pathlib import Path

from .containers import HARDENED, Container, container, eventually, run_once

SITE = """\
{
	admin unix//run/admin/caddy.sock
}
https://site.example {
	tls internal
	respond "ANSWER"
}
"""


def fetch(server: Container, url: str) -> str:
    return server.exec("wget", "-q", "-O", "-", url).stdout.strip()


def test_file_capability_must_be_in_the_bounding_set() -> None:
    """The official binary has cap_net_bind_service=ep: without that capability it cannot even be started."""
    refused = run_once("caddy", "--network=none", "--cap-drop=all", command=("caddy", "version"))
    assert refused.returncode != 0
    assert "operation not permitted" in refused.stdout.lower()
    allowed = run_once("caddy", *HARDENED, "--cap-add=NET_BIND_SERVICE", command=("caddy", "version"))
    assert allowed.returncode == 0
    assert allowed.stdout.startswith(("2.", "v2."))


def test_serves_its_welcome_page_as_root() -> None:
    with container("caddy", "--network=none") as server:
        eventually(lambda: "Caddy works!" in fetch(server, "http://127.0.0.1/"))
        assert "Uid:\t0\t0\t0\t0\n" in server.output("cat", "/proc/1/status")
        assert server.stop() < 5


def test_directories_for_any_user() -> None:
    look = ("stat", "-c", "%a %n", "/config/caddy", "/data/caddy")
    assert run_once("caddy", "--network=none", command=look).stdout.split("\n")[:2] == [
        "1777 /config/caddy", "1777 /data/caddy",
    ]


def test_mounted_configuration_data_and_forced_reload(tmp_path: Path) -> None:
    etc, data = tmp_path / "etc", tmp_path / "data"
    etc.mkdir()
    data.mkdir()
    (etc / "Caddyfile").write_text(SITE.replace("ANSWER", "first"))
    options = [*HARDENED, "--cap-add=NET_BIND_SERVICE", f"--volume={etc}:/etc/caddy:ro", f"--volume={data}:/data",
               "--tmpfs=/config", "--tmpfs=/run/admin"]
    with container("caddy", *options, command=()) as server:
        eventually(lambda: get_site(server) == "first")
        assert list(data.glob("caddy/pki/authorities/local/root.crt")), "certificates are kept under XDG_DATA_HOME"
        (etc / "Caddyfile").write_text(SITE.replace("ANSWER", "second"))
        server.output("caddy", "reload", "--force", "--config", "/etc/caddy/Caddyfile",
                      "--address", "unix//run/admin/caddy.sock")
        eventually(lambda: get_site(server) == "second")
        running = server.output("curl", "-s", "-HHost;", "--unix-socket", "/run/admin/caddy.sock", "http://127.0.0.1/config/")
        assert "second" in json.dumps(json.loads(running))


def get_site(server: Container) -> str:
    resolve = "site.example:443:127.0.0.1"
    return server.exec("curl", "-sk", "--resolve", resolve, "https://site.example/").stdout.strip()
