"""The host's clock must not move because of a guest (facts/testbed.md §1, §12)."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .sh import BedError

#: More than this between wall clock and monotonic clock is not slewing (NTP slews at most 0.5 ms a second).
TOLERANCE_SECONDS = 3.0


@dataclass(frozen=True)
class ClockGuard:
    """The difference of the two clocks when the bed came up, in seconds."""

    offset: float

    @classmethod
    def now(cls) -> "ClockGuard":
        return cls(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME))

    def moved(self) -> float:
        return self.now().offset - self.offset

    def check(self) -> None:
        """Fails loudly when the wall clock jumped while the bed was up."""
        moved = self.moved()
        if abs(moved) > TOLERANCE_SECONDS:
            raise BedError(
                f"the host's wall clock moved by {moved:+.1f} s against its monotonic clock while the bed was up: "
                "a guest got CAP_SYS_TIME, or somebody set the clock"
            )
