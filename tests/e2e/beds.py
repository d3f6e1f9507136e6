"""Fixtures: one bed for a whole suite; every module starts from a disk that a real installation left, or from a bare one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import MEMORY, REUSABLE, Installation, fresh_world, wait_healthy
from product import RELEASED, Product
from remote import Key
from searching import EVERYTHING, first_passwords, holders
from testbed.bed import Bed
from testbed.demo import FORM, stackscript_of
from testbed.layout import GIB

#: Of the suite, and of its process where several share the work.
NAME = os.environ.get("TOOTSTRAP_BED", "e2e") + os.environ.get("PYTEST_XDIST_WORKER", "")


@pytest.fixture(scope="session")
def dist() -> Path:
    """What `make dist` made."""
    directory = Path(os.environ.get("TOOTSTRAP_DIST") or Path(__file__).parents[2] / "dist").absolute()
    if not (directory / RELEASED).exists():
        pytest.exit(f"{directory} has no {RELEASED}: `make dist` builds it", returncode=1)
    return directory


@pytest.fixture(scope="session")
def stackscript(dist: Path) -> str:
    return stackscript_of(dist)


@pytest.fixture(scope="session")
def bed(dist: Path) -> Iterator[Bed]:
    Bed(NAME).down()  # what an interrupted run left
    if MEMORY < 6 * GIB and "file" in Path("/proc/swaps").read_text().split():
        # /proc/swaps is the kernel's: the product would take that file for its own machine's (facts/testbed.md §1.3).
        pytest.exit("a swap file is in use, probably another bed's: end it first (tests/testbed/bed down)", returncode=1)
    with Bed(NAME, dist=dist, boot=False, memory=MEMORY) as made:
        made.machine.snapshot("bare")
        yield made
        made.check_clock()


@pytest.fixture(scope="session")
def installation(bed: Bed, stackscript: str) -> Installation:
    """Runs the StackScript on the bare machine and keeps the disk as the snapshot `installed`."""
    fresh_world(bed)
    bed.machine.restore("bare", boot=False)
    started = time.monotonic()
    done = bed.machine.stackscript(stackscript, FORM, live=sys.stdout)
    seconds = time.monotonic() - started
    control = bed.services.control
    zones = [(zone, control.records(zone["domain"])) for zone in control.domains()]
    found = holders(bed.machine, EVERYTHING, first_passwords(bed.machine)) if done.returncode == 0 else set()
    bed.machine.snapshot("installed")
    return Installation(done.returncode, done.stdout, seconds, zones, found)


@pytest.fixture(scope="module")
def installed(request: pytest.FixtureRequest, bed: Bed, installation: Installation) -> Iterator[Bed]:
    """The installed machine, up, with the DNS that its installation made.

    A module that says `LEAVES_IT_AS_IT_WAS = True`, and whose tests all passed, hands its machine on: that saves a boot.
    """
    assert installation.status == 0, f"the installation that this test starts from failed:\n{installation.console[-3000:]}"
    if not REUSABLE.pop(bed, False):
        _restore_installed(bed, installation)
    failed = request.session.testsfailed
    yield bed
    REUSABLE[bed] = getattr(request.module, "LEAVES_IT_AS_IT_WAS", False) and request.session.testsfailed == failed


def _restore_installed(bed: Bed, installation: Installation) -> None:
    fresh_world(bed)
    for zone, records in installation.zones:
        made = [{key: record[key] for key in ("name", "type", "target", "ttl_sec") if key in record} for record in records]
        bed.services.control.put_zone(zone["domain"], made, soa_email=zone["soa_email"], ttl_sec=zone["ttl_sec"])
    bed.machine.restore("installed")
    wait_healthy(bed)


@pytest.fixture(scope="module")
def bare(bed: Bed) -> Bed:
    """A fresh machine, up, and nothing at Linode."""
    REUSABLE.clear()
    fresh_world(bed)
    bed.machine.restore("bare")
    return bed


@pytest.fixture
def fresh(bed: Bed) -> Bed:
    """A bare machine for one test, off, and nothing at Linode."""
    REUSABLE.clear()
    fresh_world(bed)
    bed.machine.restore("bare", boot=False)
    return bed


@pytest.fixture
def pristine(bed: Bed, installation: Installation) -> Bed:
    """The installed machine for one test that may break it, up and healthy."""
    assert installation.status == 0, f"the installation that this test starts from failed:\n{installation.console[-3000:]}"
    REUSABLE.clear()
    _restore_installed(bed, installation)
    return bed


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    """The client's; no account accepts it yet."""
    return Key.make(tmp_path_factory.mktemp("ssh"))


@pytest.fixture
def tootstrap(installed: Bed) -> Product:
    return Product(installed.machine)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """The end of the machine's console belongs to a failure's report."""
    outcome = yield
    report = outcome.get_result()
    bed = getattr(item, "funcargs", {}).get("bed")
    if report.failed and bed is not None:
        report.sections.append(("console of the machine", bed.machine.console()[-4000:]))
