"""The ways in over SSH, tried from the client: nobody who administers the machine may lose theirs."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed import layout as where
from testbed.bed import Bed
from testbed.build.debian_root import ROOT_PASSWORD
from testbed.machine import Machine
from testbed.sh import run

OPTIONS = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=10", "NumberOfPasswordPrompts=1")
BY_PASSWORD = ("PreferredAuthentications=password,keyboard-interactive", "PubkeyAuthentication=no")
BY_KEY = ("PreferredAuthentications=publickey", "IdentitiesOnly=yes", "BatchMode=yes")

#: ssh's exit status where the login failed, and sshpass's where the password was wrong.
REFUSED = (255, 5)

MAKE = 'useradd --create-home --shell /bin/bash "$1"; printf "%s:%s\n" "$1" "$2" | chpasswd'
AUTHORIZE = (
    'home=$(getent passwd "$1" | cut -d: -f6); install -d -m 700 -o "$1" -g "$(id -gn "$1")" "$home/.ssh"; '
    'cat >>"$home/.ssh/authorized_keys"; chown "$1:" "$home/.ssh/authorized_keys"; chmod 600 "$home/.ssh/authorized_keys"'
)


@dataclass(frozen=True)
class Doors:
    """sshd at one port, as the client meets it."""

    bed: Bed
    port: int = 22

    def by_password(self, name: str, password: str, command: str = "id -un", input: str | None = None) -> str | None:
        """What the command says after a login; None if sshd refuses it."""
        return self._try(["sshpass", "-e"], BY_PASSWORD, name, command, {"SSHPASS": password}, input)

    def by_key(self, name: str, key: Path) -> str | None:
        return self._try([], (*BY_KEY, f"IdentityFile={key}"), name, "id -un", {}, None)

    def rules_by_password(self, name: str, password: str) -> bool:
        """Can this account become root by its password?"""
        return self.by_password(name, password, "sudo -S -p '' id -un", f"{password}\n") == "root"

    def _try(self, before: list[str], methods: tuple[str, ...], name: str, command: str, env: Mapping[str, str], input: str | None) -> str | None:
        self._forgive()
        options = [part for option in (*OPTIONS, *methods) for part in ("-o", option)]
        argv = [*before, "ssh", "-F", "none", "-T", "-p", str(self.port), *options, f"{name}@{where.MACHINE_V4}", command]
        done: subprocess.CompletedProcess[str] = self.bed.client.run(argv, env=env, input=input, check=False)
        refused = done.returncode in REFUSED and "Permission denied" in done.stderr
        assert done.returncode == 0 or refused, f"{name}: status {done.returncode}, {done.stderr}"
        return None if refused else done.stdout.strip()

    def _forgive(self) -> None:
        """fail2ban counts the refusals of these tests."""
        self.bed.machine.sh("if systemctl -q is-active fail2ban; then fail2ban-client unban --all; fi")


def root_by_password(doors: Doors) -> bool:
    return doors.by_password("root", ROOT_PASSWORD) == "root"


def make_account(machine: Machine, name: str, password: str, *groups: str) -> None:
    """Somebody who lives on the machine already."""
    machine.run(["sh", "-ec", MAKE, "make", name, password])
    for group in groups:
        machine.run(["adduser", "--quiet", name, group])


def key_pair(directory: Path) -> Path:
    path = directory / "key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)])
    return path


def authorize(machine: Machine, key: Path, *names: str) -> None:
    """Lets the key's holder log in as each of these accounts."""
    for name in names:
        machine.run(["sh", "-ec", AUTHORIZE, "authorize", name], input=key.with_suffix(".pub").read_text())
