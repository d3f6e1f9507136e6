"""The machine.

1 GB of memory, with processes as heavy as Mastodon's (tests/testbed/images/mastodon/weights.yml).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cases import Case
from endstate import good, nothing_to_do
from harness import REUSABLE, fresh_world, killed_for_memory
from product import Product
from testbed.bed import Bed
from testbed.cgroup import controllers
from testbed.demo import FORM
from testbed.layout import GIB, SITE
from testbed.verify import psql

#: How long the server idles, with one visitor a minute.
IDLE_MINUTES = int(os.environ.get("TOOTSTRAP_IDLE_MINUTES", "30"))
#: Swapped in a minute of idling, at most: a disk reads this in a fraction of a second.
LITTLE = 8 << 20
PAGE = 4096

#: Written by the owner of the machine; read by Compose (compose.yaml names it).
HEAVY = "STAND_IN_WEIGHTS=real\n"


@dataclass(frozen=True)
class Small:
    """A machine with 1 GB after its installation."""

    bed: Bed
    console: str
    began: float


@dataclass(frozen=True)
class Swapping:
    """Of this machine's control groups, in bytes: read back from swap since it was made, and what is in swap now."""

    read: int
    held: int

    @classmethod
    def now(cls, bed: Bed) -> "Swapping":
        stat = dict(line.split() for line in (group(bed) / "memory.stat").read_text().splitlines())
        return cls(int(stat["total_workingset_refault_anon"]) * PAGE, int(stat["total_swap"]))

    def written_until(self, later: "Swapping") -> int:
        """What was written to swap meanwhile and not given up since."""
        return max(0, later.held - self.held + later.read - self.read)


def group(bed: Bed) -> Path:
    memory = next(mount for mount in controllers() if "memory" in mount.name.split(","))
    return memory / bed.layout.cgroup


def used(bed: Bed) -> int:
    return int((group(bed) / "memory.max_usage_in_bytes").read_text())


@pytest.fixture(scope="module")
def small(bed: Bed, stackscript: str) -> Iterator[Small]:
    REUSABLE.clear()
    fresh_world(bed)
    machine = bed.machine
    before = (bed.memory or 0)
    machine.restore("bare", boot=False)
    machine.limit_memory(GIB)
    machine.put("/opt/mastodon/custom.env", HEAVY, 0o600)
    began = time.monotonic()
    try:
        done = machine.stackscript(stackscript, FORM)
        assert done.returncode == 0, done.stdout[-3000:]
        yield Small(bed, done.stdout, began)
    finally:
        machine.kill()
        if before:
            machine.limit_memory(before)


def test_the_installation_ends(small: Small, case: Case) -> None:
    case.tried = "1 GB of memory (limit and /proc/meminfo), web 450 MB and Sidekiq 400 MB heavy, a boot of Rails 6 CPU seconds"
    machine = small.bed.machine
    total = int(re.search(r"^MemTotal: +(\d+) kB", machine.get("/proc/meminfo").decode(), re.MULTILINE)[1])
    assert total == GIB >> 10
    assert "/swapfile" in machine.get("/proc/swaps").decode()
    resident = {name: memory_of(small.bed, name) for name in ("web", "sidekiq")}
    assert killed_for_memory(small.bed, small.began) == []
    good(small.bed)
    nothing_to_do(Product(machine))
    assert killed_for_memory(small.bed, small.began) == []
    swap = Swapping.now(small.bed)
    case.happened = (
        f"installed; nothing was killed for memory; peak {used(small.bed) >> 20} MB of RAM with caches, then {swap.held >> 20} MB in swap; "
        f"web holds {resident['web']} MB, Sidekiq {resident['sidekiq']} MB with what is swapped"
    )
    case.recovered = "not needed"


def memory_of(bed: Bed, service: str) -> int:
    """MB of a container's largest process, swap included."""
    script = (
        f"id=$(docker ps -q --filter label=com.docker.compose.service={service}); for pid in $(docker top $id -o pid | tail -n +2); do "
        "awk '/^(VmRSS|VmSwap):/ {s += $2} END {print s}' /proc/$pid/status; done | sort -n | tail -n 1"
    )
    return int(bed.machine.sh(script)) >> 10


def test_idle_with_a_visitor_a_minute(small: Small, case: Case) -> None:
    case.tried = (
        f"{IDLE_MINUTES} minutes idle in 1 GB; each minute one post (a row in the database) and one sign-up by the web form "
        "(web, database, Redis, a job for Sidekiq): the stand-in cannot post"
    )
    users = int(psql(small.bed.machine, "SELECT count(*) FROM users")[0][0])
    began, minutes = Swapping.now(small.bed), []
    for number in range(IDLE_MINUTES):
        started, before = time.monotonic(), Swapping.now(small.bed)
        visit(small.bed, number)
        time.sleep(max(0.0, 60 - (time.monotonic() - started)))
        after = Swapping.now(small.bed)
        minutes.append(after.read - before.read)
    ended = Swapping.now(small.bed)
    assert int(psql(small.bed.machine, "SELECT count(*) FROM users")[0][0]) == users + IDLE_MINUTES
    assert killed_for_memory(small.bed, small.began) == []
    restarts = small.bed.machine.sh("docker inspect -f '{{.RestartCount}}' $(docker ps -q)").split()
    assert set(restarts) == {"0"}, restarts
    quiet = sorted(minutes)[len(minutes) // 2]
    case.happened = (
        f"nothing was killed or restarted; {(ended.read - began.read) >> 20} MB swapped in and {began.written_until(ended) >> 20} MB out in all, "
        f"median {quiet >> 10} kB in a minute; {ended.held >> 20} MB stay in swap"
    )
    case.count("minutes idle in 1 GB", IDLE_MINUTES)
    case.recovered = "not needed"
    assert quiet <= LITTLE, minutes


def visit(bed: Bed, number: int) -> None:
    """One post, and one sign-up from the client; the new account's job goes through Sidekiq."""
    psql(
        bed.machine,
        "INSERT INTO statuses (account_id, text, created_at, updated_at) "
        f"SELECT account_id, 'Post {number}', now(), now() FROM users ORDER BY id LIMIT 1",
    )
    done = bed.client.python("testbed.visitor", SITE, f"visitor{number}")
    assert done.returncode == 0, done.stderr
