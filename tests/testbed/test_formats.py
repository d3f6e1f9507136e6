"""What the product writes for Compose, read by the Compose of the bed: a real one (tests/it/compose.rs has the values)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from testbed.build.docker_packages import COMPOSE_HOME
from testbed.build.docker_repository import docker_repository

ROOT = Path(__file__).parents[2]


def test_compose_reads_what_was_written(tmp_path: Path) -> None:
    package = next((docker_repository() / "linux/debian").rglob("docker-compose-plugin_*.deb"))
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path / "tree"], check=True)
    home = tmp_path / "tree" / COMPOSE_HOME
    compose = tmp_path / "docker-compose"
    compose.write_text(f'#!/bin/sh\nexec {home}/ld-linux-x86-64.so.2 --library-path {home} {home}/docker-compose "$@"\n')
    compose.chmod(0o755)
    test = ["cargo", "test", "--quiet", "--test", "it", "--", "--exact", "--ignored", "compose::compose_reads_what_was_written"]
    done = subprocess.run(test, cwd=ROOT, env=os.environ | {"TOOTSTRAP_COMPOSE": str(compose)}, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout, done.stdout
