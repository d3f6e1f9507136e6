"""Pages and `X-Filter` (linode.md §1.6)."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from .errors import NOT_FOUND, ApiError, refuse

PAGE_SIZE = 100
PAGE_SIZE_MIN, PAGE_SIZE_MAX = 25, 500

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "+gt": lambda have, want: have > want,
    "+gte": lambda have, want: have >= want,
    "+lt": lambda have, want: have < want,
    "+lte": lambda have, want: have <= want,
    "+contains": lambda have, want: want in have,
    "+neq": lambda have, want: have != want,
}

Predicate = Callable[[Mapping[str, Any]], bool]


def page(items: Sequence[dict], query: str) -> dict:
    """The envelope `{data, page, pages, results}` of the wanted page."""
    asked = parse_qs(query, keep_blank_values=True)
    size = _number(asked, "page_size", PAGE_SIZE, PAGE_SIZE_MIN, PAGE_SIZE_MAX)
    pages = max(1, -(-len(items) // size))
    number = _number(asked, "page", 1, 1, None)
    if number > pages:  # assumed: a page after the last one does not exist
        raise ApiError(404, NOT_FOUND)
    data = items[(number - 1) * size : number * size]
    return {"data": list(data), "page": number, "pages": pages, "results": len(items)}


def is_paginated(query: str) -> bool:
    """Does the request name a page? Such requests have a limit of their own."""
    asked = parse_qs(query, keep_blank_values=True)
    return "page" in asked or "page_size" in asked


def _number(asked: dict[str, list[str]], key: str, default: int, low: int, high: int | None) -> int:
    """A number from the query string; outside its limits it is refused (status assumed)."""
    if key not in asked:
        return default
    text = asked[key][-1]
    if not text.isdigit() or int(text) < low or (high is not None and int(text) > high):
        limits = f"between {low} and {high}" if high else f"at least {low}"
        raise refuse(f"{key} must be {limits}", key)
    return int(text)


def filtered(items: Sequence[dict], header: str | None, filterable: frozenset[str]) -> list[dict]:
    """The items that `X-Filter` selects, in the order it asks for."""
    if not header:
        return list(items)
    try:
        wanted = json.loads(header)
    except ValueError:
        raise refuse("Filter must be valid JSON", "X-Filter") from None
    if not isinstance(wanted, dict):
        raise refuse("Filter must be a JSON object", "X-Filter")
    order_by, order = wanted.pop("+order_by", None), wanted.pop("+order", "asc")
    matches = _all_of(wanted, filterable)
    chosen = [item for item in items if matches(item)]
    if order_by is None:
        return chosen
    if order_by not in filterable or order not in ("asc", "desc"):
        raise refuse(f"Cannot order by {order_by} {order}", "X-Filter")
    return sorted(chosen, key=lambda item: str(item[order_by]), reverse=order == "desc")


def _all_of(wanted: Mapping[str, Any], filterable: frozenset[str]) -> Predicate:
    parts = [_one(key, value, filterable) for key, value in wanted.items()]
    return lambda item: all(part(item) for part in parts)


def _one(key: str, value: Any, filterable: frozenset[str]) -> Predicate:
    if key in ("+and", "+or"):
        if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
            raise refuse(f"{key} needs a list of objects", "X-Filter")
        parts = [_all_of(part, filterable) for part in value]
        combine = all if key == "+and" else any
        return lambda item: combine(part(item) for part in parts)
    if key not in filterable:
        raise refuse(f"Cannot filter on {key}", "X-Filter")
    if not isinstance(value, dict):
        return lambda item: value in item[key] if isinstance(item[key], list) else item[key] == value
    if unknown := set(value) - set(COMPARISONS):
        raise refuse(f"Cannot filter on {sorted(unknown)[0]}", "X-Filter")
    return lambda item: all(_compares(COMPARISONS[op], item[key], want) for op, want in value.items())


def _compares(operator: Callable[[Any, Any], bool], have: Any, want: Any) -> bool:
    """An item whose value cannot be compared (null, another type) does not match."""
    try:
        return operator(have, want)
    except TypeError:
        return False
