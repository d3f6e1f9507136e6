"""Signals, and a terminal that closes.

The first SIGINT or SIGTERM drains, the second ends what runs; SIGHUP means nothing to the agent; the command that was typed only watches. Disks
as for the crashes.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
import threading
import time
from contextlib import suppress

import pytest
from cases import Case
from interrupted import COMMAND, FIELDS, PATIENCE, UNIT, Attempt, Event, Undisturbed, as_undisturbed, begin, completed
from moments import at_output, half_installed
from product import DONE, UPLOADED, Product, Run
from testbed import layout as where
from testbed import procs
from testbed.bed import Bed
from testbed.machine import Machine


def to_the_command(attempt: Attempt, number: signal.Signals) -> None:
    """To the process that was typed; nsenter around it passes on no signal, only the exit status."""
    (typed,) = procs.children(attempt.process.pid)
    os.kill(typed, number)


def at_work_on(attempt: Attempt, step: str) -> None:
    """The step has begun, and a command of it runs."""
    assert attempt.until(lambda event: (event["event"], event.get("id")) == ("applying", step)), f"{step} was not reached"
    while len(attempt.pids()) < 2:
        assert attempt.runs
        attempt.lasts(0.01)


def stopped(run: Run, attempt: Attempt) -> str:
    """Nothing failed, something was left out, and after the first that was, nothing new began. Says how many steps there were of each kind."""
    attempt.until(lambda _event: False)
    outcomes = [event["outcome"] for event in attempt.seen if event["event"] == "step"]
    assert "stopped" in outcomes and not {"failed", "blocked"} & set(outcomes), run.explained()
    first = next(number for number, event in enumerate(attempt.seen) if event.get("outcome") == "stopped")
    late = [event["id"] for event in attempt.seen[first:] if event["event"] == "applying"]
    assert not late, f"began although the run was being stopped: {late}"
    return f"{outcomes.count('changed')} steps were changed, {outcomes.count('stopped')} left out"


def outcome_of(attempt: Attempt, step: str) -> str:
    return next(event["outcome"] for event in attempt.seen if event["event"] == "step" and event["id"] == step)


def test_ctrl_c_while_dpkg_unpacks(bed: Bed, from_bare: Undisturbed, case: Case) -> None:
    case.tried = "SIGINT (Ctrl-C) while dpkg unpacks packages"
    attempt = start(bed, from_bare)
    for _ in at_output("base/packages", "Unpacking docker-ce ")(bed.machine, attempt):
        to_the_command(attempt, signal.SIGINT)
    run = attempt.end()
    assert run.status == 128 + signal.SIGINT, run.explained()
    counted = stopped(run, attempt)
    assert outcome_of(attempt, "base/packages") == "changed", "dpkg was not let finish"
    what, torn = half_installed(bed.machine)
    assert not torn, what
    case.happened = f"dpkg finishes, nothing else begins ({counted}), exit 130"
    recovered(bed, from_bare, case)


def test_ctrl_c_twice_while_dpkg_unpacks(bed: Bed, from_bare: Undisturbed, case: Case) -> None:
    case.tried = "SIGINT (Ctrl-C) twice while dpkg unpacks packages"
    attempt = start(bed, from_bare)
    for _ in at_output("base/packages", "Unpacking docker-ce ")(bed.machine, attempt):
        to_the_command(attempt, signal.SIGINT)
        attempt.lasts(0.5)
        to_the_command(attempt, signal.SIGINT)
    run = attempt.end()
    assert run.status == 128 + signal.SIGINT, run.explained()
    counted = stopped(run, attempt)
    what, torn = half_installed(bed.machine)
    assert torn and outcome_of(attempt, "base/packages") == "stopped", f"dpkg was not ended: {what}"
    case.happened = f"dpkg is ended ({what}; {counted}), exit 130"
    recovered(bed, from_bare, case)


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 1), (signal.SIGTERM, 2), (signal.SIGINT, 1)], ids=lambda value: str(value))
def test_a_signal_to_the_agent(bed: Bed, from_prepared: Undisturbed, case: Case, number: signal.Signals, times: int) -> None:
    case.tried = f"{number.name} to the agent itself, {('once', 'twice')[times - 1]}, while Rails prepares the database"
    attempt = start(bed, from_prepared)
    at_work_on(attempt, "app/database")
    attempt.send(number)
    if times == 2:
        attempt.lasts(0.5)
        attempt.send(number)
    run = attempt.end()
    assert run.status == 128 + signal.SIGTERM, run.explained()
    counted = stopped(run, attempt)
    database = outcome_of(attempt, "app/database")
    assert database == ("changed", "stopped")[times - 1], run.explained()
    case.happened = f"{('Rails finishes', 'Rails is ended')[times - 1]}, nothing new begins ({counted}), exit 143"
    recovered(bed, from_prepared, case)


def test_hang_up_of_the_agent(bed: Bed, from_prepared: Undisturbed, case: Case) -> None:
    case.tried = "SIGHUP to the agent"
    attempt = start(bed, from_prepared)
    at_work_on(attempt, "app/database")
    assert attempt.send(signal.SIGHUP)
    run = attempt.end()
    assert run.status == DONE, run.explained()
    as_undisturbed(bed, from_prepared, {}, thorough=False)
    case.happened = "nothing: the installation ends as if it had not come, exit 0"
    case.recovered = "not needed"


def test_the_command_is_ended(bed: Bed, from_prepared: Undisturbed, case: Case) -> None:
    case.tried = "SIGTERM to the command that was typed"
    attempt = start(bed, from_prepared)
    at_work_on(attempt, "app/database")
    to_the_command(attempt, signal.SIGTERM)
    run = attempt.end()
    assert run.status == 128 + signal.SIGTERM and "the work goes on without this window" in run.text, run.explained()
    with case.timed():
        finished_alone(bed.machine, attempt)
    as_undisturbed(bed, from_prepared, {}, thorough=False)
    case.happened = "it says that the work goes on and how to see it, exit 143; the agent finishes"
    case.recovered = "not needed"


def test_the_terminal_closes(bed: Bed, from_prepared: Undisturbed, case: Case) -> None:
    case.tried = "the terminal in which `install` was typed closes (SIGHUP of the pseudo-terminal)"
    begin(bed, from_prepared.snapshot)
    master, attempt = in_a_terminal(bed.machine)
    at_work_on(attempt, "app/database")
    os.close(master)
    status = attempt.end().status
    assert status in (-signal.SIGHUP, 128 + signal.SIGHUP), f"the command ended with {status}"
    typed = f"{UPLOADED} install"
    assert not bed.machine.run(["pgrep", "-f", typed], check=False).stdout, "the command lives on without its terminal"
    shown = Product(bed.machine).plain("status")
    assert shown.status == 4 and "is being set up since" in shown.text, shown.text
    with case.timed():
        finished_alone(bed.machine, attempt)
    as_undisturbed(bed, from_prepared, {}, thorough=True)
    case.happened = "the command is gone with it; the agent works on in its unit, `status` shows it (exit 4), and it finishes"
    case.recovered = "not needed"


def start(bed: Bed, reference: Undisturbed) -> Attempt:
    begin(bed, reference.snapshot)
    return Attempt(bed.machine, UPLOADED)


def recovered(bed: Bed, reference: Undisturbed, case: Case) -> None:
    with case.timed():
        run = completed(bed, UPLOADED, reference, thorough=False)
    case.recovered = f"the same command again: {len(run.ids('unchanged'))} steps were done already, {len(run.ids('changed'))} were done then"


def finished_alone(machine: Machine, attempt: Attempt) -> Event:
    """Waits for the agent's last event: done, nothing left."""
    limit = time.monotonic() + PATIENCE
    events: list[Event] = []
    while not any(event["event"] == "finished" for event in events):
        assert time.monotonic() < limit, f"the agent does not finish: {events[-3:]}"
        time.sleep(0.1)
        events += attempt.journal.news()
    assert events[-1]["complete"], events[-1]
    while machine.run(["systemctl", "is-active", "--quiet", UNIT], check=False).returncode == 0:
        assert time.monotonic() < limit, f"{UNIT} does not end"
        time.sleep(0.2)
    return events[-1]


def in_a_terminal(machine: Machine) -> tuple[int, Attempt]:
    """`install` typed in a terminal of its own; gives the terminal's other end."""
    master, slave = pty.openpty()
    leader = machine.leader()
    assert leader

    def in_its_session() -> None:
        machine.cgroup.join_beside(leader)
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    argv = machine.entering([UPLOADED, *COMMAND], FIELDS | {"LINODE_TOKEN": where.TOKEN, "TERM": "xterm"})
    process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, preexec_fn=in_its_session, start_new_session=True)
    os.close(slave)
    threading.Thread(target=_read, args=(master,), daemon=True).start()
    return master, Attempt(machine, UPLOADED, process)


def _read(master: int) -> None:
    """As a terminal does; what nobody reads would hold up the command."""
    with suppress(OSError):
        while os.read(master, 4096):
            pass
