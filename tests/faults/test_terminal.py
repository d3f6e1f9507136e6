"""The terminal closes.

Somebody installs over SSH, and the connection or the window goes away.
"""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from cases import Case
from doors import BY_PASSWORD, OPTIONS
from endstate import nothing_to_do
from locks import held
from product import DONE, INSTALLED, Product
from recovery import Undisturbed, flowing, until
from testbed import layout as where
from testbed.bed import Bed
from testbed.build.debian_root import ROOT_PASSWORD

pytestmark = pytest.mark.quick

LEAVES_IT_AS_IT_WAS = True

#: Nothing depends on it.
PACKAGE = "fail2ban"
LOCK = "/var/lib/dpkg/lock-frontend"
UNIT = "tootstrap-work.service"
JOURNAL = "/var/lib/tootstrap/journal.jsonl"


def in_a_terminal(bed: Bed, command: str) -> subprocess.Popen[bytes]:
    """On a terminal of the machine, as root, over SSH from the client. It closes when this process is killed."""
    options = [part for option in (*OPTIONS, *BY_PASSWORD) for part in ("-o", option)]
    argv = ["sshpass", "-e", "ssh", "-F", "none", "-tt", *options, f"root@{where.MACHINE_V4}", command]
    env = {**bed.client.environment(), "SSHPASS": ROOT_PASSWORD, "TERM": "xterm"}
    return subprocess.Popen(
        bed.client.entering(argv), env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def watchers(bed: Bed) -> list[str]:
    """Processes on terminals that run `tootstrap install`."""
    return bed.machine.sh("ps -e -o tty=,args= | grep '^pts.*tootstrap install' || true").splitlines()


def worker(bed: Bed) -> tuple[str, str]:
    """The unit's state and its process."""
    shown = bed.machine.sh(f"systemctl show -p ActiveState -p MainPID --value {UNIT}").split()
    pid, state = sorted(shown)
    return state, pid


def test_the_work_goes_on(installed: Bed, case: Case) -> None:
    case.tried = "`install` in a terminal over SSH, which closes while it waits for dpkg's lock"
    machine = installed.machine
    undisturbed = Undisturbed.of(installed)
    machine.run(["apt-get", "remove", "-y", "-q", PACKAGE], env={"DEBIAN_FRONTEND": "noninteractive"})
    before = len(machine.get(JOURNAL))
    with held(installed, LOCK, 600):
        terminal = in_a_terminal(installed, f"{INSTALLED} install")
        until(lambda: b"(python3)" in machine.get(JOURNAL)[before:], 60, "the run waits for the lock")
        assert watchers(installed)
        state, pid = worker(installed)
        assert state == "active"
        os.killpg(terminal.pid, signal.SIGKILL)
        terminal.wait()
        until(lambda: not watchers(installed), 30, "the terminal is gone")
        assert worker(installed) == ("active", pid)
        attached = machine.popen([INSTALLED, "attach"])
        assert attached.stdout is not None
        seen = b""
        while b"(python3)" not in seen:
            seen += (line := attached.stdout.readline())
            assert line, f"attach ended:\n{seen.decode()}"
    with case.timed():
        rest, _ = attached.communicate(timeout=300)
    said = flowing((seen + rest).decode())
    assert attached.returncode == DONE, said[-3000:]
    assert "host/packages" in said and "Result:" in said, said[-3000:]
    case.happened = "the work goes on in its unit, in the same process; `tootstrap attach` shows it from its beginning to its end, with its exit status"
    again = Product(machine).plain("attach")
    assert again.status == DONE and "Result:" in flowing(again.text), again.text[-2000:]
    nothing_to_do(Product(machine))
    undisturbed.same(installed)
    case.recovered = "not needed: the installation finishes"
