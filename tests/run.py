"""Runs every stage of `make test`, shows each one's output, and closes with how many tests passed and failed.

A stage that is no test runner (format, clippy) counts as one test. Usage: run.py [stage …]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
CARGO_DENY = "0.20.2"
TOOLS = Path(os.environ.get("TOOTSTRAP_CACHE") or Path.home() / ".cache" / "tootstrap") / f"cargo-deny-{CARGO_DENY}"


@dataclass
class Result:
    """Tests that passed and failed in one stage, checks that could not be made here, and its length in seconds."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0


def plain(argv: list[str]) -> Result:
    """One command is one test: it passes if it exits 0."""
    code = subprocess.run(argv, cwd=ROOT, check=False).returncode
    return Result(passed=int(code == 0), failed=int(code != 0))


def cargo_test(argv: list[str]) -> Result:
    """Counts what `cargo test` reports for each of its binaries. A run that does not even compile is one failure."""
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        result = Result()
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="")
            if counts := re.match(r"test result: \w+\. (\d+) passed; (\d+) failed", line):
                result.passed += int(counts[1])
                result.failed += int(counts[2])
    if process.returncode != 0 and result.failed == 0:
        result.failed = 1
    return result


def pytest(paths: list[str], **variables: str) -> Result:
    """Counts from pytest's own machine-readable report. No test at all is a failure. `variables`: of the environment."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        argv = [PYTHON, "-m", "pytest", "-ra", "--color=no", "-p", "no:cacheprovider", f"--junitxml={report.name}", *paths]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "tests"), "PYTHONDONTWRITEBYTECODE": "1"} | variables
        code = subprocess.run(argv, cwd=ROOT, env=environment, check=False).returncode
        content = Path(report.name).read_text()
    if not content:
        return Result(failed=1)
    suite = next(xml.fromstring(content).iter("testsuite"))
    count = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
    bad = count["failures"] + count["errors"]
    passed = count["tests"] - bad - count["skipped"]
    return Result(passed=passed, failed=bad or int(code != 0 or passed == 0), skipped=count["skipped"])


def deny() -> Result:
    """What Cargo.lock may hold (deny.toml), a check a test. The advisories come from GitHub: without it that check is skipped, not passed."""
    tool = TOOLS / "bin" / "cargo-deny"
    # Crates of other platforms are judged as well, and building did not fetch them.
    needed = [["cargo", "fetch", "--quiet", "--locked"]]
    if not tool.exists():
        # About two minutes, once. It is no package of Debian's.
        needed.append(["cargo", "install", "--quiet", "--locked", "--root", str(TOOLS), f"cargo-deny@{CARGO_DENY}"])
    if any(subprocess.run(argv, cwd=ROOT, check=False).returncode != 0 for argv in needed):
        return Result(failed=1)
    result = Result()
    for check in ("licenses", "bans", "sources"):
        print(f"{check}:", flush=True)
        ended = subprocess.run([str(tool), "--offline", "check", check], cwd=ROOT, check=False)
        result.passed += int(ended.returncode == 0)
        result.failed += int(ended.returncode != 0)
    fetched = subprocess.run([str(tool), "fetch", "db"], cwd=ROOT, check=False, timeout=300)
    if fetched.returncode != 0:
        print("advisories: SKIPPED, the database of RustSec cannot be had from here")
        result.skipped = 1
        return result
    print("advisories:", flush=True)
    ended = subprocess.run([str(tool), "check", "--disable-fetch", "advisories"], cwd=ROOT, check=False)
    result.passed += int(ended.returncode == 0)
    result.failed += int(ended.returncode != 0)
    return result


STAGES = {
    "format": lambda: plain(["cargo", "fmt", "--check"]),
    "clippy": lambda: plain(["cargo", "clippy", "--all-targets", "--quiet", "--", "-D", "warnings"]),
    "shellcheck": lambda: plain(["shellcheck", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "stackscript").glob("*.sh")), "tests/setup"]),
    "deny": deny,
    "unit": lambda: cargo_test(["cargo", "test", "--quiet", "--no-fail-fast"]),
    "dist": lambda: plain(["make", "--no-print-directory", "dist"]),
    "bed-cache": lambda: plain(["env", "PYTHONPATH=tests", PYTHON, "-m", "testbed.build"]),
    "testbed": lambda: pytest(["tests/testbed"]),
    "e2e": lambda: pytest(["tests/e2e"]),
    # The records of the repository are those of whole runs.
    "faults-quick": lambda: pytest(["tests/faults", "-m", "quick"], TOOTSTRAP_RESULTS=str(ROOT / "target" / "reliability")),
}

#: Run only when named: `make test-faults`.
LONG_STAGES = {
    # On two machines at once, which therefore are so large that neither gets swap: it is the kernel's, which both share.
    "faults": lambda: pytest(["tests/faults", "-n", "2", "--dist", "loadfile"], TOOTSTRAP_BED="fault", TOOTSTRAP_BED_MEMORY="6"),
    "fuzz": lambda: plain(["tests/fuzz/run.py"]),
    "reliability": lambda: plain([PYTHON, "tests/faults/report.py"]),
}


def main() -> int:
    """Runs the stages named, or all of STAGES in order."""
    names = sys.argv[1:] or list(STAGES)
    results: dict[str, Result] = {}
    for name in names:
        print(f"\n=== {name}", flush=True)
        began = time.monotonic()
        results[name] = (STAGES | LONG_STAGES)[name]()
        results[name].seconds = time.monotonic() - began
    print("\n=== summary")
    for name, result in results.items():
        skipped = f"{result.skipped:5} SKIPPED" if result.skipped else " " * 13
        print(f"{name:12}{result.passed:5} passed{result.failed:5} failed{skipped}{result.seconds:8.0f} s")
    passed, failed, skipped = (sum(getattr(result, field) for result in results.values()) for field in ("passed", "failed", "skipped"))
    print(f"total: {passed} passed, {failed} failed" + (f", {skipped} SKIPPED (see above why)" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
