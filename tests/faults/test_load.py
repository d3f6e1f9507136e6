"""Load, and processes killed under it.

2,000 idle WebSocket connections and 500 requests a second from another computer; then every process is killed once.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cases import Case
from endstate import good, nothing_to_do
from product import Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.machine import Machine
from testbed.verify import compose, psql, tootctl

SOCKETS = 2000
REQUESTS_A_SECOND = 500
#: How long. Shorter while the test itself is worked on.
SECONDS = int(os.environ.get("TOOTSTRAP_LOAD_SECONDS", "300"))
#: Issue 3: idle connections cost Caddy at most so much each.
BYTES_A_CONNECTION = 100_000
#: Issue 3: whatever is killed is back within so many seconds; a busy machine may ask for more patience.
BACK_SECONDS = 30 * float(os.environ.get("TOOTSTRAP_PATIENCE", "1"))
PATHS = ("/health", "/packs/application.css", "/packs/application.js", "/robots.txt", "/health")
SERVICES = ("web", "sidekiq", "streaming", "db", "redis", "caddy")


@dataclass
class Running:
    """One load.py on the client; `said` is its last line, `posted` what all lines acknowledged."""

    process: subprocess.Popen
    said: dict = field(default_factory=dict)
    posted: list[str] = field(default_factory=list)

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said = json.loads(line)
            self.posted += self.said.pop("posted", [])

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


def start(bed: Bed, kind: str, token: str, *options: str) -> Running:
    argv = ["/usr/bin/python3", "-B", str(Path(__file__).with_name("load.py")), kind, where.SITE, *options]
    environment = {**bed.client.environment(), "TOKEN": token}
    process = subprocess.Popen(bed.client.entering(argv), stdout=subprocess.PIPE, text=True, env=environment)
    running = Running(process)
    threading.Thread(target=running.listen, daemon=True).start()
    return running


def token_of(machine: Machine, email: str) -> str:
    """What an app would get from Mastodon's OAuth."""
    token = secrets.token_urlsafe(32)
    psql(
        machine,
        "INSERT INTO oauth_access_tokens (token, resource_owner_id, application_id, scopes, created_at) "
        f"SELECT '{token}', u.id, (SELECT min(id) FROM oauth_applications WHERE superapp), 'read write follow push', now() "
        f"FROM users u WHERE u.email = '{email}'",
    )
    return token


@dataclass(frozen=True)
class Loaded:
    """The server under load: `idle` holds the connections of a user to whom nothing is said, `author` posts."""

    bed: Bed
    idle: str
    author: str


@pytest.fixture(scope="module")
def loaded(installed: Bed) -> Iterator[Loaded]:
    machine = installed.machine
    tootctl(machine, "accounts", "create", "listener", "--email", "listener@example.org", "--confirmed", "--approve")
    yield Loaded(installed, token_of(machine, "listener@example.org"), token_of(machine, "ada@example.org"))


def pid_of(machine: Machine, service: str) -> int:
    return int(machine.run(["docker", "inspect", "-f", "{{.State.Pid}}", f"mastodon-{service}-1"]).stdout)


def process_of(machine: Machine, target: str) -> int:
    """0: there is none now."""
    if target == "dockerd":
        return int(machine.sh("pidof -s dockerd || echo 0"))
    done = machine.run(["docker", "inspect", "-f", "{{.State.Pid}}", f"mastodon-{target}-1"], check=False)
    return int(done.stdout or 0)


def resident(machine: Machine, pid: int) -> int:
    """Bytes of memory that a process has."""
    line = re.search(r"^VmRSS:\s+(\d+) kB$", machine.get(f"/proc/{pid}/status").decode(), re.MULTILINE)
    assert line, pid
    return int(line[1]) * 1024


def wait(condition, seconds: float, what) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"not within {seconds:g} s: {what()}"
        time.sleep(0.2)


@dataclass(frozen=True)
class Answered:
    """What h2load says."""

    good: int
    failed: int
    other: int
    a_second: float

    @classmethod
    def parse(cls, text: str) -> "Answered":
        rate = re.search(r"finished in \S+, ([\d.]+) req/s", text)
        requests = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
        codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
        assert rate and requests and codes, text[-2000:]
        failed, other = sum(map(int, requests.groups()[2:])), sum(map(int, codes.groups()[1:]))
        return cls(int(codes[1]), failed, other, float(rate[1]))


def ask_steadily(bed: Bed, seconds: int) -> subprocess.Popen:
    clients = 10
    argv = ["h2load", "--clients", str(clients), f"--rps={REQUESTS_A_SECOND // clients}", f"--duration={seconds}s"]
    argv += [f"https://{where.SITE}{path}" for path in PATHS]
    return subprocess.Popen(bed.client.entering(argv), stdout=subprocess.PIPE, text=True, env=bed.client.environment())


def test_connections_and_requests(loaded: Loaded, case: Case) -> None:
    case.tried = f"{SOCKETS:,} idle WebSocket connections and {REQUESTS_A_SECOND} requests/s (static files, /health) for {SECONDS} s, over TLS"
    bed, machine = loaded.bed, loaded.bed.machine
    caddy = pid_of(machine, "caddy")
    # What Caddy needs for requests at all is no price of a connection.
    ask_steadily(bed, 5).communicate(timeout=60)
    before = resident(machine, caddy)
    idle = start(bed, "sockets", loaded.idle, "--number", str(SOCKETS))
    try:
        wait(lambda: idle.said.get("open") == SOCKETS, 300, lambda: idle.said)
        time.sleep(10)
        a_connection = (resident(machine, caddy) - before) / SOCKETS
        asking = ask_steadily(bed, SECONDS)
        # Over both families, and Mastodon notes whose addresses it saw.
        good(bed)
        text, _ = asking.communicate(timeout=SECONDS + 120)
        still = dict(idle.said)
    finally:
        idle.end()
    answered = Answered.parse(text)
    load = os.getloadavg()[1]
    case.happened = (
        f"{answered.good:,} answers in {SECONDS} s ({answered.a_second:.0f}/s reached), {answered.failed} failed, {answered.other} not 2xx; "
        f"{still['open']:,} connections still open, {still['lost']} lost, {still['refused']} refused; Caddy {a_connection / 1000:.0f} kB a connection; "
        f"the client's own address reached Mastodon over IPv4 and IPv6 (two cores carry client and server, load average {load:.0f})"
    )
    case.recovered = "not needed"
    case.count("requests under load", answered.good)
    assert (answered.failed, answered.other) == (0, 0), text[-2000:]
    assert answered.good > SECONDS, text[-2000:]
    assert (still["open"], still["lost"], still["refused"]) == (SOCKETS, 0, 0), still
    assert pid_of(machine, "caddy") == caddy
    assert a_connection <= BYTES_A_CONNECTION


# --- kills


@pytest.fixture(scope="module")
def under_load(loaded: Loaded) -> Iterator[tuple[Running, Running]]:
    """Posts, requests and idle connections, from before the first kill until after the last."""
    idle = start(loaded.bed, "sockets", loaded.idle, "--number", "200")
    work = start(loaded.bed, "work", loaded.author, "--rate", "4")
    wait(lambda: idle.said.get("open") == 200 and len(work.posted) > 10, 120, lambda: (idle.said, work.said))
    yield idle, work
    idle.end()
    work.end()


def healthy(machine: Machine) -> str:
    """Empty if every container is healthy, else what is not."""
    done = machine.run(["docker", "ps", "-a", "--format", "{{.Names}} {{.Status}}"], check=False)
    lines = done.stdout.decode().splitlines()
    bad = [line for line in lines if "Up" not in line or "(healthy)" not in line]
    if done.returncode == 0 and len(lines) == len(SERVICES):
        return "; ".join(bad)
    return f"docker ps gives {done.returncode}: {(done.stderr or done.stdout).decode()[-200:]}"


def in_database(machine: Machine) -> set[str]:
    return {row[0] for row in psql(machine, "SELECT id FROM statuses")}


def jobs_done(machine: Machine) -> set[str]:
    script = "REDISCLI_AUTH=$(sed -n 's/^requirepass //p' /etc/redis/redis.conf) exec redis-cli SMEMBERS stand-in:distributed"
    return set(compose(machine, "exec", "-T", "redis", "sh", "-c", script).split())


@pytest.mark.parametrize("target", [*SERVICES, "dockerd"])
def test_killed_under_load(loaded: Loaded, under_load: tuple[Running, Running], case: Case, target: str) -> None:
    idle, work = under_load
    machine = loaded.bed.machine
    case.tried = f"SIGKILL of {target} under load (4 posts/s, 40 requests/s, 200 idle WebSocket connections)"
    before = (len(work.posted), work.said["failed"])
    pid = process_of(machine, target)
    with case.timed():
        machine.run(["kill", "-KILL", str(pid)])
        case.count("kills")
        wait(lambda: process_of(machine, target) not in (0, pid), BACK_SECONDS, lambda: f"{pid} has no successor")
        wait(lambda: healthy(machine) == "", BACK_SECONDS, lambda: healthy(machine))
        acknowledged = len(work.posted)
        # More than may have been under way before.
        wait(lambda: len(work.posted) > acknowledged + 8 and idle.said["open"] == 200, BACK_SECONDS, lambda: (work.said, idle.said))
    failed = work.said["failed"] - before[1]
    posts = list(work.posted)
    lost_rows = set(posts) - in_database(machine)
    assert lost_rows == set(), f"acknowledged and gone: {sorted(lost_rows)[:5]}"
    # A job that Sidekiq had taken when it was killed is lost with it: that is how its free edition fetches.
    allowed = 2 if target in ("sidekiq", "dockerd") else 0
    lost_jobs = _lost_jobs(machine, posts)
    assert len(lost_jobs) <= allowed, f"jobs gone: {sorted(lost_jobs)[:5]}"
    work.posted[:] = [post for post in work.posted if post not in lost_jobs]
    case.happened = f"{failed} requests failed meanwhile; {len(posts):,} acknowledged posts all there, {len(lost_jobs)} of their jobs lost"
    case.recovered = "by itself"
    case.count("acknowledged posts checked", len(posts))


def _lost_jobs(machine: Machine, posts: list[str]) -> set[str]:
    """Jobs that are not done after a while that is long enough for all that wait in the queue."""
    limit = time.monotonic() + 30
    while True:
        missing = set(posts) - jobs_done(machine)
        if len(missing) == 0 or (time.monotonic() > limit):
            return missing
        time.sleep(1)


def test_everything_is_as_before(loaded: Loaded, under_load: tuple[Running, Running], case: Case) -> None:
    case.tried = "the same machine after all kills"
    nothing_to_do(Product(loaded.bed.machine))
    good(loaded.bed)
    case.happened = "nothing is left to do, every check of the client is good"
    case.recovered = "not needed"
