"""The real servers behind the front: Pebble and docker-registry, from Debian."""

import json
import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from . import addresses

log = logging.getLogger("processes")

REGISTRY_PORT = 5000
PEBBLE_PORT, PEBBLE_MANAGEMENT_PORT = 14000, 15000
START_SECONDS = 15.0
STOP_SECONDS = 5.0

#: testbed.md §6: no random sleeps, no rejected nonces, no reused authorizations.
PEBBLE_ENVIRONMENT = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}


class Process:
    """A child with its output in a file; it must stay until `stop`, and ends with its parent."""

    def __init__(self, name: str, argv: list[str], log_file: Path, environment: Mapping[str, str]) -> None:
        if shutil.which(argv[0]) is None:
            raise FileNotFoundError(f"{argv[0]} is not installed: it is a Debian package of tests/testbed/packages.txt")
        self.name = name
        with log_file.open("ab") as output:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **environment},
            )
        self._log_file = log_file

    def wait_for_port(self, port: int) -> None:
        """Returns when the port on rtr's loopback accepts; raises if the child ends first."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError(f"{self.name} does not answer on port {port}; see {self._log_file}")

    def check(self) -> None:
        """Raises if the child has ended."""
        if self._child.poll() is not None:
            tail = self._log_file.read_text(errors="replace")[-800:]
            raise ChildProcessError(f"{self.name} ended with {self._child.returncode}:\n{tail}")

    def stop(self) -> None:
        """Ends the child; by force if it does not go."""
        self._child.terminate()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("%s ignored SIGTERM", self.name)
            self._child.kill()
            self._child.wait()


def registry(storage: Path, run_dir: Path) -> Process:
    """docker-registry over a storage that it must not change."""
    config = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "cache": {"blobdescriptor": "inmemory"},
            "maintenance": {"readonly": {"enabled": True}, "uploadpurging": {"enabled": False}},
        },
        "http": {"addr": f"127.0.0.1:{REGISTRY_PORT}"},
    }
    path = run_dir / "registry.yml"
    path.write_text(json.dumps(config, indent=1))  # JSON is YAML
    return Process("docker-registry", ["docker-registry", "serve", str(path)], run_dir / "registry.log", {})


def pebble(chain: Path, key: Path, run_dir: Path) -> Process:
    """Pebble; it validates on ports 80 and 443 with the recursor that has no cache.

    `PEBBLE_…` variables of the environment win over ours.
    """
    config = {
        "pebble": {
            "listenAddress": f"127.0.0.1:{PEBBLE_PORT}",
            "managementListenAddress": f"127.0.0.1:{PEBBLE_MANAGEMENT_PORT}",
            "certificate": str(chain),
            "privateKey": str(key),
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
    }
    path = run_dir / "pebble.json"
    path.write_text(json.dumps(config, indent=1))
    argv = ["pebble", "-config", str(path), "-dnsserver", f"{addresses.RECURSOR_ACME}:53"]
    given = {name: value for name, value in os.environ.items() if name.startswith("PEBBLE_")}
    return Process("pebble", argv, run_dir / "pebble.log", PEBBLE_ENVIRONMENT | given)
