"""Every module starts from a disk that a real installation left, or from a bare one (beds.py)."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]

import pytest  # noqa: E402
from beds import (  # noqa: E402, F401
    bare,
    bed,
    dist,
    fresh,
    installation,
    installed,
    key,
    pristine,
    pytest_runtest_makereport,
    stackscript,
    tootstrap,
)

#: Modules in the order in which the machine needs the fewest boots; others come last.
ORDER = (
    *("install", "secrets", "containers", "again", "break_and_cure", "dns_records", "single_user", "web_settings"),
    *("own_files", "browser", "firewall", "operator", "commands", "mail", "refusals", "download", "ways_in", "questions", "live", "documented", "bare_machine", "dns", "cloud_init", "machine_with_a_past"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {f"test_{name}.py": rank for rank, name in enumerate(ORDER)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))
