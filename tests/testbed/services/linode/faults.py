"""Trouble that the API makes on demand (linode.md §1.7; the list is in issue 3)."""

import dataclasses
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ..http import Request, Response

#: nginx in front of the API answers in HTML when the API is away.
HTML = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"


def _error(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    return Response.json(status, {"errors": [{"reason": reason}]}, headers)


def _rate_limited(fault: "ApiFault") -> Response:
    return _error(429, "Too many requests", {"Retry-After": str(fault.retry_after)})


def _unavailable(fault: "ApiFault") -> Response:
    headers = {"X-Maintenance-Mode": "true"} if fault.maintenance else {}
    return _error(503, "Service Unavailable", headers)


#: Faults that answer instead of the API: nothing happens to the data.
ANSWERS: dict[str, Callable[["ApiFault"], Response]] = {
    "unauthorized": lambda _: _error(401, "Invalid Token"),
    "forbidden": lambda _: _error(403, "Unauthorized"),
    "missing_scope": lambda _: _error(401, "Your OAuth token is not authorized to use this endpoint."),
    "rate_limited": _rate_limited,
    "request_timeout": lambda _: _error(408, "Request Timeout"),
    "bad_gateway": lambda _: _error(502, "Bad Gateway"),
    "unavailable": _unavailable,
    "server_error": lambda _: _error(500, "Internal Server Error"),
    "html": lambda _: Response.text(502, HTML, "text/html"),
    "html_200": lambda _: Response.text(200, HTML, "text/html"),
    "busy": lambda _: _error(400, "Linode busy."),
    "hang": lambda fault: Response(504, hang=fault.seconds),
}
#: Faults that change how the API works: the request is carried out.
CHANGES = ("hang_after", "ignore_filter")
KINDS = (*ANSWERS, *CHANGES)


@dataclass
class ApiFault:
    """One kind of trouble for the requests that match.

    `kind`: one of `KINDS`; `method`, `path`: which requests (exact; regular
    expression searched in the path without query); `skip`: matching requests that
    pass first; `times`: how many are hit, None until cleared; `retry_after`:
    seconds in the 429's header; `seconds`: silence of `hang` (nothing was done)
    and `hang_after` (the record *was* created); `maintenance`: 503 carries
    X-Maintenance-Mode.
    """

    kind: str
    method: str | None = None
    path: str = ""
    skip: int = 0
    times: int | None = None
    retry_after: int = 2
    seconds: float = 120.0
    maintenance: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"API fault {self.kind!r}: one of {', '.join(KINDS)}")

    def matches(self, request: Request) -> bool:
        """Is the request one of those?"""
        return self.method in (None, request.method) and re.search(self.path, request.path) is not None


class Faults:
    """All faults that are set; the first that matches a request and is not used up counts."""

    def __init__(self) -> None:
        self._faults: list[ApiFault] = []
        self._lock = threading.Lock()

    def add(self, fault: ApiFault) -> None:
        """One more fault, after those that are there."""
        with self._lock:
            self._faults.append(dataclasses.replace(fault))

    def clear(self) -> None:
        """No faults any more."""
        with self._lock:
            self._faults.clear()

    def take(self, request: Request) -> ApiFault | None:
        """The fault for this request; counts it."""
        with self._lock:
            for fault in self._faults:
                if not fault.matches(request) or fault.times == 0:
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
