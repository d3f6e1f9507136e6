"""Logging in on the machine over SSH, from the client: the way in that nobody may lose."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from testbed import layout as where
from testbed.bed import Bed
from testbed.machine import Machine
from testbed.sh import run

OPTIONS = ("IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=10")

#: ssh's own exit status where the login failed.
NO_LOGIN = 255

AUTHORIZE = (
    'home=$(getent passwd "$1" | cut -d: -f6); install -d -m 700 -o "$1" -g "$(id -gn "$1")" "$home/.ssh"; '
    'cat >>"$home/.ssh/authorized_keys"; chown "$1:" "$home/.ssh/authorized_keys"; chmod 600 "$home/.ssh/authorized_keys"'
)


@dataclass(frozen=True)
class Key:
    """A key pair of the client's; `path` is the private one."""

    path: Path

    @classmethod
    def make(cls, directory: Path) -> Key:
        path = directory / "key"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)])
        return cls(path)

    @property
    def public(self) -> str:
        return self.path.with_suffix(".pub").read_text()

    def authorize(self, machine: Machine, *names: str) -> None:
        """Lets its holder log in as each of these accounts."""
        for name in names:
            machine.run(["sh", "-ec", AUTHORIZE, "authorize", name], input=self.public)


@dataclass(frozen=True)
class Ssh:
    """The client with one key, at one port of sshd."""

    bed: Bed
    key: Key
    port: int = 22

    def run(
        self, name: str, command: str, *, tty: bool = False, input: str | None = None, timeout: float = 900
    ) -> subprocess.CompletedProcess[str]:
        """Runs a shell command as `name`; with `tty` on a terminal, which `input` is typed into."""
        return self.bed.client.run(self._ssh(name, command, "-tt" if tty else "-T"), input=input, timeout=timeout, check=False)

    def on_a_terminal(self, name: str, command: str) -> list[str]:
        """What to start on a terminal of the client's, whose size the machine is told."""
        return self.bed.client.entering(self._ssh(name, command, "-t"))

    def _ssh(self, name: str, command: str, tty: str) -> list[str]:
        options = ["-F", "none", "-i", str(self.key.path), "-p", str(self.port), tty]
        options += [part for option in OPTIONS for part in ("-o", option)]
        return ["ssh", *options, f"{name}@{where.MACHINE_V4}", command]

    def login(self, name: str) -> str:
        """What `id -un` says after a login; empty if sshd refuses it."""
        done = self.run(name, "id -un")
        assert done.returncode == 0 or "Permission denied" in done.stderr, done.stderr
        return done.stdout.strip()

    def is_reachable(self) -> bool:
        """Whether anything answers at the port, be it a refusal."""
        done = self.bed.client.run(["ssh-keyscan", "-T", "3", "-p", str(self.port), where.MACHINE_V4], check=False)
        return bool(done.stdout.strip())
