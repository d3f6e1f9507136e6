"""PostgreSQL, Redis and the stand-in in containers on the host's loopback, for the contract tests.

Nothing is doubled but Mastodon itself: the databases are the bed's images of PostgreSQL and Redis, and the DNS that the
containers ask is dnslib's server with a zone file.
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dnslib.server import DNSServer
from dnslib.zoneresolver import ZoneResolver

from testbed.build.images import image, podman

DOMAIN = "social.fedi-test.org"
DNS_ADDRESS = "127.0.0.153"
CONFINED = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--tmpfs=/tmp", "--tmpfs=/opt/mastodon/tmp:U"]
"""As an installer runs the image: read-only root, no capabilities."""

ZONE = """
mail.test.    60 IN MX 10 mx.mail.test.
mx.mail.test. 60 IN A 198.51.100.25
plain.test.   60 IN A 198.51.100.26
six.test.     60 IN AAAA 2001:db8::25
null.test.    60 IN MX 0 .
null.test.    60 IN A 198.51.100.27
deaf.test.    60 IN TXT "no mail here"
"""
"""Domains that can and that cannot receive mail (mastodon.md §4.3)."""

CONSOLE = (Path(__file__).parent / "console.rb").read_text()
CONSOLE_MARK = "answer:"


@dataclass(frozen=True)
class Outcome:
    """What a command printed and exited with."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    cookies: dict[str, str]
    body: str

    def json(self) -> dict:
        return json.loads(self.body)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what: str, check: Callable[[], bool], seconds: float = 60) -> None:
    """Asks until `check` says yes; an OSError counts as no."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if check():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{what}: not within {seconds} s")


@dataclass
class Stack:
    """The containers of one test session."""

    name: str = field(default_factory=lambda: f"contract-{secrets.token_hex(3)}")
    postgres_port: int = field(default_factory=free_port)
    redis_port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    streaming_port: int = field(default_factory=free_port)
    started: list[str] = field(default_factory=list)
    _refs: dict[str, str] = field(default_factory=dict)
    _console: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.env = {
            "LOCAL_DOMAIN": DOMAIN,
            "SECRET_KEY_BASE": secrets.token_hex(64),
            "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY": secrets.token_hex(16),
            "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT": secrets.token_hex(16),
            "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY": secrets.token_hex(16),
            "VAPID_PUBLIC_KEY": "B" + "A" * 86 + "=",
            "VAPID_PRIVATE_KEY": "A" * 43 + "=",
            "DB_HOST": "127.0.0.1",
            "DB_PORT": str(self.postgres_port),
            "DB_USER": "mastodon",
            "DB_PASS": secrets.token_hex(8),
            "DB_NAME": "mastodon",
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.redis_port),
            "REDIS_PASSWORD": secrets.token_hex(8),
            "WEB_CONCURRENCY": "0",
        }
        self._directory = tempfile.TemporaryDirectory(prefix="contract-")
        resolv = Path(self._directory.name) / "resolv.conf"
        resolv.write_text(f"nameserver {DNS_ADDRESS}\n")
        self._mount = f"--volume={resolv}:/etc/resolv.conf:ro"
        self._dns = DNSServer(ZoneResolver(ZONE), address=DNS_ADDRESS, port=53)

    def __enter__(self) -> Stack:
        self._dns.start_thread()
        try:
            self._start_databases()
            self.start("tools", "mastodon", ["sleep", "infinity"], CONFINED)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._console is not None:
            self._console.kill()
            self._console.wait()
        for container in reversed(self.started):
            self._podman("rm", "--force", "--time=2", container)
        self._dns.stop()
        self._directory.cleanup()

    def _start_databases(self) -> None:
        server = ["postgres", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        account = {"POSTGRES_USER": "mastodon", "POSTGRES_PASSWORD": self.env["DB_PASS"], "POSTGRES_DB": "postgres",
                   "POSTGRES_INITDB_ARGS": "--auth-host=scram-sha-256", "PGPORT": str(self.postgres_port)}
        memory = ["--tmpfs=/var/lib/postgresql/data:mode=1777"]
        self.start("postgres", "postgres", server, memory, env=account)
        redis = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.redis_port), "--requirepass", self.env["REDIS_PASSWORD"]]
        self.start("redis", "redis", redis, ["--tmpfs=/data:mode=1777"], env={})
        wait_for("PostgreSQL", lambda: self._port_answers(self.postgres_port))
        wait_for("Redis", lambda: self._port_answers(self.redis_port))

    @staticmethod
    def _port_answers(port: int) -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    def start(self, name: str, of: str, command: list[str], options: list[str], env: dict[str, str] | None = None) -> None:
        """Runs a container in the background until the session ends."""
        container = f"{self.name}-{name}"
        self.started.append(container)
        given = [f"--env={key}={value}" for key, value in (self.env if env is None else env).items()]
        argv = ["run", "--detach", f"--name={container}", "--network=host", self._mount, *options, *given]
        done = self._podman(*argv, self._ref(of), *command)
        if done.code:
            raise RuntimeError(f"container {name} did not start: {done.stderr}")

    def _ref(self, name: str) -> str:
        """The image's name; built, if necessary, the first time it is asked for."""
        if name not in self._refs:
            self._refs[name] = image(name).ref
        return self._refs[name]

    def run(self, *command: str, env: dict[str, str | None] | None = None, name: str = "tools") -> Outcome:
        """Runs a command in a container that runs already; a value of None unsets the variable."""
        unset = [f"-u{key}" for key, value in (env or {}).items() if value is None]
        given = [f"{key}={value}" for key, value in (env or {}).items() if value is not None]
        return self._podman("exec", f"{self.name}-{name}", "env", *unset, *given, *command)

    def runner(self, code: str, env: dict[str, str | None] | None = None) -> Outcome:
        """A snippet through `rails runner`."""
        return self.run("rails", "runner", code, env={"RAILS_LOG_LEVEL": "error", **(env or {})})

    def ruby(self, code: str) -> str:
        """What a snippet prints, evaluated in a Rails process that lasts the session. Raises what it raises."""
        answer = self._ask_console({"ruby": code})
        if answer["error"]:
            raise RuntimeError(answer["error"])
        return answer["output"]

    def tootctl(self, *arguments: str) -> Outcome:
        """The command in a fork of that process, which saves the boot; RAILS_LOG_LEVEL is error."""
        answer = self._ask_console({"tootctl": arguments})
        return Outcome(answer["code"], answer["stdout"], answer["stderr"])

    def _ask_console(self, question: dict) -> dict:
        if self._console is None:
            self._console = self._open_console()
        console = self._console
        assert console.stdin and console.stdout
        console.stdin.write(json.dumps(question) + "\n")
        console.stdin.flush()
        for line in console.stdout:
            if line.startswith(CONSOLE_MARK):
                return json.loads(line.removeprefix(CONSOLE_MARK))
        raise RuntimeError("the Rails console has ended")

    def _open_console(self) -> subprocess.Popen[str]:
        command = ["exec", "--interactive", "--env=RAILS_LOG_LEVEL=error", f"{self.name}-tools", "rails", "runner", CONSOLE]
        return subprocess.Popen(podman(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def sql(self, query: str, database: str = "mastodon") -> str:
        """The rows of a query, columns divided by `|`."""
        done = self.run("psql", "-U", "mastodon", "-d", database, "-Atc", query, name="postgres")
        if done.code:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def redis(self, *command: str) -> str:
        login = ["redis-cli", "-p", str(self.redis_port), "--no-auth-warning", "-a", self.env["REDIS_PASSWORD"]]
        return self.run(*login, *command, name="redis").stdout.strip()

    def logs(self, name: str) -> str:
        done = self._podman("logs", f"{self.name}-{name}")
        return done.stdout + done.stderr

    def stop(self, name: str) -> None:
        """SIGTERM, and SIGKILL 30 seconds later."""
        done = self._podman("stop", "--time=30", f"{self.name}-{name}")
        if done.code:
            raise RuntimeError(done.stderr)

    def exit_code(self, name: str) -> int:
        """What a container that has stopped exited with."""
        return int(self._podman("inspect", "--format={{.State.ExitCode}}", f"{self.name}-{name}").stdout)

    @staticmethod
    def _podman(*argv: str) -> Outcome:
        done = subprocess.run(podman(*argv), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        return Outcome(done.returncode, done.stdout, done.stderr)


def request(port: int, path: str, method: str = "GET", headers: dict[str, str] | None = None, body: str | None = None,
            cookies: dict[str, str] | None = None) -> Reply:
    """One request as a reverse proxy on loopback sends it: site's Host, forwarded as https. None removes a header."""
    sent = {"Host": DOMAIN, "X-Forwarded-Proto": "https", **(headers or {})}
    if cookies:
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body.encode())))
        connection.endheaders(body.encode() if body is not None else None)
        answer = connection.getresponse()
        return _reply(answer)
    finally:
        connection.close()


def _reply(answer: http.client.HTTPResponse) -> Reply:
    set_cookies = [value.split(";")[0].split("=", 1) for value in answer.headers.get_all("Set-Cookie") or []]
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Reply(answer.status, headers, dict(set_cookies), answer.read().decode())
