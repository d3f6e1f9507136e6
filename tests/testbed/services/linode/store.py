"""Domains and records of one account, and the zones that other accounts hold."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..dns.zone import Rr, Zone, normal
from . import validation
from .errors import NOT_FOUND, ApiError, refuse

MAX_RECORDS = 12_000

DEFAULT_TTL, DEFAULT_REFRESH, DEFAULT_RETRY, DEFAULT_EXPIRE = 86400, 14400, 14400, 1209600

NEW_DOMAIN: dict[str, Any] = {
    "status": "active",
    "description": None,
    "group": "",
    "tags": [],
    "master_ips": [],
    "axfr_ips": [],
    "ttl_sec": 0,
    "refresh_sec": 0,
    "retry_sec": 0,
    "expire_sec": 0,
    "soa_email": None,
    "errors": "",
}
NEW_RECORD: dict[str, Any] = {
    "name": "",
    "target": "",
    "priority": 0,
    "weight": 0,
    "port": 0,
    "service": None,
    "protocol": None,
    "tag": None,
    "ttl_sec": 0,
}

#: Called with a zone's name and its new state whenever something changed.
Listener = Callable[[str, Zone | None], None]


class Store:
    """What the API remembers. Every method is safe to call from any thread."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._domains: dict[int, dict[str, Any]] = {}
        self._records: dict[int, dict[int, dict[str, Any]]] = {}
        self._elsewhere: dict[str, Zone] = {}
        self._next_id = 1_000_000
        self._serial = int(time.time())
        self.lock = threading.RLock()

    def put_elsewhere(self, name: str, records: Iterable[Rr]) -> None:
        """A zone that another account holds: served, but it cannot be created or seen here."""
        domain = {**NEW_DOMAIN, "domain": name, "soa_email": f"someone@{normal(name)}"}
        with self.lock:
            self._elsewhere[normal(name)] = self._rendered(domain, tuple(records))
            self._listener(normal(name), self._elsewhere[normal(name)])

    def domains(self) -> list[dict]:
        """All domains, oldest first."""
        with self.lock:
            return [dict(domain) for domain in self._domains.values()]

    def domain(self, domain_id: int) -> dict:
        """One domain; 404 if it is not this account's."""
        with self.lock:
            if domain_id not in self._domains:
                raise ApiError(404, NOT_FOUND)
            return dict(self._domains[domain_id])

    def create_domain(self, values: Mapping[str, Any]) -> dict:
        """A new zone; its name is unique on the whole platform (linode.md §1.3)."""
        fields = validation.domain_fields(values, None)
        with self.lock:
            self._refuse_taken(fields["domain"], None)
            now = _now()
            domain: dict[str, Any] = {"id": self._new_id(), **NEW_DOMAIN, **fields, "created": now, "updated": now}
            domain["domain"] = domain["domain"].lower()
            self._domains[domain["id"]] = domain
            self._records[domain["id"]] = {}
            self._changed(domain["id"])
            return dict(domain)

    def update_domain(self, domain_id: int, values: Mapping[str, Any]) -> dict:
        """Changes the fields that are given; a new name is a new zone for DNS."""
        with self.lock:
            current = self.domain(domain_id)
            fields = validation.domain_fields(values, {k: current[k] for k in validation.DOMAIN_FIELDS})
            self._refuse_taken(fields["domain"], domain_id)
            if normal(fields["domain"]) != normal(current["domain"]):
                self._listener(normal(current["domain"]), None)
            self._domains[domain_id] = {**current, **fields, "updated": _now()}
            self._changed(domain_id)
            return dict(self._domains[domain_id])

    def delete_domain(self, domain_id: int) -> None:
        """Removes a zone with all its records."""
        with self.lock:
            name = self.domain(domain_id)["domain"]
            del self._domains[domain_id], self._records[domain_id]
            self._listener(normal(name), None)

    def records(self, domain_id: int) -> list[dict]:
        """All records of a zone, oldest first. SOA and NS of the zone are not among them."""
        with self.lock:
            self.domain(domain_id)
            return [dict(record) for record in self._records[domain_id].values()]

    def record(self, domain_id: int, record_id: int) -> dict:
        """One record; 404 if that zone does not hold it."""
        with self.lock:
            self.domain(domain_id)
            if record_id not in self._records[domain_id]:
                raise ApiError(404, NOT_FOUND)
            return dict(self._records[domain_id][record_id])

    def create_record(self, domain_id: int, values: Mapping[str, Any], caller: str = "") -> dict:
        """A new record. Exact duplicates are accepted (assumed: linode.md §1.4 says undocumented)."""
        with self.lock:
            zone = self.domain(domain_id)["domain"]
            fields = validation.record_fields(values, zone, caller, None)
            if len(self._records[domain_id]) >= MAX_RECORDS:
                raise refuse(f"A domain may have at most {MAX_RECORDS} active records")
            self._refuse_conflict(domain_id, fields, None)
            record = self._add_record(domain_id, fields)
            self._changed(domain_id)
            return dict(record)

    def update_record(self, domain_id: int, record_id: int, values: Mapping[str, Any], caller: str = "") -> dict:
        """Changes the fields that are given; the type cannot change."""
        with self.lock:
            current = self.record(domain_id, record_id)
            zone = self.domain(domain_id)["domain"]
            fields = validation.record_fields(
                values, zone, caller, {key: current[key] for key in validation.RECORD_FIELDS}
            )
            self._refuse_conflict(domain_id, fields, record_id)
            self._records[domain_id][record_id] = {**current, **fields, "updated": _now()}
            self._changed(domain_id)
            return dict(self._records[domain_id][record_id])

    def delete_record(self, domain_id: int, record_id: int) -> None:
        """Removes one record."""
        with self.lock:
            self.record(domain_id, record_id)
            del self._records[domain_id][record_id]
            self._changed(domain_id)

    def put_zone(self, domain: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> dict:
        """For tests: makes or replaces a zone and its records in one change.

        The name keeps its capitals, as in zones made long ago, and the status may be
        one that only Linode sets (`edit_mode`, `has_errors`).
        """
        status = domain.get("status", "active")
        with self.lock:
            for old in self.domains():
                if normal(old["domain"]) == normal(domain["domain"]):
                    self.delete_domain(old["id"])
            made = self.create_domain({**domain, "status": "active"})
            self._domains[made["id"]] |= {"domain": domain["domain"], "status": status}
            for values in records:
                self._add_record(made["id"], validation.record_fields(values, domain["domain"], "", None))
            self._changed(made["id"])
            return self.domain(made["id"])

    def clear(self) -> None:
        """An account without zones, and nothing held elsewhere."""
        with self.lock:
            for domain in self.domains():
                self.delete_domain(domain["id"])
            for name in self._elsewhere:
                self._listener(name, None)
            self._elsewhere.clear()

    def zone(self, domain_id: int) -> Zone | None:
        """What Linode's name servers serve of this domain; None: nothing."""
        with self.lock:
            domain = self.domain(domain_id)
            if domain["status"] == "disabled" or domain["type"] != "master":
                return None
            name, ttl = normal(domain["domain"]), domain["ttl_sec"] or DEFAULT_TTL
            return self._rendered(
                domain, tuple(_published(record, name, ttl) for record in self._records[domain_id].values())
            )

    def _rendered(self, domain: Mapping[str, Any], records: tuple[Rr, ...]) -> Zone:
        """The zone with Linode's SOA and NS records; the TTL is also the negative one (linode.md §1.3)."""
        name, ttl = normal(domain["domain"]), domain["ttl_sec"] or DEFAULT_TTL
        servers = tuple(Rr(name, "NS", ttl, f"ns{number}.linode.com") for number in range(1, 6))
        self._serial += 1
        return Zone(
            name, "ns1.linode.com", domain["soa_email"].replace("@", "."), self._serial,
            domain["refresh_sec"] or DEFAULT_REFRESH, domain["retry_sec"] or DEFAULT_RETRY,
            domain["expire_sec"] or DEFAULT_EXPIRE, ttl, ttl, servers + records,
        )  # fmt: skip

    def _add_record(self, domain_id: int, fields: Mapping[str, Any]) -> dict:
        now = _now()
        record: dict[str, Any] = {"id": self._new_id(), **NEW_RECORD, **fields, "created": now, "updated": now}
        self._records[domain_id][record["id"]] = record
        return record

    def _refuse_taken(self, name: str, own_id: int | None) -> None:
        """Status and field as inferred in linode.md §1.3, the text is assumed."""
        mine = any(normal(d["domain"]) == normal(name) and d["id"] != own_id for d in self._domains.values())
        if mine or normal(name) in self._elsewhere:
            raise refuse("DNS zone already exists.", "domain")

    def _refuse_conflict(self, domain_id: int, fields: Mapping[str, Any], own_id: int | None) -> None:
        others = [
            record
            for record in self._records[domain_id].values()
            if record["id"] != own_id and normal(record["name"]) == normal(fields["name"])
        ]
        kinds = {record["type"] for record in others}
        if (fields["type"] == "CNAME" and (others or not fields["name"])) or "CNAME" in kinds:
            raise refuse("Record conflict - CNAMES must be unique", "name")
        if fields["type"] == "MX" and "MX" in kinds:
            targets = {record["target"] for record in others if record["type"] == "MX"}
            if not fields["target"] or "" in targets:  # null MX, linode.md §1.4; text assumed
                raise refuse("Record conflict - a null MX must be the only MX", "target")

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _changed(self, domain_id: int) -> None:
        self._listener(normal(self._domains[domain_id]["domain"]), self.zone(domain_id))


def _published(record: Mapping[str, Any], zone: str, ttl: int) -> Rr:
    name = normal(f"{record['name']}.{zone}" if record["name"] else zone)
    target = record["target"]
    match record["type"]:
        case "MX":
            data = f"{record['priority']} {target or '.'}"
        case "SRV":
            data = f"{record['priority']} {record['weight']} {record['port']} {target}"
        case "CAA":
            data = f"0 {record['tag']} {target}"
        case _:
            data = target
    return Rr(name, record["type"], record["ttl_sec"] or ttl, data)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
