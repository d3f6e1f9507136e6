"""Somebody's web site on the bare domain, beside which a Mastodon will stand on a subdomain."""

from ..http import Request, Response

WEBFINGER = "/.well-known/webfinger"


class Website:
    """One page. `webfinger_site`: the host that questions about handles are sent to; None: they are not known here."""

    def __init__(self) -> None:
        self.webfinger_site: str | None = None

    def answer(self, request: Request) -> Response:
        """The page, or the redirect that a Mastodon under another name needs (mastodon.md §2.4)."""
        if request.path == "/":
            return Response.text(200, "<!doctype html><title>A site of its own</title>\n", "text/html")
        if request.path == WEBFINGER and self.webfinger_site:
            question = f"?{request.query}" if request.query else ""
            return Response(301, {"Location": f"https://{self.webfinger_site}{WEBFINGER}{question}"})
        return Response.text(404, "404 Not Found\n")
