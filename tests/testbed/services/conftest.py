"""The services in a network namespace of their own, for the tests beside this file."""

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from dnslib import DNSRecord

from testbed import build
from testbed.services import Control, addresses
from testbed.services.dns.recursor import exchange
from testbed.services.namespace import socket_in
from testbed.services.storage_for_tests import make_registry

TESTS = Path(__file__).parents[2]
START_SECONDS = 20
UPSTREAM_PORT = 5399


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Bed:
    """The running services and ways to ask them from inside their namespace."""

    name: str
    control: Control
    run_dir: Path
    dist: Path
    ca: Path

    @property
    def namespace(self) -> str:
        """Path of the network namespace."""
        return f"/run/netns/{self.name}"

    def socket(self, kind: int = socket.SOCK_STREAM, family: int = socket.AF_INET) -> socket.socket:
        """A socket inside."""
        return socket_in(self.namespace, family, kind)

    def dig(self, server: str, name: str, qtype: str = "A", tcp: bool = False, timeout: float = 5) -> DNSRecord:
        """One question to one server."""
        kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
        with self.socket(kind) as sock:
            return DNSRecord.parse(exchange(sock, (server, 53), DNSRecord.question(name, qtype).pack(), timeout))

    def answers(self, server: str, name: str, qtype: str = "A") -> list[str]:
        """The data of the answer section, sorted."""
        return sorted(str(rr.rdata) for rr in self.dig(server, name, qtype).rr)

    def https(self, method: str, url: str, body: str | None = None, family: int = 4, timeout: float = 20, **headers):
        """One request to the front on a connection of its own; underscores in header names are dashes."""
        host, _, path = url.partition("/")
        address = addresses.FRONT_V4 if family == 4 else addresses.FRONT_V6
        connection = http.client.HTTPConnection(host, timeout=timeout)
        raw = self.socket(family=socket.AF_INET if family == 4 else socket.AF_INET6)
        raw.settimeout(timeout)
        with contextlib.closing(connection):
            raw.connect((address, 443))
            connection.sock = ssl.create_default_context(cafile=self.ca).wrap_socket(raw, server_hostname=host)
            connection.request(method, f"/{path}", body, {k.replace("_", "-"): v for k, v in headers.items()})
            reply = connection.getresponse()
            lowered = {name.lower(): value for name, value in reply.getheaders()}
            return Reply(reply.status, lowered, reply.read())

    def run(self, *argv: str, **environment: str) -> subprocess.CompletedProcess:
        """A command inside, with the machine's recursor as resolver."""
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *argv],
            env={**os.environ, **environment}, capture_output=True, text=True, timeout=30,
        )  # fmt: skip


@contextlib.contextmanager
def _namespace(name: str) -> Iterator[None]:
    """A namespace with every address of the bed on its loopback device."""
    resolv_conf = Path("/etc/netns") / name / "resolv.conf"
    machine = (f"{addresses.MACHINE_V4}/24", f"{addresses.MACHINE_V6}/64")
    commands = ["link set lo up", *(f"address add {at} dev lo" for at in (*addresses.ALL, *machine))]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        resolv_conf.parent.mkdir(parents=True)
        resolv_conf.write_text(f"nameserver {addresses.RECURSOR_MACHINE}\n")
        subprocess.run(["ip", "-n", name, "-batch", "-"], input="\n".join(commands), text=True, check=True)
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
        resolv_conf.unlink(missing_ok=True)
        resolv_conf.parent.rmdir()


@contextlib.contextmanager
def _services(name: str, at: Path) -> Iterator[None]:
    options = {
        "bed": name, "run-dir": at / "run", "dist": at / "dist", "docker-repository": at / "docker",
        "registry": at / "registry", "upstream": f"127.0.0.1#{UPSTREAM_PORT}",
    }  # fmt: skip
    argv = ["ip", "netns", "exec", name, sys.executable, "-m", "testbed.services"]
    argv += [word for key, value in options.items() for word in (f"--{key}", str(value))]
    with (at / "output").open("w") as output:
        child = subprocess.Popen(argv, cwd=TESTS, env={**os.environ, "PYTHONPATH": "."}, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (at / "run" / "ready").exists():
            if child.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the services did not start: {(at / 'output').read_text()}")
            time.sleep(0.05)
        yield
    finally:
        child.terminate()
        assert child.wait(10) == 0, (at / "output").read_text()


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """The services, started once for all tests."""
    at = tmp_path_factory.mktemp("services")
    for directory in ("dist", "docker/linux/debian", "registry"):
        (at / directory).mkdir(parents=True)
    (at / "docker/linux/debian/gpg").write_text("a key\n")
    make_registry(at / "registry", ["mastodon/mastodon", "library/postgres"], tag="test")
    name = f"svc{os.getpid()}"
    with _namespace(name), _services(name, at):
        yield Bed(name, Control(at / "run" / "control.sock"), at / "run", at / "dist", build.ca().crt)


@pytest.fixture
def bed(running: Bed) -> Bed:
    """The services as at their start."""
    running.control.reset()
    return running
