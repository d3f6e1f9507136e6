"""What Let's Encrypt checks and Pebble does not: CAA records (RFC 8659).

The real authority looks when it validates and reports the error in the challenge;
this double refuses the new order, with the same error type.
"""

import base64
import json
from collections.abc import Callable

from ..dns.zone import Rr, parents
from ..http import Request, Response
from .backends import Backend, Stream

ISSUER = "letsencrypt.org"
NEW_ORDER = "/order-plz"

#: Gives the CAA records of exactly this name.
CaaLookup = Callable[[str], list[Rr]]


class CaaChecked:
    """An ACME server behind a check of the names in each new order."""

    def __init__(self, authority: Backend, lookup: CaaLookup) -> None:
        self._authority, self._lookup = authority, lookup

    def answer(self, request: Request) -> Response | Stream:
        """The authority's answer, or 403 where a CAA record forbids it."""
        for name in _ordered(request):
            if not self._is_allowed(name):
                return _forbidden(name)
        return self._authority.answer(request)

    def _is_allowed(self, name: str) -> bool:
        """The closest name that has CAA records decides (RFC 8659 §3)."""
        for parent in parents(name):
            records = [rr.data.split(maxsplit=2) for rr in self._lookup(parent)]
            if records:
                issuers = [value.partition(";")[0].strip() for _, tag, value in records if tag == "issue"]
                return not issuers or ISSUER in issuers
        return True


def _ordered(request: Request) -> list[str]:
    """The names in a new order; what is no JWS is left to the authority to refuse."""
    if request.method != "POST" or request.path != NEW_ORDER:
        return []
    try:
        payload = json.loads(request.body)["payload"]
        order = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return [identifier["value"] for identifier in order["identifiers"]]
    except (ValueError, KeyError, TypeError):
        return []


def _forbidden(name: str) -> Response:
    problem = {
        "type": "urn:ietf:params:acme:error:caa",
        "detail": f"CAA record for {name} prevents issuance",
        "status": 403,
    }
    response = Response.json(403, problem)
    response.headers["Content-Type"] = "application/problem+json"
    return response
