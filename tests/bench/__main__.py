"""Measures and writes the page: `python3 -m bench --help`. The runs of all variants are interleaved."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]

from product import RELEASED  # noqa: E402
from testbed import layout as where  # noqa: E402
from testbed.bed import Bed  # noqa: E402
from testbed.demo import title  # noqa: E402
from testbed.layout import GIB  # noqa: E402

from . import again, first, growth, page, state, tools  # noqa: E402
from .measuring import Sample  # noqa: E402
from .results import Results, describe_machine  # noqa: E402
from .world import World  # noqa: E402

ROOT = TESTS.parent
GROWTH = "growth"
PARTS = (*(tool.name for tool in tools.TOOLS), GROWTH)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="How fast it is, measured on the test bed's machine.")
    parser.add_argument("--runs", type=int, default=5, help="how often each variant is measured")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="what `make dist` made")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="where the page goes")
    parser.add_argument("--name", default="bench", help="name of the bed")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="besides tootstrap itself")
    return parser.parse_args()


class Measuring:
    """A run of the benchmark; `results` grows, and after each round stands in `out`: what fails later loses nothing."""

    def __init__(self, world: World, results: Results, options: argparse.Namespace) -> None:
        self.world, self.results = world, results
        self.rounds, self.parts, self.out = options.runs, options.parts, options.out
        self.archive = b""

    def all(self) -> None:
        """Everything once, as often as wanted; at the end what shows growth."""
        for run in range(1, self.rounds + 1):
            self.ours(run)
            for tool in tools.TOOLS:
                if tool.name in self.parts:
                    self.other(tool, run)
            self.results.runs = run
            page.write(self.results, self.out)
        if GROWTH in self.parts:
            meter = self.world.installed()
            for run in range(1, self.rounds + 1):
                title(f"growth: run {run} of {self.rounds}")
                for sample in growth.calls(self.world, meter, run):
                    self._keep(sample)
            page.write(self.results, self.out)

    def ours(self, run: int) -> None:
        """First installations, and on the machine that the last one left what costs little."""
        # The one that the other calls start from comes last.
        for variant in (first.ONE_BY_ONE, first.PARALLEL):
            title(f"first install, {variant}: run {run} of {self.rounds}")
            done = first.install(self.world, variant, run)
            self.results.firsts.append(done)
            self._keep(done.sample)
        meter = self.world.settled()
        for name in again.CALLS:
            for watch in (False, True):
                self._keep(again.call(meter, name, run, where.TOKEN, watch=watch))
        if not self.archive:
            self.archive = state.collect(self.world.machine)
            self.world.keep_installed()

    def other(self, tool: tools.Tool, run: int) -> None:
        """Its toolchain, its first and its second run."""
        title(f"{tool.name}: run {run} of {self.rounds}")
        meter = self.world.bare()
        toolchain = tools.prepare(tool, meter, self.archive, run)
        if toolchain:
            self._keep(toolchain)
        self._keep(tools.call(tool, meter, tools.FIRST, run))
        if tool.again:
            self._keep(tools.call(tool, meter, tools.SECOND, run))

    def _keep(self, sample: Sample) -> None:
        self.results.samples.append(sample)
        memory = f", memory {sample.memory / 1e6:.1f} MB" if sample.memory else ""
        print(f"{sample.part}, {sample.variant}: {sample.wall:.2f} s, CPU {sample.cpu:.2f} s{memory}", flush=True)


def main() -> int:
    options = arguments()
    results = Results(0, describe_machine(ROOT), (options.dist / RELEASED).stat().st_size)
    with Bed(options.name, dist=options.dist, memory=8 * GIB, boot=False) as bed:
        Measuring(World(bed, options.dist), results, options).all()
        bed.machine.poweroff()
        bed.check_clock()
    print(options.out / "performance.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
