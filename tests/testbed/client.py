"""The client: another computer on the internet, with nothing but addresses, DNS and the roots it trusts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .layout import Layout
from .sh import BedError


class Client:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def entering(self, argv: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.layout.cli, *argv]

    def environment(self) -> dict[str, str]:
        """Nothing of the caller's: its own proxy or certificate variables must not decide what the client sees."""
        return {
            "HOME": "/nonexistent",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "TERM": os.environ.get("TERM", "dumb"),
            "SSL_CERT_FILE": str(self.layout.trust),
            "CURL_CA_BUNDLE": str(self.layout.trust),
        }

    def run(
        self,
        argv: Sequence[str],
        input: str | None = None,
        timeout: float = 120,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.entering(argv),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**self.environment(), **(env or {})},
            check=False,
        )
        if check and done.returncode != 0:
            raise BedError(f"`{' '.join(argv)}` on the client ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
        return done

    def python(self, module: str, *arguments: str, input: str | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs a module of the testbed on the client."""
        env = {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
        return self.run([sys.executable, "-m", module, *arguments], input=input, timeout=timeout, env=env, check=False)

    def interactive(self, argv: Sequence[str]) -> int:
        return subprocess.run(self.entering(argv), env=self.environment(), check=False).returncode
