"""Records that only the operator may decide about: told with what to do, never touched, and everything else is looked after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest
from product import DONE, STILL_WAITING, Product
from testbed import layout as where
from testbed.bed import Bed

LEAVES_IT_AS_IT_WAS = True

OURS = {"type": "A", "name": where.SUBDOMAIN, "target": where.MACHINE_V4}
OURS_V6 = {"type": "AAAA", "name": where.SUBDOMAIN, "target": where.MACHINE_V6}
OTHERS = {"type": "A", "name": where.SUBDOMAIN, "target": "198.51.100.200"}
#: Served by the bed's front: something answers there.
IN_USE = {"type": "A", "name": where.SUBDOMAIN, "target": where.FRONT_V4}
ALIAS = {"type": "CNAME", "name": where.SUBDOMAIN, "target": "elsewhere.example.org"}
MAIL = {"type": "MX", "name": "", "target": "mail.example.org", "priority": 10}


@dataclass(frozen=True)
class Stuck:
    """`says`: parts of what the operator reads; `waiting`: the steps that wait."""

    name: str
    records: Sequence[Mapping]
    says: Sequence[str]
    waiting: frozenset[str]

    def __str__(self) -> str:
        return self.name


A, AAAA, PUBLISHED = f"dns/record-a-{where.SITE}", f"dns/record-aaaa-{where.SITE}", "dns/published"

STUCK = [
    Stuck("an alias", [ALIAS], ["CNAME, of elsewhere.example.org", f"remove the CNAME record of {where.SITE}"], frozenset({A, AAAA, PUBLISHED})),
    Stuck(
        "several A records",
        [OURS, OTHERS, OURS_V6],
        [f"several A records: {where.MACHINE_V4}, {OTHERS['target']}", f"best the one with {where.MACHINE_V4}"],
        frozenset({A, PUBLISHED}),
    ),
    Stuck(
        "in use elsewhere",
        [IN_USE, OURS_V6],
        [f"it points to {where.FRONT_V4}, where something answers on port 80", "--replace-dns"],
        frozenset({A, PUBLISHED}),
    ),
    Stuck(
        "in use elsewhere, over IPv4 only",
        [IN_USE],
        [f"it points to {where.FRONT_V4}, where something answers on port 80", "--replace-dns"],
        frozenset({A, AAAA, PUBLISHED}),
    ),
]


@pytest.fixture(autouse=True)
def as_it_was(installed: Bed) -> Iterator[None]:
    yield
    put(installed, [OURS, OURS_V6])


def put(bed: Bed, records: Sequence[Mapping]) -> None:
    """All the zone has, published at once."""
    control = bed.services.control
    control.set_publication_delay(0)
    control.put_zone(where.DOMAIN, [*map(dict, records), MAIL])
    control.flush_caches()


def targets(bed: Bed) -> list[tuple[str, str, str]]:
    return sorted((record["type"], record["name"], record["target"]) for record in bed.services.control.records(where.DOMAIN))


@pytest.mark.parametrize("stuck", STUCK, ids=str)
def test_it_waits_for_the_operator(installed: Bed, tootstrap: Product, stuck: Stuck) -> None:
    put(installed, stuck.records)
    before = targets(installed)
    run = tootstrap.install()
    assert run.status == STILL_WAITING, run.explained()
    assert run.differing() == run.ids("waiting") == stuck.waiting, run.explained()
    for part in stuck.says:
        assert part in run.text, f"{part!r} is not in:\n{run.text}"
    assert targets(installed) == before


def test_in_use_elsewhere_is_replaced_when_asked_for_and_never_recorded(installed: Bed, tootstrap: Product) -> None:
    put(installed, [IN_USE])
    run = tootstrap.install("--replace-dns")
    assert (run.status, run.ids("changed")) == (DONE, {A, AAAA}), run.explained()
    found = targets(installed)
    assert ("A", where.SUBDOMAIN, where.MACHINE_V4) in found and ("AAAA", where.SUBDOMAIN, where.MACHINE_V6) in found, found
    assert ("MX", "", "mail.example.org") in found and len(found) == 3, found
    assert "replace_dns" not in installed.machine.get("/etc/tootstrap/settings.toml").decode()
