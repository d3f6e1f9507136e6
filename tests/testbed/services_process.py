"""Starting and stopping the bed's services (testbed/services) in the router's namespace."""

from __future__ import annotations

from pathlib import Path

from .layout import Layout


class Services:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def start(self, dist: Path | None, release: str) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        return
