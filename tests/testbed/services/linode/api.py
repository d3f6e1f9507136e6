"""Requests to https://api.linode.com and what they do (linode.md §1.1, §1.2)."""

import collections
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from ..dns.publication import Publication
from ..dns.zone import Rr, normal
from ..http import Request, Response
from . import listing
from .errors import NOT_FOUND, ApiError, refuse
from .faults import ANSWERS, ApiFault, Faults
from .limits import Limits
from .store import Store
from .tokens import READ, WRITE, Token, Tokens, authorize_change, fingerprint

DOMAIN_FILTERS = frozenset({"domain", "tags", "group"})
RECORD_FILTERS = frozenset({"type", "name", "target", "tag"})

PATH = re.compile(r"^/v4(?:beta)?/domains(?:/(?P<domain>\d+)(?:/(?P<part>records|zone-file)(?:/(?P<record>\d+))?)?)?$")
LOG_SIZE = 20_000


class LinodeApi:
    """The emulator; a backend of the front."""

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self.store = Store(publication.changed)
        self.tokens = Tokens()
        self.limits = Limits()
        self.faults = Faults()
        self._log: collections.deque[dict] = collections.deque(maxlen=LOG_SIZE)
        self._log_lock = threading.Lock()

    def answer(self, request: Request) -> Response:
        """The answer, with `X-OAuth-Scopes` and rate limits; the request is logged."""
        fault = self.faults.take(request)
        if fault is not None and fault.kind in ANSWERS:
            response = ANSWERS[fault.kind](fault)
        else:
            response = self._carry_out(request, fault)
            if fault is not None and fault.kind == "hang_after":
                response.hang = fault.seconds
        self._remember(request, response, fault)
        return response

    def reset(self) -> None:
        """An account without zones, the default token, no faults, an empty log."""
        self.store.clear()
        self.tokens.reset()
        self.limits.reset()
        self.faults.clear()
        self.forget_requests()

    def requests(self) -> list[dict]:
        """The request log, oldest first; tokens stand there as fingerprints."""
        with self._log_lock:
            return list(self._log)

    def forget_requests(self) -> None:
        """Empties the request log."""
        with self._log_lock:
            self._log.clear()

    def _carry_out(self, request: Request, fault: ApiFault | None) -> Response:
        headers: dict[str, str] = {}
        try:
            token = self.tokens.authenticate(request.headers.get("authorization"))
            scope = READ if request.method == "GET" else WRITE
            headers |= {"X-OAuth-Scopes": token.scopes, "X-Accepted-OAuth-Scopes": scope}
            paginated = request.method == "GET" and listing.is_paginated(request.query)
            headers |= self.limits.count(token.secret, paginated)
            self.tokens.authorize(token, scope)
            return Response.json(200, self._route(request, token, fault), headers)
        except ApiError as error:
            return Response.json(error.status, error.body(), headers | error.headers)

    def _route(self, request: Request, token: Token, fault: ApiFault | None) -> dict:
        found = PATH.match(unquote(request.path))
        if found is None:
            raise ApiError(404, NOT_FOUND)
        domain, part, record = found["domain"], found["part"], found["record"]
        call = _Call(self, request, token, fault is not None and fault.kind == "ignore_filter")
        if part is None:
            actions = call.domains() if domain is None else call.domain(int(domain))
        elif part == "zone-file":
            actions = {"GET": lambda: {"zone_file": self._zone_file(int(domain))}}
        else:
            actions = call.records(int(domain)) if record is None else call.record(int(domain), int(record))
        if request.method not in actions:
            raise refuse("Method Not Allowed", status=405)
        return actions[request.method]()

    def _zone_file(self, domain_id: int) -> list[str]:
        """The rendered lines; an empty list until the name servers have the zone (§1.8)."""
        zone = self.publication.served(normal(self.store.domain(domain_id)["domain"]))
        if zone is None:
            return []
        lines = [f"; {zone.name} [{domain_id}]", f"$TTL {zone.ttl}", _line(zone.soa)]
        return lines + [_line(rr) for rr in zone.records]

    def _remember(self, request: Request, response: Response, fault: ApiFault | None) -> None:
        secret = request.headers.get("authorization", "").partition(" ")[2]
        entry = {
            "time": time.time(),
            "caller": request.caller,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "filter": request.headers.get("x-filter"),
            "user_agent": request.headers.get("user-agent"),
            "token": fingerprint(secret) if secret else None,
            "body": _logged_body(request.body),
            "status": response.status,
            "fault": fault.kind if fault else None,
        }
        with self._log_lock:
            self._log.append(entry)


class _Call:
    """What each method does at the path of one request."""

    def __init__(self, api: LinodeApi, request: Request, token: Token, ignore_filter: bool) -> None:
        self._store, self._request, self._token = api.store, request, token
        self._filter = None if ignore_filter else request.headers.get("x-filter")

    def domains(self) -> dict[str, Callable[[], dict]]:
        return {"GET": lambda: self._list(self._store.domains(), DOMAIN_FILTERS), "POST": self._create_domain}

    def domain(self, domain_id: int) -> dict[str, Callable[[], dict]]:
        return {
            "GET": lambda: self._store.domain(domain_id),
            "PUT": lambda: self._changing(domain_id, lambda: self._store.update_domain(domain_id, self._body())),
            "DELETE": lambda: self._changing(domain_id, lambda: self._store.delete_domain(domain_id)),
        }

    def records(self, domain_id: int) -> dict[str, Callable[[], dict]]:
        caller = self._request.caller
        return {
            "GET": lambda: self._list(self._store.records(domain_id), RECORD_FILTERS),
            "POST": lambda: self._changing(
                domain_id, lambda: self._store.create_record(domain_id, self._body(), caller)
            ),
        }

    def record(self, domain_id: int, record_id: int) -> dict[str, Callable[[], dict]]:
        caller = self._request.caller
        return {
            "GET": lambda: self._store.record(domain_id, record_id),
            "PUT": lambda: self._changing(
                domain_id, lambda: self._store.update_record(domain_id, record_id, self._body(), caller)
            ),
            "DELETE": lambda: self._changing(domain_id, lambda: self._store.delete_record(domain_id, record_id)),
        }

    def _create_domain(self) -> dict:
        authorize_change(self._token, None)
        return self._store.create_domain(self._body())

    def _changing(self, domain_id: int, change: Callable[[], dict | None]) -> dict:
        """Carries out a change that the token's user may make; DELETE answers `{}`."""
        authorize_change(self._token, self._store.domain(domain_id)["domain"])
        return change() or {}

    def _list(self, items: list[dict], filterable: frozenset[str]) -> dict:
        return listing.page(listing.filtered(items, self._filter, filterable), self._request.query)

    def _body(self) -> Mapping[str, Any]:
        """The JSON object of the request; anything else is refused (text assumed)."""
        try:
            value = json.loads(self._request.body)
        except ValueError:
            raise refuse("Invalid JSON") from None
        if not isinstance(value, dict):
            raise refuse("Invalid JSON: not an object")
        return value


def _line(rr: Rr) -> str:
    return f"{rr.name}. {rr.ttl} IN {rr.type} {rr.data}"


def _logged_body(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
