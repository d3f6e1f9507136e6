"""Linode's name servers: what the API holds becomes visible here later.

A double of linode.md §1.8: a change reaches the authoritative servers after a
delay, and any of the five may for a while serve an older state.
"""

import itertools
import threading
import time
from dataclasses import dataclass

from dnslib import RCODE

from .server import Question
from .zone import Answer, Zone, closest

NEVER = float("inf")
DEFAULT_DELAY = 1.0
MODES = ("answer", "silent", "servfail", "refused")


@dataclass(frozen=True)
class ServerFault:
    """How one name server deviates.

    `lag`: seconds it is later than the others; `frozen`: serves what it served
    when this was set; `flapping`: every second answer is the previous version
    of the zone; `mode`: how it answers at all (`MODES`).
    """

    lag: float = 0.0
    frozen: bool = False
    flapping: bool = False
    mode: str = "answer"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode {self.mode!r}: one of {MODES}")


class Publication:
    """Each zone's versions with the time they were made, and who serves which."""

    def __init__(self) -> None:
        self._delay = DEFAULT_DELAY
        self._versions: dict[str, list[tuple[float, Zone | None]]] = {}
        self._faults: dict[str, tuple[ServerFault, float]] = {}
        self._turns: dict[str, itertools.count] = {}
        self._account_active = True
        self._lock = threading.RLock()

    def changed(self, name: str, zone: Zone | None) -> None:
        """The API's zone is now this; None: deleted, disabled or without master data."""
        with self._lock:
            self._versions.setdefault(name, []).append((time.monotonic(), zone))

    def set_delay(self, seconds: float) -> None:
        """Delay of all later and all unpublished changes; `NEVER` holds them. What is served stays."""
        now = time.monotonic()
        with self._lock:
            for name, versions in self._versions.items():
                self._versions[name] = [
                    (min(made, now - seconds) if made <= now - self._delay else made, zone) for made, zone in versions
                ]
            self._delay = seconds

    def set_account_active(self, active: bool) -> None:
        """Zones are served only while the account has an active Linode (linode.md §1.3)."""
        with self._lock:
            self._account_active = active

    def set_fault(self, server: str, fault: ServerFault) -> None:
        """Makes one name server deviate; `ServerFault()` heals it."""
        with self._lock:
            self._faults[server] = (fault, time.monotonic() - self._delay - fault.lag)

    def clear_faults(self) -> None:
        """All name servers answer alike again."""
        with self._lock:
            self._faults.clear()

    def served(self, name: str) -> Zone | None:
        """The zone as a server without fault serves it now."""
        with self._lock:
            return self._version(name, time.monotonic() - self._delay)

    def reset(self) -> None:
        """No zone was ever served, no fault, the default delay."""
        with self._lock:
            self._versions.clear()
            self._faults.clear()
            self._delay, self._account_active = DEFAULT_DELAY, True

    def respond(self, question: Question) -> Answer | None:
        """The authoritative answer of the server that was asked."""
        fault, frozen_at = self._faults.get(question.server, (ServerFault(), 0.0))
        if fault.mode == "silent":
            return None
        if fault.mode == "servfail":
            return Answer(rcode=RCODE.SERVFAIL, authoritative=False)
        zones = self._visible(question.server, fault, frozen_at)
        apex = closest(zones, question.name)
        if apex is None or fault.mode == "refused":
            return Answer(rcode=RCODE.REFUSED, authoritative=False)
        return zones[apex].answer(question.name, question.type)

    def _visible(self, server: str, fault: ServerFault, frozen_at: float) -> dict[str, Zone]:
        with self._lock:
            if not self._account_active:
                return {}
            until = frozen_at if fault.frozen else time.monotonic() - self._delay - fault.lag
            turn = self._turns.setdefault(server, itertools.count())
            back = fault.flapping and next(turn) % 2 == 0
            zones = {name: self._version(name, until, int(back)) for name in self._versions}
            return {name: zone for name, zone in zones.items() if zone is not None}

    def _version(self, name: str, until: float, back: int = 0) -> Zone | None:
        """The newest version made before `until` (monotonic), or the one `back` before it."""
        made = [zone for when, zone in self._versions.get(name, []) if when <= until]
        index = len(made) - 1 - back
        return made[index] if index >= 0 else None

