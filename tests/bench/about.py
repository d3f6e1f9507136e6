"""What the figures depend on: the computer, and the versions of what takes part."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import time
from pathlib import Path

from testbed.machine import Machine

from . import tools

#: What each command of the installed machine says.
VERSIONS = {
    "Docker": "docker version --format '{{.Server.Version}}'",
    "containerd, runc": "containerd --version | cut -d' ' -f3; runc --version | head -n 1 | cut -d' ' -f3",
    "Docker Compose": "docker compose version --short",
    "PostgreSQL": "docker compose --project-directory /opt/mastodon exec -T db postgres --version",
    "Redis": "docker compose --project-directory /opt/mastodon exec -T redis redis-server --version | cut -d' ' -f3",
    "Caddy": "docker compose --project-directory /opt/mastodon exec -T caddy caddy version",
    "Python of the machine": "python3 --version",
    "systemd": "systemctl --version | head -n 1",
}


def computer(root: Path, binary: Path) -> dict[str, str]:
    """Of the host and the build."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    commit = subprocess.run(["git", "-C", str(root), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processors": f"{os.cpu_count()} × {model[1].strip() if model else 'unknown'}",
        "memory": f"{int(memory[1]) / (1 << 20):.1f} GB" if memory else "unknown",
        "kernel": platform.release(),
        "machine": "Debian 11 under systemd-nspawn in the pocket internet, 8 GB",
        "tootstrap": f"commit {commit}",
        "binary, SHA-256": hashlib.sha256(binary.read_bytes()).hexdigest(),
        **{tool.name: ", ".join(tool.wheels) for tool in tools.TOOLS if tool.wheels},
    }


def versions(machine: Machine) -> dict[str, str]:
    """Of an installed machine that is up."""
    return {name: ", ".join(machine.sh(command).split("\n")).strip(", ") for name, command in VERSIONS.items()}
