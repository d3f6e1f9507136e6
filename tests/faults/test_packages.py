"""Packages.

A package of the installed machine is missing, and Debian's mirror, dpkg or somebody else is in the way of getting it again. The mirror is the real
one, led through the bed so that faults can be put in.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import repository
from background import Background
from cases import Case
from locks import held
from product import DONE, Product
from recovery import Undisturbed, failed, flowing, run_plainly, until
from testbed.bed import Bed
from testbed.services import HostFault

#: Large enough to be cut in the middle, and nothing depends on it.
PACKAGE = "fail2ban"
FILE = rf"/{PACKAGE}_[^/]*\.deb$"
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


@pytest.fixture(scope="module")
def undisturbed(installed: Bed) -> Undisturbed:
    return Undisturbed.of(installed)


def mirrors(bed: Bed) -> list[str]:
    """The hosts of the machine's own sources of Debian."""
    text = bed.machine.get("/etc/apt/sources.list").decode()
    return sorted(set(re.findall(r"^deb (?:\[.*\] )?http://([^/]+)/debian", text, re.MULTILINE)))


@pytest.fixture
def without_package(installed: Bed, undisturbed: Undisturbed) -> Iterator[Bed]:
    """The package and its downloaded file are gone; every mirror goes through the front."""
    for host in mirrors(installed):
        installed.services.control.interpose(host)
    installed.services.control.flush_caches()
    until(lambda: not daily_work(installed), 300, "Debian's daily upgrade is done")
    remove(installed, PACKAGE)
    installed.services.control.clear_front_requests()
    yield installed
    installed.services.control.clear_host_faults()


def daily_work(bed: Bed) -> bool:
    """Whether apt's timers are at work, as at about six o'clock: they hold the locks that these tests need."""
    done = bed.machine.run(["systemctl", "is-active", "apt-daily.service", "apt-daily-upgrade.service"], check=False)
    return not {"active", "activating"}.isdisjoint(done.stdout.decode().split())


def remove(bed: Bed, package: str) -> None:
    bed.machine.run(["apt-get", "remove", "-y", "-q", package], env=QUIET)
    bed.machine.run(["apt-get", "clean"])


def fault(bed: Bed, path: str = FILE, **trouble) -> None:
    for host in mirrors(bed):
        bed.services.control.add_host_fault(HostFault(host, path=path, **trouble))


def faults(bed: Bed) -> int:
    return sum(request["fault"] for request in bed.services.control.front_requests())


def by_itself(bed: Bed, case: Case, undisturbed: Undisturbed) -> None:
    with case.timed():
        run = run_plainly(Product(bed.machine))
    assert run.status == DONE, run.text[-3000:]
    undisturbed.same(bed, checks=False)
    case.recovered = "by itself, in the same run"


# --- the mirror

PASSING: dict[str, dict[str, Any]] = {
    "answers 404 for the file, once": {"status": 404, "times": 1},
    "answers 503 for the file, twice": {"status": 503, "times": 2},
    "resets the connection in the middle of the file, twice": {"reset_after": 100_000, "times": 2},
    "ends the connection in the middle of the file": {"truncate_after": 100_000, "times": 1},
    "hangs in the middle of the file, once": {"stall_after": 100_000, "times": 1},
    "sends a damaged file, once": {"flip_at": 100_000, "times": 1},
}


@pytest.mark.parametrize("name", PASSING)
def test_a_mirror_in_passing_trouble(without_package: Bed, undisturbed: Undisturbed, case: Case, name: str) -> None:
    case.tried = f"the mirror {name}"
    fault(without_package, **PASSING[name])
    by_itself(without_package, case, undisturbed)
    assert faults(without_package) >= 1, "the fault was not met"
    case.happened = f"apt or `install` tries again ({faults(without_package)} requests met the fault)"


def test_a_mirror_that_lost_a_package(without_package: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "the mirror lists the package and answers 404 for its only version"
    fault(without_package, status=404)
    block = failed(run_plainly(Product(without_package.machine)), r"host/packages", rf"the mirror lists {PACKAGE} but has no version of it any more", r"use another mirror in /etc/apt/sources.list")
    case.happened = f"exit 1: {block.parts['why'].partition(':')[0]}"
    without_package.services.control.clear_host_faults()
    undisturbed.recovered(without_package, case, checks=False)


def test_a_mirror_that_answers_503(without_package: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "the mirror answers 503 for the file, again and again"
    fault(without_package, status=503)
    block = failed(run_plainly(Product(without_package.machine)), r"host/packages", r"packages cannot be fetched:.*503", r"run this again later, or use another mirror")
    case.happened = f"exit 1 after {faults(without_package)} requests: {block.parts['why'].partition(':')[0]}"
    without_package.services.control.clear_host_faults()
    undisturbed.recovered(without_package, case, checks=False)


def test_a_mirror_that_is_away(without_package: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "the mirror resets every connection, and the machine has no index of packages"
    without_package.machine.sh("find /var/lib/apt/lists -type f -name '*debian*' -delete")
    fault(without_package, path="", reset_after=0)
    block = failed(run_plainly(Product(without_package.machine)), r"base/index", r"the index of packages (could not|cannot) be fetched: Debian 11", r"the network")
    case.happened = f"exit 1: {block.parts['why'].partition('`')[0]}"
    without_package.services.control.clear_host_faults()
    undisturbed.recovered(without_package, case, checks=False)


# --- locks

LOCKS = {
    "/var/lib/dpkg/lock-frontend": 120.0,
    "/var/lib/dpkg/lock": 15.0,
    "/var/cache/apt/archives/lock": 15.0,
    "/var/lib/apt/lists/lock": 15.0,
}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_that_somebody_holds(without_package: Bed, undisturbed: Undisturbed, case: Case, lock: str) -> None:
    seconds = LOCKS[lock]
    case.tried = f"another process holds `{lock}` for {seconds:.0f} s"
    if "lists" in lock:
        # Only then is there something to fetch.
        without_package.machine.sh("find /var/lib/apt/lists -type f -name '*debian*' -delete")
    with held(without_package, lock, seconds):
        began = time.monotonic()
        run = Background(without_package)
        until(lambda: run.said("(python3)"), 60, f"that {lock} is held was not said")
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    with case.timed():
        ended = run.ended()
    assert ended.status == DONE, ended.text[-3000:]
    if seconds > 60:
        assert re.search(r"still at host/packages \(\d\d:\d\d, waits for process \d+ \(python3\)\)", flowing(ended.text)), ended.text[-3000:]
    case.happened = "it waits, and says for which process"
    undisturbed.same(without_package, checks=False)
    case.recovered = "by itself, in the same run, once the lock is free"


# --- dpkg


def test_dpkg_was_interrupted(without_package: Bed, undisturbed: Undisturbed, case: Case, tmp_path: Path) -> None:
    case.tried = "dpkg was killed while it configured somebody's package, and a package of ours is unpacked but not configured"
    machine = without_package.machine
    # The first configuration kills dpkg, as a power cut would.
    killer = "#!/bin/sh\n[ -e /var/tmp/second-time ] || { touch /var/tmp/second-time; kill -9 $PPID; sleep 5; }\n"
    made = repository.package(tmp_path, "interrupted", "1", {"/usr/share/interrupted/file": "x\n"}, postinst=killer)
    machine.put("/root/interrupted.deb", made.read_bytes())
    machine.sh(f"cd /root && apt-get download -q {PACKAGE}")
    machine.sh(f"dpkg --unpack /root/{PACKAGE}_*.deb; dpkg --install /root/interrupted.deb || true")
    status = machine.sh(f"dpkg-query -W -f '${{db:Status-Abbrev}}' {PACKAGE} interrupted")
    assert status.split() == ["iU", "iF"], status
    assert "dpkg was interrupted" in machine.sh("apt-get -q -y install sudo 2>&1 || true")
    by_itself_after(without_package, case)
    assert machine.sh("dpkg --audit") == ""
    machine.sh(f"dpkg --purge interrupted; rm -f /root/interrupted.deb /root/{PACKAGE}_*.deb /var/tmp/second-time")
    undisturbed.same(without_package, checks=False)
    case.happened = "what was half done is finished first, the package of others included"


def by_itself_after(bed: Bed, case: Case) -> None:
    with case.timed():
        run = run_plainly(Product(bed.machine))
    assert run.status == DONE, run.text[-3000:]
    case.recovered = "by itself, in the same run"


def test_a_conffile_that_would_ask(without_package: Bed, undisturbed: Undisturbed, case: Case) -> None:
    case.tried = "a configuration file of the package is there already, changed by the operator: dpkg would ask"
    machine = without_package.machine
    conffile = f"/etc/{PACKAGE}/{PACKAGE}.conf"
    original = machine.get(conffile).decode()
    machine.run(["dpkg", "--purge", PACKAGE], check=False)
    own = original + "\n# the operator's own line\n"
    machine.put(conffile, own)
    by_itself_after(without_package, case)
    assert machine.get(conffile).decode() == own
    machine.put(conffile, original)
    machine.sh(f"rm -f {conffile}.dpkg-*; systemctl restart {PACKAGE}")
    # The last one on this machine: the client looks, too.
    undisturbed.same(without_package)
    case.happened = "nobody is asked, and the operator's file stays"


# --- a release past its end; last, as it leaves another machine than the tests above share


def test_an_expired_release_file(pristine: Bed, case: Case, tmp_path: Path) -> None:
    """Seen in September 2026: the last index of a suite past its end is no longer valid, and apt refuses it."""
    case.tried = "the Release file of the security suite has expired (a small repository of the bed's, with a key of its own)"
    before = Undisturbed.of(pristine)
    files = tmp_path / "bullseye-security"
    key = repository.suite(files, "bullseye-security", datetime.now(UTC) - timedelta(days=10))
    security = next(host for host in mirrors(pristine) if "security" in host)
    pristine.services.control.interpose(security, {"/debian-security/dists/bullseye-security": str(files)})
    pristine.services.control.flush_caches()
    pristine.machine.put("/etc/apt/trusted.gpg.d/bed.asc", key)
    pristine.machine.sh("find /var/lib/apt/lists -type f -delete")
    refused = pristine.machine.run(["apt-get", "-q", "update"], check=False)
    assert b"is expired" in refused.stdout + refused.stderr, refused
    pristine.machine.sh("find /var/lib/apt/lists -type f -delete")
    remove(pristine, PACKAGE)
    with case.timed():
        run = run_plainly(Product(pristine.machine))
    assert run.status == DONE, run.text[-3000:]
    sources = pristine.machine.get("/etc/apt/sources.list").decode()
    changed = [line for line in sources.splitlines() if "[" in line]
    assert changed == [f"deb [check-valid-until=no] http://{security}/debian-security bullseye-security main"], sources
    pristine.machine.sh("rm /etc/apt/trusted.gpg.d/bed.asc")
    untrusted = pristine.machine.run(["apt-get", "-q", "update"], check=False)
    assert b"NO_PUBKEY" in untrusted.stdout + untrusted.stderr, "signatures are no longer checked"
    case.happened = "that suite alone is used although it has expired, and the change of sources is shown; signatures are still checked"
    case.recovered = "by itself, in the same run"
    assert before.kept == type(before.kept).of(pristine.machine)
