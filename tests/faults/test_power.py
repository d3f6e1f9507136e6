"""Power cuts.

The disk becomes what was synced at that moment (a copy of the live file system), so a missing fsync shows. Then the machine boots, goes on by
itself without the API token, which is never on the disk, loses its power again, and so on; in the end the same command with the token does what
is left. Disks as for the crashes.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest
from cases import Case
from chains import SEED, Chain, Point
from interrupted import PATIENCE, Attempt, Event, Journal, Undisturbed, Watch, begin, completed
from moments import NAMED, Moment
from product import DONE, UPLOADED
from testbed.bed import Bed
from testbed.machine import Machine

#: Fixture of the disk, and how many power cuts a chain has at most: so many that the chain takes minutes.
CHAINS = [("from_bare", 10), *[("from_prepared", 20)] * 5]

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
AT_IT = "went on by itself"
BUT_TOKEN = "finished by itself but for what needs the token"


class ByItself(Watch):
    """The run that the machine begins when it boots. It must exist before the boot, while the journal is still that of earlier runs."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.journal.news()
        self.asked, self.active = 0.0, True

    @property
    def runs(self) -> bool:
        """Asked twice a second: each question is a process in the machine."""
        if time.monotonic() - self.asked > 0.5:
            self.active = is_at_work(self.machine)
            self.asked = time.monotonic()
        return self.active


def is_at_work(machine: Machine) -> bool:
    return properties(machine)["ActiveState"] in ("active", "activating")


def what_follows(machine: Machine, recorded: bool) -> str:
    """What the disk, after a power cut, makes the machine do when it boots. `recorded`: the unit was enabled before the cut."""
    enabled = machine.exists(f"/etc/systemd/system/multi-user.target.wants/{RESUME}")
    assert enabled or not recorded, f"{RESUME} was enabled, and the power cut lost that"
    if machine.exists("/var/lib/tootstrap/complete"):
        return COMPLETE
    return BY_ITSELF if enabled else NOTHING_RECORDED


def booted(bed: Bed, attempt: Attempt) -> str:
    """Boots after a power cut, waits until the machine has done what it does by itself, and says what that was."""
    recorded = RECORDED in attempt.ended()
    attempt.end()
    follows = what_follows(bed.machine, recorded)
    bed.machine.boot()
    return by_itself(bed.machine) if follows == BY_ITSELF else follows


def by_itself(machine: Machine) -> str:
    limit = time.monotonic() + PATIENCE
    while is_at_work(machine):
        assert time.monotonic() < limit, f"{RESUME} does not end: {last_run(machine)[-5:]}"
        time.sleep(0.5)
    state, events = properties(machine), last_run(machine)
    outcomes = {event["id"]: event for event in events if event["event"] == "step"}
    bad = [event for event in outcomes.values() if event["outcome"] in ("failed", "blocked", "stopped")]
    assert state["ConditionResult"] == "yes", f"{RESUME} did not run: {state}"
    log = machine.sh(f"journalctl -b -u {RESUME} -o cat --no-pager | tail -n 30; journalctl -b -u docker -o cat --no-pager | tail -n 30")
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


@pytest.mark.parametrize(("disk", "cuts", "number"), [(*chain, number) for number, chain in enumerate(CHAINS)])
def test_again_and_again(bed: Bed, request: pytest.FixtureRequest, case: Case, disk: str, cuts: int, number: int) -> None:
    reference: Undisturbed = request.getfixturevalue(disk)
    chain = Chain(bed, reference, f"power cuts {number}", stride=9)
    how: Counter[str] = Counter()
    begin(bed, reference.snapshot)
    watch: Watch = Attempt(bed.machine, UPLOADED)
    recorded = False

    def cut(_point: Point) -> bool:
        bed.machine.power_cut()
        chain.keep_secrets()
        case.count(CUTS)
        return True

    while True:
        if len(chain.strikes) < cuts and chain.strike(watch, cut):
            recorded = recorded or RECORDED in watch.ended()
            watch = after_the_cut(bed.machine, watch, recorded, how)
        elif isinstance(watch, ByItself):
            how[by_itself(bed.machine)] += 1
            watch = Attempt(bed.machine, UPLOADED)
        else:
            break
    with case.timed():
        last = watch.end()
        assert last.status == DONE, f"{chain}: {last.explained()}"
        chain.ended()
    case.tried = f"power cut during an installation {reference.disk}, during what the machine does by itself after it boots, and so on (seed {SEED})"
    case.happened = f"{len(chain.strikes)} cuts: {chain.counted()}; after the boots: " + ", ".join(f"{count} times {what}" for what, count in how.most_common())
    case.recovered = "in the end the same command with the token: same end state as undisturbed, same secrets, then nothing to do"
    assert chain.strikes, "the first run ended before it was struck"


def after_the_cut(machine: Machine, watch: Watch, recorded: bool, how: Counter[str]) -> Watch:
    """Boots. The run that the machine begins by itself, or else the one that somebody types."""
    if isinstance(watch, Attempt):
        watch.end()
    follows = what_follows(machine, recorded)
    how[AT_IT if follows == BY_ITSELF else follows] += 1
    goes_on = ByItself(machine) if follows == BY_ITSELF else None
    machine.boot()
    return goes_on or Attempt(machine, UPLOADED)
