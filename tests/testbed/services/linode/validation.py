"""What the API accepts for domains and records (linode.md §1.3, §1.4, §1.5).

Texts quoted in linode.md are used as they are; all others are assumed.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ApiError, Reason

TTLS = (0, 30, 120, 300, 3600, 7200, 14400, 28800, 57600, 86400, 172800, 345600, 604800, 1209600, 2419200)
RECORD_TYPES = ("A", "AAAA", "NS", "MX", "CNAME", "TXT", "SRV", "PTR", "CAA")
CAA_TAGS = ("issue", "issuewild", "iodef")

# linode.md §1.3: `*.` prefix, `[a-zA-Z0-9-_]` labels, last label 2–16 letters or xn--….
DOMAIN = re.compile(r"^(\*\.)?([a-zA-Z0-9_-]{1,63}\.)+([a-zA-Z]{2,16}|xn--[a-zA-Z0-9-]{1,59})$")
LABEL = re.compile(r"^(\*|[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?)$")
EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")

DOMAIN_FIELDS = frozenset(
    "domain type soa_email status ttl_sec refresh_sec retry_sec expire_sec"
    " description tags group master_ips axfr_ips".split()
)
RECORD_FIELDS = frozenset("type name target priority weight port service protocol tag ttl_sec".split())


class Problems:
    """Collects reasons, so that one answer names them all."""

    def __init__(self) -> None:
        self._reasons: list[Reason] = []

    def add(self, field: str, reason: str) -> None:
        """One more thing that is wrong."""
        self._reasons.append(Reason(reason, field))

    def check(self, values: Mapping[str, Any], field: str, valid: Callable[[Any], bool], reason: str) -> None:
        """The field, where it is given and not null, must satisfy `valid`."""
        if values.get(field) is not None and not valid(values[field]):
            self.add(field, reason)

    def known(self, values: Mapping[str, Any], fields: frozenset[str]) -> None:
        """Keys outside the schema (`additionalProperties: false`) are refused; text assumed."""
        for field in sorted(set(values) - fields):
            self.add(field, f"{field} is not a valid field")

    def raise_any(self) -> None:
        """Refuses the request if there is at least one reason."""
        if self._reasons:
            raise ApiError(400, *self._reasons)


def rounded_up(seconds: int) -> int:
    """A zone's time field: the next valid value (linode.md §1.3)."""
    return next((ttl for ttl in TTLS if ttl >= seconds), TTLS[-1])


def nearest(seconds: int) -> int:
    """A record's TTL: the nearest valid value, 30 and 120 included (linode.md §1.5)."""
    if seconds == 0:
        return 0
    return min(TTLS[1:], key=lambda ttl: (abs(ttl - seconds), ttl))


def is_whole(value: Any, low: int = 0, high: int = 2**31 - 1) -> bool:
    """Is this an integer (not a boolean) within the limits?"""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_domain(value: Any) -> bool:
    """1–253 characters, the schema's pattern."""
    return isinstance(value, str) and 1 <= len(value) <= 253 and DOMAIN.match(value) is not None


def domain_fields(values: Mapping[str, Any], current: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of a domain after POST (`current` is None) or PUT."""
    problems = Problems()
    problems.known(values, DOMAIN_FIELDS)
    merged = {**(current or {}), **values}
    if not merged.get("domain"):
        problems.add("domain", "domain is required")
    if merged.get("type") not in ("master", "slave"):
        problems.add("type", "type is required" if not merged.get("type") else "Must be one of master, slave")
    if merged.get("type") == "master" and not merged.get("soa_email"):
        problems.add("soa_email", "soa_email required when type=master")
    if merged.get("type") == "slave" and not merged.get("master_ips"):
        problems.add("master_ips", "master_ips required when type=slave")
    problems.check(values, "domain", is_domain, "domain is not valid")
    problems.check(values, "soa_email", lambda v: isinstance(v, str) and bool(EMAIL.match(v)), "Invalid email address")
    problems.check(values, "status", lambda v: v in ("active", "disabled"), "Must be one of active, disabled")
    problems.check(values, "description", lambda v: isinstance(v, str) and 1 <= len(v) <= 253, "Length must be 1-253")
    for field in ("ttl_sec", "refresh_sec", "retry_sec", "expire_sec"):
        problems.check(values, field, is_whole, "Must be an integer")
    for field in ("tags", "master_ips", "axfr_ips"):
        problems.check(values, field, _is_short_list, "Must be a list of at most 1000 characters in total")
    problems.raise_any()
    for field in ("ttl_sec", "refresh_sec", "retry_sec", "expire_sec"):
        merged[field] = rounded_up(merged.get(field) or 0)
    return merged


def record_fields(values: Mapping[str, Any], zone: str, caller: str, current: Mapping[str, Any] | None) -> dict:
    """The fields of a record after POST (`current` is None) or PUT, as they are stored."""
    problems = Problems()
    problems.known(values, RECORD_FIELDS)
    if current is not None and values.get("type", current["type"]) != current["type"]:
        problems.add("type", "type cannot be changed")
    merged = {**(current or {}), **values}
    kind = merged.get("type")
    if kind not in RECORD_TYPES:
        problems.add("type", "type is required" if kind is None else f"Must be one of {', '.join(RECORD_TYPES)}")
    _check_numbers(problems, values)
    name = _stored_name(problems, str(merged.get("name") or ""), zone)
    target = str(merged.get("target") or "")
    if target == "[remote_addr]" and kind in ("A", "AAAA"):
        target = caller
    _check_target(problems, kind, target)
    _check_by_type(problems, kind, merged)
    problems.raise_any()
    if kind not in ("A", "AAAA", "CAA", "TXT"):
        target = target.removesuffix(".")
    if kind == "SRV":
        merged |= {field: "_" + str(merged[field]).removeprefix("_") for field in ("service", "protocol")}
        name = f"{merged['service']}.{merged['protocol']}"
    return {**merged, "name": name, "target": target, "ttl_sec": nearest(merged.get("ttl_sec") or 0)}


def _is_short_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value) and sum(map(len, value)) <= 1000


def _check_numbers(problems: Problems, values: Mapping[str, Any]) -> None:
    problems.check(values, "priority", lambda v: is_whole(v, 0, 255), "Must be 0-255")
    problems.check(values, "weight", lambda v: is_whole(v, 0, 65535), "Must be 0-65535")
    problems.check(values, "port", lambda v: is_whole(v, 0, 65535), "Must be 0-65535")
    problems.check(values, "ttl_sec", is_whole, "Must be an integer")


def _stored_name(problems: Problems, name: str, zone: str) -> str:
    """The relative name: a zone suffix is stripped, the apex is "" (linode.md §1.4)."""
    lowered = name.lower().removesuffix(".")
    if lowered == zone.lower():
        return ""
    name = name[: len(lowered) - len(zone) - 1] if lowered.endswith("." + zone.lower()) else name
    if len(name) > 100:
        problems.add("name", "Length must be 0-100")
    elif name and not all(LABEL.match(label) for label in name.split(".")):
        problems.add("name", "Name contains invalid characters")
        problems.add("name", "Invalid hostname")
    return name


def _check_target(problems: Problems, kind: str | None, target: str) -> None:
    if len(target) > 65535:
        problems.add("target", "Length must be 0-65535")
    elif kind == "A" and not _is_address(target, 4):
        problems.add("target", "Must be a valid IPv4 address")
    elif kind == "AAAA" and not _is_address(target, 6):
        problems.add("target", "Must be a valid IPv6 address")
    elif kind == "CAA" and re.search(r"\s", target):
        problems.add("target", "Must not contain whitespace")
    elif kind in ("NS", "CNAME", "PTR", "SRV") and not _is_host(target):
        problems.add("target", "Invalid hostname")
    elif kind == "MX" and target and not _is_host(target):
        problems.add("target", "Invalid hostname")
    elif not target and kind not in ("MX", None):
        problems.add("target", "target is required")


def _check_by_type(problems: Problems, kind: str | None, merged: Mapping[str, Any]) -> None:
    if kind == "SRV":
        for field in ("priority", "service", "protocol"):
            if merged.get(field) in (None, ""):
                problems.add(field, f"{field} is required")
    if kind == "CAA" and merged.get("tag") not in CAA_TAGS:
        problems.add("tag", f"Must be one of {', '.join(CAA_TAGS)}")


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _is_host(text: str) -> bool:
    labels = text.removesuffix(".").split(".")
    return len(text) <= 254 and all(LABEL.match(label) for label in labels)
