"""Crash of the agent.

SIGKILL of the process that does the work, or of everything in its unit; then the same command again. Two disks to start from: `bare`, where
everything is still to do, and `prepared`, where the packages were installed by apt-get and the images pulled by docker beforehand, so that an
installation takes seconds and most points lie in what is the product's own.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from cases import Case, Results
from interrupted import Attempt, Undisturbed, begin, completed, cut_short
from moments import NAMED, Moment
from points import SEED, Point, Series, Tried, drawn
from product import UPLOADED
from testbed.bed import Bed

#: Of the same kinds of points, most start from `prepared`.
FROM_BARE = {"boundaries": 5, "moments": 9}
FROM_PREPARED = {"boundaries": 20, "moments": 22}

KILLS = "kills of the agent"


def strike(attempt: Attempt, whole: bool) -> None:
    """SIGKILL; the command that was typed tells of it and ends."""
    attempt.send(signal.SIGKILL, whole)
    cut_short(attempt.end())


def killed(bed: Bed, reference: Undisturbed) -> Callable[[Point, Tried, bool], None]:
    def one(point: Point, tried: Tried, thorough: bool) -> None:
        begin(bed, reference.snapshot)
        attempt = Attempt(bed.machine, UPLOADED)
        reached = point.reached(attempt)
        assert reached, f"the run ended before the point was reached: {attempt.end().explained()}"
        tried.struck_after = round(time.monotonic() - attempt.began, 2)
        tried.under_way, tried.ended = attempt.under_way(), len(attempt.ended())
        strike(attempt, point.whole)
        began = time.monotonic()
        run = completed(bed, UPLOADED, reference, thorough)
        tried.seconds = round(time.monotonic() - began, 2)
        tried.happened = f"{len(run.ids('unchanged'))} steps were done already, {len(run.ids('changed'))} were done then"

    return one


def series(bed: Bed, reference: Undisturbed, results: Results, case: Case, boundaries: int, moments: int) -> None:
    name = f"crash-{reference.snapshot}"
    points = drawn(reference, boundaries, moments, name)
    tried = Series(name, results.binary, killed(bed, reference)).run(points)
    failed = [one for one in tried if one.failure]
    case.tried = (
        f"SIGKILL at {boundaries} step boundaries and {moments} random moments inside `apply` of an installation {reference.disk} "
        f"(seed {SEED}); {sum(point.whole for point in points)} times everything in the unit, else the agent alone"
    )
    case.happened = f"{len(tried)} kills, {len(failed)} not recovered; each time the command ends with 1 and says what was done and how to go on"
    case.recovered = "the same command again: same end state as undisturbed, same secrets, then nothing to do"
    case.seconds = max(one.seconds for one in tried)
    case.count(KILLS, len(tried))
    assert not failed, "\n".join(f"{one.series} {one.number}, seed {one.seed}, {one.point}: {one.failure}" for one in failed)


@pytest.mark.parametrize("moment", [moment for moment in NAMED if moment.by_kill], ids=lambda moment: moment.id)
def test_at_a_named_moment(bed: Bed, request: pytest.FixtureRequest, case: Case, moment: Moment) -> None:
    reference: Undisturbed = request.getfixturevalue(moment.snapshot)
    case.tried = f"SIGKILL of the agent {moment.when}"
    begin(bed, reference.snapshot)
    attempt = Attempt(bed.machine, UPLOADED)
    with moment.reached(bed.machine, attempt):
        seen = moment.seen(bed.machine) if moment.lasts else ""
        strike(attempt, whole=False)
    case.happened = f"the command ends with 1 and says how to go on; {seen or moment.seen(bed.machine)}"
    case.count(KILLS)
    with case.timed():
        run = completed(bed, UPLOADED, reference, thorough=True)
    case.recovered = f"the same command again: {len(run.ids('unchanged'))} steps were done already, {len(run.ids('changed'))} were done then"


def test_on_a_machine_with_packages_and_images(bed: Bed, from_prepared: Undisturbed, results: Results, case: Case) -> None:
    series(bed, from_prepared, results, case, **FROM_PREPARED)


def test_on_a_bare_machine(bed: Bed, from_bare: Undisturbed, results: Results, case: Case) -> None:
    series(bed, from_bare, results, case, **FROM_BARE)
