"""The bed of a benchmark: a bare disk, and one that a real installation left; every measurement starts from one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness import fresh_world, wait_healthy
from product import INSTALLED, UPLOADED, Product, environment
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM

from .measuring import Meter

BARE, DONE = "bare", "installed"

#: What the StackScript would hand over.
ENVIRONMENT = environment(FORM) | {"LINODE_TOKEN": where.TOKEN}


class World:
    """One bed for all parts of a benchmark; `bed` is up, its machine off."""

    def __init__(self, bed: Bed, dist: Path) -> None:
        self.bed, self.dist = bed, dist
        self.machine = bed.machine
        self.machine.snapshot(BARE)

    def bare(self, dist: Path | None = None) -> Meter:
        """A fresh machine, up, with nothing but the binary (or that of `dist`), and nothing at Linode."""
        fresh_world(self.bed)
        self.machine.restore(BARE)
        Product.uploaded(self.machine, dist or self.dist)
        return Meter(self.machine, UPLOADED)

    def settled(self) -> Meter:
        """The machine that was just installed, once all containers are healthy."""
        wait_healthy(self.bed)
        return Meter(self.machine, INSTALLED)

    def keep_installed(self) -> None:
        """The machine as it is becomes the one that `installed` starts from, and is off."""
        self.records = [(zone, self.bed.services.control.records(zone["domain"])) for zone in self.bed.services.control.domains()]
        self.machine.poweroff()
        self.machine.snapshot(DONE)

    def installed(self) -> Meter:
        """The installed machine, up and healthy, and its records at Linode."""
        fresh_world(self.bed)
        self.put_zones()
        self.machine.restore(DONE)
        return self.settled()

    def put_zones(self, more: Sequence[dict] = ()) -> None:
        """The records that the installation made, and these."""
        for zone, records in self.records:
            made = [{key: record[key] for key in ("name", "type", "target", "ttl_sec") if key in record} for record in records]
            self.bed.services.control.put_zone(zone["domain"], [*made, *more], soa_email=zone["soa_email"], ttl_sec=zone["ttl_sec"])
