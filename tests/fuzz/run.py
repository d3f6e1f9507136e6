#!/usr/bin/python3
"""Builds the fuzz targets, runs each for a number of executions, as many at once as there are processors, and writes what came of it.

    tests/fuzz/run.py [--executions N] [--minutes M] [TARGET …]

libFuzzer comes as source with the crate `libfuzzer-sys`, and the stable compiler can put in the counters that it looks at, so rustup and
crates.io are all that a fresh machine needs: no nightly toolchain, no cargo-fuzz. No sanitizer is used, since the product has no unsafe code.
What was found interesting is kept in the cache for the next run. An input that breaks something is written to
target/fuzz/artifacts/TARGET; once the cause is mended it belongs into tests/fuzz/regressions/TARGET.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = ROOT / "target" / "fuzz"
CACHE = Path(os.environ.get("TOOTSTRAP_CACHE") or Path.home() / ".cache" / "tootstrap") / "fuzz"
RESULTS = Path(os.environ.get("TOOTSTRAP_RESULTS") or ROOT / "docs" / "reliability") / "fuzz.json"
TRIPLE = "x86_64-unknown-linux-gnu"

#: What cargo-fuzz passes with `--sanitizer none`, but for comparisons of numbers: they took half of the time.
FLAGS = (
    "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
    " -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
)
#: Longest input, bytes; of targets that ask for less than a whole machine, less.
LONGEST = 4096
SHORTER = {"formats": 1024, "values": 512}
#: One execution may take this long, seconds.
LIMIT = 30
#: After so many crashes a target is left.
MOST_CRASHES = 5


@dataclass
class Result:
    """One line of the report. `corpus` counts the inputs that each reach something that no other does, where it was noted."""

    target: str
    executions: int
    seconds: int
    crashes: int
    corpus: int | None


def names() -> list[str]:
    """Every target, in the order of their files."""
    return sorted(path.stem for path in (HERE / "fuzz_targets").glob("*.rs"))


def build() -> Path:
    """The directory with the programs. They are built from the product's versions of what it uses; the rest is the newest that fits."""
    shutil.copy(ROOT / "Cargo.lock", HERE / "Cargo.lock")
    environment = os.environ | {"CARGO_TARGET_DIR": str(BUILT), "RUSTFLAGS": FLAGS}
    # With --target the flags are for the targets only, not for build scripts, which nothing feeds.
    subprocess.run(["cargo", "build", "--release", "--target", TRIPLE], cwd=HERE, env=environment, check=True)
    return BUILT / TRIPLE / "release"


def fuzz(program: Path, executions: int, minutes: float) -> Result:
    """Runs one target for so many executions, going on after a crash."""
    corpus, artifacts = CACHE / program.name, BUILT / "artifacts" / program.name
    for directory in (corpus, artifacts):
        directory.mkdir(parents=True, exist_ok=True)
    known = [str(path) for path in (HERE / "seeds" / program.name, HERE / "regressions" / program.name) if path.is_dir()]
    began, done, crashes = time.monotonic(), 0, 0
    while done < executions and crashes < MOST_CRASHES:
        left = int(minutes * 60 - (time.monotonic() - began))
        if left <= 0:
            break
        longest = SHORTER.get(program.name, LONGEST)
        argv = ["nice", "-n", "19", str(program), f"-runs={executions - done}", f"-max_total_time={left}", f"-max_len={longest}", f"-timeout={LIMIT}"]
        argv += ["-rss_limit_mb=3000", "-print_final_stats=1", f"-artifact_prefix={artifacts}/", str(corpus), *known]
        # Errors are made by the million: none of them needs a backtrace.
        environment = os.environ | {"RUST_BACKTRACE": "0"}
        ended = subprocess.run(argv, check=False, capture_output=True, env=environment)
        output = ended.stderr.decode(errors="replace")
        counted = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
        done += int(counted[1]) if counted else 0
        if ended.returncode != 0:
            crashes += 1
            print(re.sub(r"(?m)^(#\d+|stat::|INFO:).*\n", "", output)[-4000:], flush=True)
    return Result(program.name, done, round(time.monotonic() - began), crashes, len(list(corpus.iterdir())))


def main() -> int:
    """Builds, runs, reports. 1: something broke, or there was no time for so many executions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=1_000_000, help="of each target (%(default)s)")
    parser.add_argument("--minutes", type=float, default=60, help="longest time for one target (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the figures go (%(default)s)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[[], *names()], help="only these")
    wanted = parser.parse_args()
    programs = build()
    wanted.results.parent.mkdir(parents=True, exist_ok=True)
    # Targets that were named replace their lines; all of them begin anew.
    known = json.loads(wanted.results.read_text())["fuzz"] if wanted.targets and wanted.results.exists() else []
    lines = {line["target"]: Result(**line) for line in known}
    good = True
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for ended in as_completed([pool.submit(fuzz, programs / name, wanted.executions, wanted.minutes) for name in wanted.targets or names()]):
            result = ended.result()
            print(f"{result.target}: {result.executions} executions in {result.seconds} s, {result.crashes} crashes, corpus of {result.corpus}", flush=True)
            good &= result.crashes == 0 and result.executions >= wanted.executions
            lines[result.target] = result
            wanted.results.write_text(json.dumps({"fuzz": [asdict(lines[name]) for name in sorted(lines)]}, indent=2) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
