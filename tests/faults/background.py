"""A run that goes on while the test watches and changes the world around it."""

from __future__ import annotations

import threading

from product import Product, Run
from recovery import run_plainly
from testbed.bed import Bed


class Background:
    """An `install` in a thread of its own, and what it says so far."""

    def __init__(self, bed: Bed, **options) -> None:
        self._machine = bed.machine
        self._run: Run | None = None
        self._since = len(self.journal())
        self._thread = threading.Thread(target=self._work, args=(Product(bed.machine), options))
        self._thread.start()

    def _work(self, product: Product, options: dict) -> None:
        self._run = run_plainly(product, **options)

    def journal(self) -> str:
        return self._machine.get("/var/lib/tootstrap/journal.jsonl").decode()

    def said(self, text: str) -> bool:
        return text in self.journal()[self._since :]

    def ended(self) -> Run:
        self._thread.join()
        assert self._run is not None, "it could not be run"
        return self._run
