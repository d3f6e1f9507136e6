"""The contract of the official Redis image (https://hub.docker.com/_/redis), asked of our double."""

from __future__ import annotations

import os
from pathlib import Path

from .containers import HARDENED, Container, container, eventually, run_once


def answers(server: Container, *command: str) -> str:
    return server.exec("redis-cli", "--no-auth-warning", *command).stdout.strip()


def up(server: Container) -> None:
    eventually(lambda: answers(server, "PING") in ("PONG", "NOAUTH Authentication required."))


def test_drops_root_and_takes_its_directory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with container("redis", "--network=none", f"--volume={data}:/data", command=("--appendonly", "yes")) as server:
        up(server)
        assert "Uid:\t999\t999\t999\t999\nGid:\t1000\t1000\t1000\t1000\n" in server.output("cat", "/proc/1/status")
    assert data.stat().st_uid == 999
    kept = next((data / "appendonlydir").iterdir())
    assert kept.stat().st_uid == 999
    assert kept.stat().st_mode & 0o077 == 0, "the entrypoint sets umask 077"


def test_protected_mode_is_off_unless_asked_for(tmp_path: Path) -> None:
    with container("redis", "--network=none") as server:
        up(server)
        assert answers(server, "CONFIG", "GET", "protected-mode") == "protected-mode\nno"
    config = tmp_path / "redis.conf"
    config.write_text("protected-mode yes\n")
    config.chmod(0o644)
    options = ["--network=none", f"--volume={config}:/etc/redis.conf:ro"]
    with container("redis", *options, command=("redis-server", "/etc/redis.conf")) as server:
        up(server)
        assert answers(server, "CONFIG", "GET", "protected-mode") == "protected-mode\nyes"


def test_runs_hardened_with_a_configuration_file_of_its_user(tmp_path: Path) -> None:
    """As the product runs it: no capability, read-only root, the password in a 0600 file."""
    data, config = tmp_path / "data", tmp_path / "redis.conf"
    data.mkdir()
    config.write_text("requirepass hidden\nappendonly yes\nmaxmemory-policy noeviction\n")
    config.chmod(0o600)
    for path in (data, config):
        os.chown(path, 999, 1000)
    options = [*HARDENED, "--user=999:1000", f"--volume={data}:/data", f"--volume={config}:/etc/redis.conf:ro"]
    with container("redis", *options, command=("/etc/redis.conf",)) as server:
        up(server)
        assert answers(server, "PING") == "NOAUTH Authentication required."
        assert answers(server, "-a", "hidden", "PING") == "PONG"
        assert answers(server, "-a", "hidden", "CONFIG", "GET", "maxmemory-policy").endswith("noeviction")


def test_keeps_data_over_a_stop(tmp_path: Path) -> None:
    options = ["--network=none", f"--volume={tmp_path}:/data"]
    with container("redis", *options) as server:
        up(server)
        assert answers(server, "SET", "k", "v") == "OK"
        assert server.stop() < 5
    assert (tmp_path / "dump.rdb").is_file(), "the default save points stay in force"
    with container("redis", *options) as server:
        up(server)
        assert answers(server, "GET", "k") == "v"


def test_other_commands_run_as_they_are() -> None:
    shown = run_once("redis", "--network=none", command=("id", "-u"))
    assert (shown.returncode, shown.stdout.strip()) == (0, "0")
    assert run_once("redis", "--network=none", command=("redis-server", "--version")).stdout.startswith("Redis server v=")
