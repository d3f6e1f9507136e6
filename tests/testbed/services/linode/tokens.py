"""Personal access tokens: who may do what (linode.md §1.1)."""

import hashlib
import threading
import time
from dataclasses import dataclass, field

from .errors import ApiError, Reason, refuse

DEFAULT_TOKEN = "a" * 64
READ, WRITE = "domains:read_only", "domains:read_write"


@dataclass(frozen=True)
class Token:
    """A token's secret, scopes (space separated, `*`: all) and its user's grants.

    `expires`: seconds since the epoch. A restricted user needs the account grant
    `add_domains` to create zones; zones in `read_only` are not theirs to change.
    """

    secret: str = DEFAULT_TOKEN
    scopes: str = WRITE
    expires: float | None = None
    restricted: bool = False
    add_domains: bool = False
    read_only: tuple[str, ...] = field(default=())

    def has(self, scope: str) -> bool:
        """Do the scopes cover this one? Writing includes reading."""
        held = self.scopes.split()
        return "*" in held or scope in held or (scope == READ and WRITE in held)


def fingerprint(secret: str) -> str:
    """How a token stands in the request log: never in clear."""
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:16]


class Tokens:
    """The tokens that the API knows; `refusal_status` is that of a missing scope.

    401 or 403: linode.md §1.7 says that clients must expect both.
    """

    def __init__(self) -> None:
        self._tokens = {DEFAULT_TOKEN: Token()}
        self._lock = threading.Lock()
        self.refusal_status = 401

    def reset(self) -> None:
        """Only the default token."""
        self.replace([Token()])
        self.refusal_status = 401

    def replace(self, tokens: list[Token]) -> None:
        """Only these are valid from now on."""
        with self._lock:
            self._tokens = {token.secret: token for token in tokens}

    def authenticate(self, authorization: str | None) -> Token:
        """The token of an `Authorization: Bearer` header; 401 if there is no valid one."""
        scheme, _, secret = (authorization or "").partition(" ")
        with self._lock:
            token = self._tokens.get(secret) if scheme.lower() == "bearer" else None
        if token is None or (token.expires is not None and token.expires < time.time()):
            raise ApiError(401, Reason("Invalid Token"))
        return token

    def authorize(self, token: Token, scope: str) -> None:
        """Refuses if the token lacks the scope."""
        if not token.has(scope):
            raise refuse("Your OAuth token is not authorized to use this endpoint.", status=self.refusal_status)


def authorize_change(token: Token, zone: str | None) -> None:
    """Grants of restricted users: creating a zone (`zone` is None), changing one."""
    if not token.restricted:
        return
    if (zone is None and not token.add_domains) or (zone is not None and zone in token.read_only):
        raise refuse("Unauthorized", status=403)
