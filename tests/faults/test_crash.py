"""Crash of the agent.

SIGKILL of the process that does the work, or of everything in its unit; then the same command again, which is killed as well, until one run comes
to its end. Two disks to start from: `bare`, where everything is still to do, and `prepared`, where the packages were installed by apt-get and the
images pulled by docker beforehand, so that an installation takes seconds and most points lie in what is the product's own.
"""

from __future__ import annotations

import signal

import pytest
from cases import Case
from chains import SEED, Chain, Point
from interrupted import Attempt, Undisturbed, begin, completed, cut_short
from moments import NAMED, Moment
from product import DONE, UPLOADED
from testbed.bed import Bed

#: Fixture of the disk, and how many kills a chain has at most: so many that the chain takes minutes.
CHAINS = [("from_bare", 14), *[("from_prepared", 25)] * 5]

KILLS = "kills of the agent"


def strike(attempt: Attempt, whole: bool) -> bool:
    """SIGKILL; the command that was typed tells of it and ends. False: the work was over already."""
    if not attempt.send(signal.SIGKILL, whole):
        return False
    cut_short(attempt.end())
    return True


@pytest.mark.parametrize("moment", [moment for moment in NAMED if moment.by_kill], ids=lambda moment: moment.id)
def test_at_a_named_moment(bed: Bed, request: pytest.FixtureRequest, case: Case, moment: Moment) -> None:
    reference: Undisturbed = request.getfixturevalue(moment.snapshot)
    case.tried = f"SIGKILL of the agent {moment.when}"
    begin(bed, reference.snapshot)
    attempt = Attempt(bed.machine, UPLOADED)
    with moment.reached(bed.machine, attempt):
        seen = moment.seen(bed.machine) if moment.lasts else ""
        assert strike(attempt, whole=False)
    case.happened = f"the command ends with 1 and says how to go on; {seen or moment.seen(bed.machine)}"
    case.count(KILLS)
    with case.timed():
        run = completed(bed, UPLOADED, reference, thorough=True)
    case.recovered = f"the same command again: {len(run.ids('unchanged'))} steps were done already, {len(run.ids('changed'))} were done then"


@pytest.mark.parametrize(("disk", "kills", "number"), [(*chain, number) for number, chain in enumerate(CHAINS)])
def test_again_and_again(bed: Bed, request: pytest.FixtureRequest, case: Case, disk: str, kills: int, number: int) -> None:
    reference: Undisturbed = request.getfixturevalue(disk)
    chain = Chain(bed, reference, f"kills {number}", stride=5)
    begin(bed, reference.snapshot)
    while True:
        attempt = Attempt(bed.machine, UPLOADED)

        def kill(point: Point, attempt: Attempt = attempt) -> bool:
            if not strike(attempt, point.whole):
                return False
            chain.keep_secrets()
            case.count(KILLS)
            return True

        if len(chain.strikes) == kills or not chain.strike(attempt, kill):
            break
    with case.timed():
        last = attempt.end()
        assert last.status == DONE, f"{chain}: {last.explained()}"
        chain.ended()
    case.tried = f"SIGKILL of an installation {reference.disk}, of the next that goes on with it, and so on (seed {SEED})"
    case.happened = f"{len(chain.strikes)} kills in a row: {chain.counted()}; each command ends with 1 and says what was done and how to go on"
    case.recovered = "the last one comes to its end: same end state as undisturbed, same secrets since they were made, then nothing to do"
    assert chain.strikes, "the first run ended before it was struck"
