"""Nothing of a bed stays: not after an error, not after SIGTERM, not after kill -9 and `bed down`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed import net
from testbed.bed import Bed
from testbed.layout import Layout
from testbed.sh import BedError
from testbed.traces import traces

NAME = "selftest"
COMMAND = str(Path(__file__).with_name("bed"))

USER = f"""
import time
from testbed.bed import Bed
with Bed({NAME!r}, services=False) as bed:
    bed.machine.sh("fallocate -l 32M /swapfile; chmod 600 /swapfile; mkswap /swapfile; swapon /swapfile")
    print("up", flush=True)
    time.sleep(600)
"""


def other_process(*within: str) -> subprocess.Popen[str]:
    """A process with a bed, up and with swap on; started by the command `within`."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen([*within, sys.executable, "-c", USER], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    return process


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    assert traces(NAME) == {}
    yield
    subprocess.run([COMMAND, "--name", NAME, "--force", "down"], check=True)
    assert traces(NAME) == {}


def test_sigterm() -> None:
    process = other_process()
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM
    assert traces(NAME) == {}


def test_kill_9_then_down() -> None:
    process = other_process()
    process.kill()
    process.wait()
    assert {"namespaces", "mounts", "loops", "swap", "cgroups", "iptables", "processes"} <= traces(NAME).keys()
    subprocess.run([COMMAND, "--name", NAME, "down"], check=True)
    assert traces(NAME) == {}


def test_all_was_killed_in_another_mount_namespace_then_down() -> None:
    """As when a whole test run in a chroot is ended: what it mounted cannot be seen, only its loop devices and its swap."""
    process = other_process("unshare", "--mount", "--propagation", "private")
    pids = [str(process.pid), *(line.split()[0] for line in traces(NAME)["processes"])]
    subprocess.run(["kill", "-9", *pids], check=True)
    process.wait()
    assert "swap" in traces(NAME)
    subprocess.run([COMMAND, "--name", NAME, "down"], check=True)
    assert traces(NAME) == {}


def test_kill_9_then_up_again() -> None:
    process = other_process()
    process.kill()
    process.wait()
    with Bed(NAME, services=False) as bed:
        assert not bed.machine.exists("/swapfile")
    assert traces(NAME) == {}


def test_an_exception_twice_in_a_row() -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), Bed(NAME, services=False, boot=False):
            raise ZeroDivisionError
        assert traces(NAME) == {}


def test_an_error_half_way_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def trouble(*_: object) -> None:
        raise BedError("no boot today")

    bed = Bed(NAME, services=False)
    monkeypatch.setattr(bed.machine, "boot", trouble)
    with pytest.raises(BedError, match="no boot today"):
        bed.up()
    assert traces(NAME) == {}


def test_a_bed_in_use_is_not_taken_over() -> None:
    process = other_process()
    with pytest.raises(BedError, match=f"in use by process {process.pid}"):
        Bed(NAME, services=False).up()
    assert net.exists(Layout(NAME).rtr)
    process.terminate()
    process.wait(30)


def test_a_machine_started_later_does_not_hold_the_disk() -> None:
    """Each container has a hidden copy of the mounts that were there when it started."""
    first = Bed(NAME, services=False)
    first.up()
    with Bed("selftes2", services=False):
        first.down()
        assert traces(NAME) == {}
    assert traces("selftes2") == {}
