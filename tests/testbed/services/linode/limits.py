"""Rate limits per token (linode.md §1.7): 1600 a minute, 200 for paginated GETs."""

import threading
import time
from dataclasses import dataclass

from .errors import ApiError, Reason

WINDOW = 60
GENERAL, PAGINATED = 1600, 200


@dataclass
class _Window:
    ends: float
    used: int = 0


class Limits:
    """Counts requests of each token in windows of one minute."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, bool], _Window] = {}
        self._lock = threading.Lock()

    def count(self, token: str, paginated: bool) -> dict[str, str]:
        """Counts one request and gives the `X-RateLimit-*` headers; 429 above the limit."""
        limit = PAGINATED if paginated else GENERAL
        now = time.time()
        with self._lock:
            window = self._windows.get((token, paginated))
            if window is None or window.ends <= now:
                window = self._windows[(token, paginated)] = _Window(now + WINDOW)
            window.used += 1
            remaining = limit - window.used
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, remaining)),
            "X-RateLimit-Reset": str(int(window.ends)),
        }
        if remaining < 0:
            headers["Retry-After"] = str(max(1, int(window.ends - now)))
            raise ApiError(429, Reason("Too many requests"), headers=headers)
        return headers

    def reset(self) -> None:
        """All windows start anew."""
        with self._lock:
            self._windows.clear()
