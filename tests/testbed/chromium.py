"""A real browser on the client: headless Chromium, driven over the pipe of its DevTools protocol. It trusts what the client trusts."""

from __future__ import annotations

import base64
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from .client import Client
from .sh import BedError

#: Debian's program itself: /usr/bin/chromium is a script that reads the caller's configuration.
PROGRAM = "/usr/lib/chromium/chromium"
#: HTTP/3 of the bed's old Caddy is not what is looked at here.
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-extensions",
           "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe")  # fmt: skip
CALL_SECONDS = 30.0

PHONE, DESKTOP = (390, 844), (1280, 800)


@dataclass
class Tab:
    """What one tab has seen so far."""

    browser: Chromium
    session: str
    #: (status, URL) of each document, failed loads as status 0.
    documents: list[tuple[int, str]] = field(default_factory=list)
    #: Every URL that was asked for.
    requests: list[str] = field(default_factory=list)
    #: What the browser complains of: a policy that forbids something, a script's error.
    complaints: list[str] = field(default_factory=list)

    def call(self, method: str, **parameters: Any) -> dict:
        return self.browser.call(method, parameters, self.session)

    def look(self, size: tuple[int, int], scheme: str = "light") -> None:
        """As on a window of that size, with the colours `light` or `dark`."""
        width, height = size
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=size == PHONE)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def go(self, url: str) -> str | None:
        """Opens the address; returns what is in the way."""
        return self.call("Page.navigate", url=url).get("errorText")

    def evaluate(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    @property
    def text(self) -> str:
        return self.evaluate("document.body ? document.body.innerText : ''") or ""

    @property
    def url(self) -> str:
        return self.evaluate("location.href") or ""

    def wait_for(self, text: str, timeout: float) -> str:
        """Until the page, which nobody touches, has this text."""
        limit = time.monotonic() + timeout
        while text not in (seen := self.text):
            if time.monotonic() > limit:
                raise BedError(f"after {timeout:g} s the page has no {text!r}: {seen[-500:]!r} at {self.url}")
            time.sleep(0.2)
        return seen

    def shoot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def note(self, method: str, about: dict) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Network.responseReceived" and about["type"] == "Document":
            self.documents.append((about["response"]["status"], about["response"]["url"]))
        elif method == "Log.entryAdded" and about["entry"]["source"] != "network":
            self.complaints.append(about["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(about["exceptionDetails"]["text"])


class Chromium:
    """`with Chromium(client) as browser:`"""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.tabs: dict[str, Tab] = {}
        self.last = 0
        self.unread = b""

    def __enter__(self) -> Chromium:
        self.home = Path(tempfile.mkdtemp(prefix="testbed-chromium."))
        try:
            self._trust()
            self._start()
        except BaseException:
            shutil.rmtree(self.home, ignore_errors=True)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self.to)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        os.close(self.from_)
        shutil.rmtree(self.home, ignore_errors=True)

    def _trust(self) -> None:
        """Chromium reads roots of its user's own from an NSS database alone."""
        database = self.home / ".pki/nssdb"
        database.mkdir(parents=True)
        certutil = ["certutil", "-d", f"sql:{database}"]
        subprocess.run([*certutil, "-N", "--empty-password"], check=True, capture_output=True)
        roots = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", self.client.layout.trust.read_text(), re.DOTALL)
        for number, root in enumerate(roots):
            subprocess.run([*certutil, "-A", "-t", "C,,", "-n", f"root {number}"], input=root.encode(), check=True, capture_output=True)

    def _start(self) -> None:
        read, self.to = os.pipe()
        self.from_, write = os.pipe()

        def at_3_and_4() -> None:
            # Out of the way first: either may be 3 or 4 itself.
            high = [os.dup2(end, number) for end, number in ((read, 63), (write, 64))]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        argv = self.client.entering([PROGRAM, *OPTIONS, f"--user-data-dir={self.home}/profile", "about:blank"])
        self.log = self.home / "log"
        with self.log.open("wb") as log:
            environment = {**self.client.environment(), "HOME": str(self.home)}
            self.process = subprocess.Popen(
                argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                close_fds=False, preexec_fn=at_3_and_4, start_new_session=True,
            )  # fmt: skip
        os.close(read)
        os.close(write)

    def tab(self) -> Tab:
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        tab = self.tabs[session] = Tab(self, session)
        for domain in ("Page", "Network", "Log", "Runtime"):
            tab.call(f"{domain}.enable")
        return tab

    def call(self, method: str, parameters: dict, session: str | None = None) -> dict:
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self.to, json.dumps(message).encode() + b"\0")
        limit = time.monotonic() + CALL_SECONDS
        while True:
            answer = self._next(limit, method)
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise BedError(f"the browser refuses {method}: {answer['error']}")
                return answer["result"]
            if tab := self.tabs.get(answer.get("sessionId", "")):
                tab.note(answer.get("method", ""), answer.get("params", {}))

    def _next(self, limit: float, method: str) -> dict:
        while b"\0" not in self.unread:
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self.from_], [], [], left)[0]:
                raise BedError(f"the browser does not answer {method}: {self.log.read_text(errors='replace')[-1000:]}")
            new = os.read(self.from_, 1 << 20)
            if not new:
                raise BedError(f"the browser has ended: {self.log.read_text(errors='replace')[-1000:]}")
            self.unread += new
        line, _, self.unread = self.unread.partition(b"\0")
        return json.loads(line)
