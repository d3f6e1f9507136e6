"""Looking for secrets: their forms, the places, and what somebody without rights can ask for."""

from __future__ import annotations

import base64
import errno
import os
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from testbed import guest
from testbed.bed import Bed
from testbed.machine import Machine

#: An ordinary account without any group, as somebody has it who only rents a mailbox here.
VISITOR = 2000
AS_VISITOR = ["setpriv", f"--reuid={VISITOR}", f"--regid={VISITOR}", "--clear-groups", "--inh-caps=-all", "--"]
#: Where programs leave things behind.
LEFT_BEHIND = ("/var/log", "/var/lib/tootstrap", "/run", "/tmp", "/var/tmp", "/var/crash", "/var/lib/systemd/coredump", "/root/.bash_history")
#: What the bed itself put there.
BEDS = f"/{guest.DIRECTORY}"


def forms(secret: str) -> set[bytes]:
    """How a secret can stand in a file: plain, URL-encoded, hex, base64 at each of the three alignments, a list of decimal bytes."""
    plain = secret.encode()
    found = {plain, quote(secret, safe="").encode(), plain.hex().encode(), plain.hex().upper().encode()}
    found.add(", ".join(map(str, plain)).encode())
    for shift in range(3):
        # Only what does not depend on the neighbours.
        begin, end = (-shift % 3), len(plain) - (len(plain) - (-shift % 3)) % 3
        inner = plain[begin:end]
        found |= {base64.b64encode(inner), base64.urlsafe_b64encode(inner)}
    return found


@dataclass(frozen=True)
class Secrets:
    """By name."""

    values: Mapping[str, str]

    def forms(self) -> dict[bytes, str]:
        """Each form with the name of its secret."""
        return {form: name for name, value in self.values.items() for form in forms(value)}

    def only(self, name: str) -> "Secrets":
        return Secrets({name: self.values[name]})

    def inside(self, data: bytes) -> set[str]:
        """The names of those that `data` holds, in whatever form."""
        return {name for form, name in self.forms().items() if form in data}


def of_machine(machine: Machine, token: str) -> Secrets:
    """Everything of secrets.toml but the public key, and the API token. PostgreSQL and others keep only hashes."""
    tables = tomllib.loads(machine.get("/etc/tootstrap/secrets.toml").decode())
    return Secrets({name: value for name, value in _flat(tables).items() if name != "vapid_public_key"} | {"API token": token})


def _flat(table: Mapping) -> dict[str, str]:
    found = {name: value for name, value in table.items() if isinstance(value, str)}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}" if name == "sudo_passwords" else inner: text for inner, text in _flat(value).items()}
    return found


def in_files(machine: Machine, paths: Iterable[str], secrets: Secrets) -> set[tuple[str, str]]:
    """(name, path) of every secret in these files of the machine; directories are searched to their ends. Read through the machine's
    PID 1, so that what is mounted there is what is searched."""
    leader = machine.leader()
    root = Path(f"/proc/{leader}/root")
    there = [str(root) + path for path in paths if (root / path.lstrip("/")).exists()]
    names = secrets.forms()
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as patterns:
        patterns.write(b"".join(form + b"\n" for form in names))
        patterns.flush()
        # Sockets, pipes and devices are skipped; a file that vanishes meanwhile is no trouble.
        skip = ["--devices=skip", f"--exclude-dir={guest.DIRECTORY.rpartition('/')[2]}"]
        argv = ["xargs", "-0", "-r", "grep", "-aorsHF", "--null", *skip, "-f", patterns.name, "--"]
        environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(argv, input="\0".join(there).encode(), capture_output=True, env=environment, check=False)
    assert done.returncode in (0, 1, 123), done.stderr.decode(errors="replace")[-1000:]
    lines = [line.split(b"\0", 1) for line in done.stdout.splitlines() if b"\0" in line]
    return {(names[form], path.decode(errors="replace").removeprefix(str(root))) for path, form in lines if form in names}


def readable_files(machine: Machine) -> list[str]:
    """Every file of the machine that the visitor can really open: found by itself, with its own rights."""
    find = ["find", "/", "/run", "/tmp", "/dev/shm", "-xdev", "-path", BEDS, "-prune", "-o", "-type", "f", "-readable", "-print0"]
    done = machine.run([*AS_VISITOR, *find], check=False, timeout=200)
    return sorted({path for path in done.stdout.decode(errors="replace").split("\0") if path})


def in_raw_disk(bed: Bed, secret: str) -> int:
    """How many pieces of the machine's disk hold a secret, blocks of removed files included."""
    bed.machine.sh("sync")
    wanted = forms(secret)
    overlap = max(map(len, wanted))
    with bed.layout.disk.open("rb") as disk:
        return sum(any(form in piece for form in wanted) for piece in _pieces(disk, overlap))


def _pieces(disk: BinaryIO, overlap: int, size: int = 16 << 20) -> Iterator[bytes]:
    """What was ever written, holes skipped; each piece begins with the end of the one before."""
    end, at = disk.seek(0, os.SEEK_END), 0
    while at < end:
        try:
            begin = os.lseek(disk.fileno(), at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        at = min(begin + size, os.lseek(disk.fileno(), begin, os.SEEK_HOLE))
        yield os.pread(disk.fileno(), at - begin + min(overlap, begin), begin - min(overlap, begin))


#: What somebody without rights can ask systemd, D-Bus, the process table and Docker.
QUESTIONS: dict[str, list[str]] = {
    "systemctl show (all units)": ["systemctl", "show", "--all", "--no-pager", "*"],
    "systemctl show (the work)": ["systemctl", "show", "--all", "--no-pager", "tootstrap-work.service"],
    "systemctl show (the manager)": ["systemctl", "show", "--all", "--no-pager"],
    "systemctl show-environment": ["systemctl", "show-environment", "--no-pager"],
    "systemctl cat": ["systemctl", "cat", "--no-pager", "*"],
    "systemd-cgls": ["systemd-cgls", "--all", "--full", "--no-pager"],
    "busctl (properties of the work)": [
        *("busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1/unit/tootstrap_2dwork_2eservice"),
        *("org.freedesktop.DBus.Properties", "GetAll", "s", "org.freedesktop.systemd1.Service"),
    ],
    "ps with environment": ["ps", "auxeww"],
    "journalctl": ["journalctl", "--no-pager", "--all", "--output=export"],
    "docker ps": ["docker", "ps", "--all"],
    "docker inspect": ["docker", "inspect", "mastodon-web-1"],
    "docker compose config": ["docker", "compose", "--project-directory", "/opt/mastodon", "config"],
}


def asked(machine: Machine, questions: Mapping[str, list[str]] = QUESTIONS) -> dict[str, bytes]:
    """Output and errors of each question, asked by the visitor."""
    answers = {}
    for title, argv in questions.items():
        done = machine.run([*AS_VISITOR, *argv], check=False, timeout=60)
        answers[title] = done.stdout + done.stderr
    return answers


def journal(machine: Machine) -> bytes:
    """All of it, as root reads it."""
    return machine.run(["journalctl", "--no-pager", "--all", "--output=export"], timeout=120).stdout

