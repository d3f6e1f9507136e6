"""Token authentication of the public registries, in front of the real one.

A double of the Docker Registry token protocol as ghcr.io and Docker Hub use it for
anonymous pulls: 401 with a challenge, a token from the realm, the token in each
request. Which repository a token is for is not checked, and blobs come from the
registry itself where the real ones redirect to a content delivery network.
"""

import hmac
import re
import secrets
from urllib.parse import parse_qs

from .. import addresses
from ..http import Request, Response
from .backends import Backend, Stream

REPOSITORY = re.compile(r"^/v2/(.+)/(?:manifests|blobs|tags)/")


class Tokens:
    """The anonymous token, new for each run of the bed."""

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe(48)

    def give(self, request: Request) -> Response:
        """The answer of a token endpoint; `service` is required."""
        if "service" not in parse_qs(request.query):
            return Response.json(400, {"details": "missing service parameter"})
        return Response.json(200, {"token": self._token, "access_token": self._token, "expires_in": 300})

    def are_valid(self, authorization: str) -> bool:
        """Is this `Authorization` the token that we gave?"""
        return hmac.compare_digest(authorization.encode(), f"Bearer {self._token}".encode())


class TokenRealm:
    """auth.docker.io."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def answer(self, request: Request) -> Response:
        """GET /token."""
        return self._tokens.give(request) if request.path == "/token" else Response.text(404, "Not Found\n")


class GuardedRegistry:
    """ghcr.io or registry-1.docker.io: the registry behind a token challenge."""

    def __init__(self, host: str, registry: Backend, tokens: Tokens) -> None:
        self._host, self._registry, self._tokens = host, registry, tokens

    def answer(self, request: Request) -> Response | Stream:
        """The registry's answer, or the challenge."""
        if self._host == addresses.GHCR and request.path == "/token":
            return self._tokens.give(request)
        if not self._tokens.are_valid(request.headers.get("authorization", "")):
            return self._challenge(request)
        return self._registry.answer(request)

    def _challenge(self, request: Request) -> Response:
        hub = self._host == addresses.DOCKER_HUB
        realm = f"https://{addresses.DOCKER_AUTH}/token" if hub else f"https://{addresses.GHCR}/token"
        service = "registry.docker.io" if hub else addresses.GHCR
        challenge = f'Bearer realm="{realm}",service="{service}"'
        if found := REPOSITORY.match(request.path):
            challenge += f',scope="repository:{found[1]}:pull"'
        body = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required", "detail": None}]}
        headers = {"WWW-Authenticate": challenge, "Docker-Distribution-Api-Version": "registry/2.0"}
        return Response.json(401, body, headers)
