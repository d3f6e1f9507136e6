"""Faults on the real machine. Each test is one case of docs/reliability.md: `case` notes what was tried, what happened, how it recovered.

`make test` runs the cases marked `quick`, `make test-faults` all. The fixtures are those of the end-to-end tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "e2e"), str(TESTS / "faults")]

import pytest  # noqa: E402
from beds import (  # noqa: E402, F401
    bare,
    bed,
    dist,
    fresh,
    installation,
    installed,
    pristine,
    stackscript,
    tootstrap,
)
from beds import pytest_runtest_makereport as console_to_report  # noqa: E402
from cases import Case, Results, fingerprint_of  # noqa: E402
from snapshots import from_bare, from_prepared  # noqa: E402, F401

#: Why the test failed; empty: it passed.
FAILURE = pytest.StashKey[str]()


#: Characters of it that the record keeps.
LONGEST = 1000


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "quick: part of `make test`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest module first, so that of two processes none waits for it at the end."""
    items.sort(key=lambda item: item.path.stem != "test_machine_small")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    yield from console_to_report(item)
    if call.when == "call":
        item.stash[FAILURE] = call.excinfo.exconly()[:LONGEST] if call.excinfo else ""


@pytest.fixture(scope="session")
def results(dist: Path) -> Results:
    return Results(binary=fingerprint_of(dist))


@pytest.fixture
def case(request: pytest.FixtureRequest, results: Results) -> Iterator[Case]:
    """The line of this test in the table of results."""
    made = Case(id=f"{request.path.stem}::{request.node.name}", group=(request.module.__doc__ or "").partition("\n")[0].rstrip("."))
    yield made
    made.failure = request.node.stash.get(FAILURE, "the test did not run to its end")
    made.passed = not made.failure
    results.keep(made)
