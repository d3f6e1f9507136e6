"""Writes docs/reliability.md from the records in docs/reliability: `report.py`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "e2e"), str(TESTS / "faults")]

from cases import DIRECTORY, EARLIER, Case, all_cases  # noqa: E402

PAGE = TESTS.parent / "docs" / "reliability.md"
#: Written by hand: remaining findings and why they are left, defects found on the way.
NOTES = TESTS / "faults" / "notes.md"

HEAD = """\
# Reliability: what was tried, and what happened

Written by `make test-faults` (`tests/faults/report.py`) from the records in [reliability/](reliability/); do not edit. Each line is one test in
`tests/faults/` on a real Debian 11 machine in the pocket internet, with the unmodified binary. *Seconds*: until everything was as wanted again, on
the machine that ran the test. Afterwards, in every case that passed: a further `tootstrap install` changes nothing, and secrets, accounts and
posts made before are what they were.
"""


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or "-"


def line(case: Case) -> str:
    seconds = "" if case.seconds is None else f"{case.seconds:.0f}"
    happened = cell(case.happened) if case.passed else f"**FAILED** {cell(f'{case.happened} {case.failure}')}"
    return f"| {cell(case.tried or case.id)} | {happened} | {cell(case.recovered)} | {seconds} |"


def page(cases: list[Case]) -> str:
    groups: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: case.id):
        groups.setdefault(case.group, []).append(case)
    counts = sum((Counter(case.counts) for case in cases), Counter())
    counts["fuzz executions"] = sum(row["executions"] for row in fuzz_runs())
    failed = sum(not case.passed for case in cases)
    parts = [HEAD, f"{len(cases)} cases, {failed} failed. {tried(cases)}\n"]
    if +counts:
        parts.append("| counted | number |\n|---|---:|\n" + "\n".join(f"| {what} | {number:,} |" for what, number in sorted((+counts).items())) + "\n")
    for group, members in sorted(groups.items()):
        parts.append(f"## {group}\n\n| tried | what happened | recovered | seconds |\n|---|---|---|---:|\n" + "\n".join(map(line, members)) + "\n")
    parts += fuzzing()
    parts += audits()
    if NOTES.exists():
        parts.append(NOTES.read_text())
    return "\n".join(parts)


def tried(cases: list[Case]) -> str:
    """Which binaries the cases ran with, and how many with each."""
    number = Counter(case.binary for case in cases)
    earlier = number.pop(EARLIER, 0)
    said = []
    if number:
        said.append("Binaries tried (SHA-256, first digits): " + ", ".join(f"`{name}` ({number[name]} cases)" for name in sorted(number)) + ".")
    if earlier:
        said.append(f"{earlier} cases ran before there were records: their lines are those of the page of then, and what they count is what they say.")
    return "\n".join(said)


def fuzz_runs() -> list[dict]:
    """What tests/fuzz/run.py wrote, a target a row."""
    path = DIRECTORY / "fuzz.json"
    return json.loads(path.read_text())["fuzz"] if path.exists() else []


def fuzzing() -> list[str]:
    """The table of the fuzz runs, if there were any."""
    lines = [f"| {row['target']} | {row['executions']:,} | {row['crashes']} | {row['seconds']:.0f} |" for row in fuzz_runs()]
    if not lines:
        return []
    return ["## Fuzzing\n\n| target | executions | crashes | seconds |\n|---|---:|---:|---:|\n" + "\n".join(lines) + "\n"]


def audits() -> list[str]:
    """What lynis, ssh-audit and testssl.sh say before and after, and why each remaining finding is left."""
    looks = [json.loads(path.read_text()) for path in sorted((DIRECTORY / "audits").glob("*.json"))]
    if not looks:
        return []
    lines = [f"| {look['tool']} | {look['when']} | {cell(look['score'])} | {len(look['findings'])} |" for look in looks]
    parts = ["## Audits\n\n| tool | when | it says | findings |\n|---|---|---|---:|\n" + "\n".join(lines) + "\n"]
    for look in looks:
        if look["when"] == "after" and look["findings"]:
            rows = [f"| {cell(found['id'])} | {cell(found['text'])} | {cell(found['why'])} |" for found in look["findings"]]
            parts.append(f"### What {look['tool']} still finds\n\n| finding | it says | why it is left |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    return parts


def main() -> int:
    cases = all_cases()
    if not cases:
        print(f"no results in {DIRECTORY}: run tests/run.py faults first", file=sys.stderr)
        return 1
    PAGE.write_text(page(cases))
    print(f"{PAGE}: {len(cases)} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
