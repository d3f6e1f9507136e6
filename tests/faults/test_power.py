"""Power cuts.

The disk becomes what was synced at that moment (a copy of the live file system), so a missing fsync shows. Then the machine boots, goes on by
itself without the API token, which is never on the disk, and the same command with the token does what is left. Disks as for the crashes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest
from cases import Case, Results
from interrupted import PATIENCE, Attempt, Event, Journal, Undisturbed, begin, completed
from moments import NAMED, Moment
from points import SEED, Point, Series, Tried, drawn
from product import UPLOADED
from testbed.bed import Bed
from testbed.machine import Machine

FROM_BARE = {"boundaries": 5, "moments": 9}
FROM_PREPARED = {"boundaries": 18, "moments": 22}

CUTS = "power cuts"
RESUME = "tootstrap-resume.service"
#: From here on a restart of the machine goes on by itself.
RECORDED = "base/resume"
#: What a run without a token may have to leave.
NEED_THE_TOKEN = ("dns/", "edge/certificate")


#: What is on the disk after the cut decides what the machine does when it boots.
NOTHING_RECORDED = "nothing was recorded yet, so nothing ran by itself"
COMPLETE = "the installation was complete already"
BY_ITSELF = "finished by itself"
BUT_TOKEN = "finished by itself but for what needs the token"


def booted(bed: Bed, attempt: Attempt) -> str:
    """Boots after a power cut, waits until the machine has done what it does by itself, and says what that was."""
    machine = bed.machine
    recorded = RECORDED in attempt.ended()
    attempt.end()
    enabled = machine.exists(f"/etc/systemd/system/multi-user.target.wants/{RESUME}")
    complete = machine.exists("/var/lib/tootstrap/complete")
    assert enabled or not recorded, f"{RESUME} was enabled, and the power cut lost that"
    machine.boot()
    if complete:
        return COMPLETE
    return by_itself(machine) if enabled else NOTHING_RECORDED


def by_itself(machine: Machine) -> str:
    limit = time.monotonic() + PATIENCE
    while (state := properties(machine))["ActiveState"] in ("active", "activating"):
        assert time.monotonic() < limit, f"{RESUME} does not end: {last_run(machine)[-5:]}"
        time.sleep(0.5)
    events = last_run(machine)
    outcomes = {event["id"]: event for event in events if event["event"] == "step"}
    bad = [event for event in outcomes.values() if event["outcome"] in ("failed", "blocked", "stopped")]
    assert state["ConditionResult"] == "yes", f"{RESUME} did not run: {state}"
    log = machine.sh(f"journalctl -u {RESUME} -o cat --no-pager | tail -n 30")
    assert state["ExecMainStatus"] in ("0", "4") and not bad, f"{RESUME} ended with {state['ExecMainStatus']}: {bad}\n{log}"
    waiting = {step: event for step, event in outcomes.items() if event["outcome"] == "waiting"}
    for step, event in waiting.items():
        assert step.startswith(NEED_THE_TOKEN) and event["remedy"], f"waits although it needs no token: {event}"
    if waiting:
        assert any("--linode-token-file" in event["remedy"] for event in waiting.values()), waiting
    return BUT_TOKEN if waiting else BY_ITSELF


def properties(machine: Machine) -> dict[str, str]:
    names = "ActiveState,ConditionResult,ExecMainStatus"
    lines = machine.run(["systemctl", "show", "--property", names, RESUME]).stdout.decode().splitlines()
    return dict(line.split("=", 1) for line in lines)


def last_run(machine: Machine) -> list[Event]:
    events = Journal(machine).news()
    starts = [number for number, event in enumerate(events) if event["event"] == "started"]
    return events[starts[-1] :] if starts else []


def without_power(bed: Bed, reference: Undisturbed) -> Callable[[Point, Tried, bool], None]:
    def one(point: Point, tried: Tried, thorough: bool) -> None:
        begin(bed, reference.snapshot)
        attempt = Attempt(bed.machine, UPLOADED)
        reached = point.reached(attempt)
        assert reached, f"the run ended before the point was reached: {attempt.end().explained()}"
        tried.struck_after = round(time.monotonic() - attempt.began, 2)
        tried.under_way, tried.ended = attempt.under_way(), len(attempt.ended())
        began = time.monotonic()
        bed.machine.power_cut()
        tried.happened = booted(bed, attempt)
        completed(bed, UPLOADED, reference, thorough)
        tried.seconds = round(time.monotonic() - began, 2)

    return one


def series(bed: Bed, reference: Undisturbed, results: Results, case: Case, boundaries: int, moments: int) -> None:
    name = f"power-{reference.snapshot}"
    tried = Series(name, results.binary, without_power(bed, reference)).run(drawn(reference, boundaries, moments, name))
    failed = [one for one in tried if one.failure]
    how = Counter(one.happened for one in tried if not one.failure)
    case.tried = (
        f"power cut at {boundaries} step boundaries and {moments} random moments inside `apply` of an installation {reference.disk} "
        f"(seed {SEED})"
    )
    case.happened = f"{len(tried)} cuts, {len(failed)} not recovered; after the boot: " + "; ".join(f"{count} times {what}" for what, count in how.most_common())
    case.recovered = "the same command with the token: same end state as undisturbed, same secrets, then nothing to do"
    case.seconds = max(one.seconds for one in tried)
    case.count(CUTS, len(tried))
    assert not failed, "\n".join(f"{one.series} {one.number}, seed {one.seed}, {one.point}: {one.failure}" for one in failed)


@pytest.mark.parametrize("moment", [moment for moment in NAMED if moment.by_power], ids=lambda moment: moment.id)
def test_at_a_named_moment(bed: Bed, request: pytest.FixtureRequest, case: Case, moment: Moment) -> None:
    reference: Undisturbed = request.getfixturevalue(moment.snapshot)
    case.tried = f"power cut {moment.when}"
    begin(bed, reference.snapshot)
    attempt = Attempt(bed.machine, UPLOADED)
    with moment.reached(bed.machine, attempt):
        seen = moment.seen(bed.machine) if moment.lasts else ""
        bed.machine.power_cut()
    seen = seen or moment.seen(bed.machine)
    case.count(CUTS)
    with case.timed():
        how = booted(bed, attempt)
        run = completed(bed, UPLOADED, reference, thorough=True)
    case.happened = f"{seen}; after the boot: {how}"
    case.recovered = f"the same command with the token: {len(run.ids('unchanged'))} steps were done already, {len(run.ids('changed'))} were done then"


def test_on_a_machine_with_packages_and_images(bed: Bed, from_prepared: Undisturbed, results: Results, case: Case) -> None:
    series(bed, from_prepared, results, case, **FROM_PREPARED)


def test_on_a_bare_machine(bed: Bed, from_bare: Undisturbed, results: Results, case: Case) -> None:
    series(bed, from_bare, results, case, **FROM_BARE)
