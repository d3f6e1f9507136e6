"""The control API: POST /<call> with a JSON object over a UNIX socket.

UNIX sockets are found by path, so they cross network namespaces.
"""

import http.server
import json
import logging
import socketserver
import threading
from pathlib import Path
from typing import Any

from .calls import Calls
from .linode.errors import ApiError

log = logging.getLogger("control")


class ControlServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens at `path`; readable and writable by root only."""

    daemon_threads = True

    def __init__(self, path: Path, calls: Calls) -> None:
        self.calls = calls
        path.unlink(missing_ok=True)
        super().__init__(str(path), _Handler)
        path.chmod(0o600)

    def start(self) -> None:
        """Begins to answer."""
        threading.Thread(target=self.serve_forever, name="control", daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ControlServer

    def do_POST(self) -> None:
        """One call: 200 with its result, 400 with what is wrong."""
        try:
            arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(200, self.server.calls.run(self.path.lstrip("/"), arguments))
        except (ValueError, TypeError, LookupError, OSError, RuntimeError, ApiError) as error:
            log.warning("%s: %r", self.path, error)
            self._answer(400, f"{type(error).__name__}: {error}")
        except Exception as error:
            log.exception("%s", self.path)
            self._answer(500, f"{type(error).__name__}: {error}")

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        log.info(format, *args)
