"""Requests and responses as the services inside the front see them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request; header names are lower case. `caller` is the client's address."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    caller: str


@dataclass
class Response:
    """One response with a body in memory.

    `hang`: seconds of silence instead of an answer, then the connection closes.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang: float | None = None

    @classmethod
    def json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None) -> "Response":
        """A JSON body."""
        body = json.dumps(value).encode()
        return cls(status, {"Content-Type": "application/json", **(headers or {})}, body)

    @classmethod
    def text(cls, status: int, text: str, kind: str = "text/plain") -> "Response":
        """A text body."""
        return cls(status, {"Content-Type": f"{kind}; charset=utf-8"}, text.encode())
