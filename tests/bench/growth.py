"""Does a second run stay as fast when the server has grown?"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from testbed.services import ApiFault, Token

from . import again
from .measuring import Meter, Sample
from .world import World

PART = "growth"
FILES, DOMAINS, RECORDS = 100_000, 1000, 12_000
MANY_RECORDS = f"{RECORDS:,} records in the zone, and a server that ignores the filter"

#: Within `public/system`, and where they are while they do not count: moving a directory costs nothing.
INSIDE, OUTSIDE = "/opt/mastodon/public/system/bench", "/opt/bench-files"
MAKE_FILES = f"""
mkdir {OUTSIDE}
cd {OUTSIDE}
for directory in $(seq {FILES // 1000}); do
    mkdir $directory
    (cd $directory; seq 1000 | xargs touch)
done
chown -R --reference=/opt/mastodon/public/system .
"""

#: Of each size in a round: they are short.
CALLS = 3


@dataclass(frozen=True)
class Size:
    name: str
    grow: Callable[[World], None]
    shrink: Callable[[World], None]


def _files(world: World) -> None:
    world.machine.sh(f"mv {OUTSIDE} {INSIDE}")


def _no_files(world: World) -> None:
    world.machine.sh(f"mv {INSIDE} {OUTSIDE}")


def _domains(world: World) -> None:
    for number in range(1, DOMAINS):
        world.bed.services.control.put_zone(f"d{number}.example", soa_email="hello@example.org")


def _no_domains(world: World) -> None:
    for number in range(1, DOMAINS):
        world.bed.services.control.delete_zone(f"d{number}.example")


def _records(world: World) -> None:
    junk = [{"name": f"r{number}", "type": "A", "target": "198.51.100.7"} for number in range(RECORDS)]
    world.put_zones(junk)
    world.bed.services.control.add_api_fault(ApiFault("ignore_filter"))


def _no_records(world: World) -> None:
    world.bed.services.control.clear_api_faults()
    world.put_zones()


def _nothing(_: World) -> None:
    """As it was installed."""


SIZES = (
    Size("as installed", _nothing, _nothing),
    Size(f"{FILES:,} files in public/system", _files, _no_files),
    Size(f"{DOMAINS:,} domains in the account", _domains, _no_domains),
    Size(MANY_RECORDS, _records, _no_records),
)


def prepare(world: World) -> Meter:
    """The installed machine, with the files beside their place."""
    meter = world.installed()
    world.machine.sh(MAKE_FILES)
    return meter


def calls(world: World, meter: Meter, run: int) -> list[Sample]:
    """Second installs at each size."""
    samples = []
    for size in SIZES:
        try:
            size.grow(world)
            samples += [_call(world, meter, size, run) for _ in range(CALLS)]
        finally:
            # A call that fails must not leave its size to the next round.
            size.shrink(world)
    return samples


def _call(world: World, meter: Meter, size: Size, run: int) -> Sample:
    """With a token of its own: the API counts requests by token and minute, and nobody installs that often."""
    token = secrets.token_hex(32)
    world.bed.services.control.set_tokens(Token(token))
    argv, _ = again.CALLS["second install"]
    return meter.call(PART, size.name, run, argv, env={"LINODE_TOKEN": token})
