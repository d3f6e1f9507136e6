"""Measures and writes the page: `python3 -m bench --help`. The runs of all variants are interleaved."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]

from product import RELEASED  # noqa: E402
from testbed.bed import Bed  # noqa: E402
from testbed.demo import title  # noqa: E402
from testbed.layout import GIB  # noqa: E402
from testbed.sh import BedError  # noqa: E402

from . import about, again, first, growth, images, page, start, state, tools  # noqa: E402
from .measuring import Sample  # noqa: E402
from .results import NOTHING, First, Results  # noqa: E402
from .world import World  # noqa: E402

ROOT = TESTS.parent
OURS = "tootstrap"
PARTS = (start.PART, OURS, *(tool.name for tool in tools.TOOLS), growth.PART, images.PART)
#: Needs minutes, and its figure is no time.
PULLING_ROUNDS = 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="How fast it is, measured on the test bed's machine.")
    parser.add_argument("--runs", type=int, default=5, help="how often each variant is measured")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="what `make dist` made")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="where the page goes")
    parser.add_argument("--name", default="bench", help="name of the bed")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="what is measured (everything)")
    parser.add_argument("--resume", action="store_true", help="keep what was measured already with this binary, and add what is missing")
    parser.add_argument("--page", action="store_true", help="measure nothing: write the page from what was measured")
    parser.add_argument("--before", metavar="COMMIT:DIST", help="first installations by an earlier build as well")
    return parser.parse_args()


class Measuring:
    """A run of the benchmark. After each part of a round everything stands in `out`: what fails later loses nothing."""

    def __init__(self, world: World, results: Results, options: argparse.Namespace) -> None:
        self.world, self.results = world, results
        self.rounds, self.parts, self.out = options.runs, list(options.parts), options.out
        self.commit, _, self.dist = (options.before or "").partition(":")
        if self.commit:
            self.parts.append(first.BEFORE)
        self.archive = b""
        self.failed: list[str] = []

    def all(self) -> None:
        """Everything once, as often as wanted; at the end what needs a machine that has grown."""
        for run in range(1, self.rounds + 1):
            self._part(start.PART, start.PART, run, lambda run: self._keep(start.calls(self.world, run)))
            self._part(first.BEFORE, first.BEFORE, run, self.before)
            self._part(OURS, NOTHING, run, self.ours)
            for tool in tools.TOOLS:
                self._part(tool.name, tool.name, run, lambda run, tool=tool: self.other(tool, run))
        if growth.PART in self.parts and self.results.rounds(growth.PART) < self.rounds:
            self._require_state()
            meter = growth.prepare(self.world)
            for run in range(1, self.rounds + 1):
                self._part(growth.PART, growth.PART, run, lambda run: self._keep(growth.calls(self.world, meter, run)))
        for run in range(1, PULLING_ROUNDS + 1):
            self._part(images.PART, images.PART, run, self.pulling)

    def _part(self, part: str, recorded: str, run: int, measure: Callable[[int], None]) -> None:
        """`recorded`: the part of the samples that says that it was done."""
        if part not in self.parts or self.results.has(recorded, run):
            return
        title(f"{time.strftime('%H:%M:%S')} {part}: run {run} of {self.rounds}")
        kept = len(self.results.samples), len(self.results.firsts)
        try:
            measure(run)
        except (AssertionError, BedError) as trouble:
            # The others can do without it; --resume makes it again, as a whole.
            del self.results.samples[kept[0] :], self.results.firsts[kept[1] :]
            self.failed.append(f"{part}, run {run}")
            print(f"FAILED: {trouble}", file=sys.stderr, flush=True)
        self.results.save(self.out)

    def before(self, run: int) -> None:
        """First installations by the earlier build."""
        self._keep_first(first.before(self.world, self.commit, Path(self.dist), run))

    def ours(self, run: int) -> None:
        """First installations, and on the machine that the last one left what costs little."""
        # The one that the other calls start from comes last.
        for variant in (first.ONE_BY_ONE, first.PARALLEL):
            self._keep_first(first.install(self.world, variant, run))
        meter = self.world.settled()
        self._keep(again.calls(meter, run))
        if not self.results.again:
            self.results.again = again.traced(meter)
        if not self.archive:
            self._keep_state()

    def other(self, tool: tools.Tool, run: int) -> None:
        """Its toolchain, its first and its second run."""
        self._require_state()
        meter = self.world.bare()
        self._keep(tools.prepare(tool, meter, self.archive, run))
        if tool.wheels:
            self.results.sizes[tool.name] = tools.size(tool, self.world.machine)
        self._keep([tools.call(tool, meter, tools.FIRST, run)])
        differing = state.differences(self.world.machine, tool.containers)
        assert not differing, f"{tool.name} did not reach the state: {differing}"
        if tool.again:
            self._keep([tools.call(tool, meter, tools.SECOND, run)])

    def pulling(self, run: int) -> None:
        """On the installed machine."""
        self._require_state()
        self.world.installed()
        self._keep(images.call(self.world, variant, run) for variant in images.TAGS)

    def _require_state(self) -> None:
        """What an earlier call of this program measured left no machine behind: one more installation, not measured."""
        if not self.archive:
            title("an installed machine for the others to start from")
            first.install(self.world, first.PARALLEL, 0)
            self.world.settled()
            self._keep_state()

    def _keep_state(self) -> None:
        self.results.machine |= about.versions(self.world.machine)
        self.archive = state.collect(self.world.machine)
        self.world.keep_installed()

    def _keep_first(self, done: First) -> None:
        self.results.firsts.append(done)
        self._keep([done.sample])

    def _keep(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            self.results.samples.append(sample)
            cpu = "" if sample.cpu is None else f", CPU {sample.cpu:.2f} s"
            memory = f", memory {sample.memory / 1e6:.1f} MB" if sample.memory else ""
            print(f"{sample.part}, {sample.variant}: {sample.wall:.2f} s{cpu}{memory}", flush=True)


def main() -> int:
    options = arguments()
    binary = options.dist / RELEASED
    if options.page:
        results, failed = Results.load(options.out), []
    else:
        results, failed = measure(options, about.computer(ROOT, binary), binary.stat().st_size)
    print(page.write(results, options.out))
    if failed:
        print(f"NOT MEASURED: {'; '.join(failed)}. With --resume only that is made again.", file=sys.stderr)
    return 1 if failed else 0


def measure(options: argparse.Namespace, computer: dict[str, str], size: int) -> tuple[Results, list[str]]:
    """Everything that `options` want and was not measured yet; and what failed."""
    if options.resume and Results.saved(options.out):
        results = Results.load(options.out)
        results.require_same(computer)
    else:
        results = Results(computer, size)
    for tool in tools.TOOLS:
        tools.fetch(tool)
    registry = images.registry() if images.PART in options.parts else None
    with Bed(options.name, dist=options.dist, memory=8 * GIB, boot=False, registry=registry) as bed:
        measuring = Measuring(World(bed, options.dist), results, options)
        measuring.all()
        bed.machine.poweroff()
        bed.check_clock()
    return results, measuring.failed


if __name__ == "__main__":
    sys.exit(main())
