"""The StackScript and a release host in trouble: a plain sentence, an exit status, and a machine without a broken binary."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.services import HostFault

HOST = "get.tootstrap.example"


@dataclass(frozen=True)
class Trouble:
    name: str
    fault: HostFault
    #: One of these words must be in what the user reads.
    says: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


TROUBLE = [
    Trouble("wrong sum", HostFault(HOST, path="tootstrap", flip_at=1000), ("checksum", "SHA-256", "sum")),
    Trouble("404", HostFault(HOST, status=404, body="not here"), ("404", "not found", "download")),
    Trouble("truncated", HostFault(HOST, path="tootstrap", truncate_after=50_000), ("incomplete", "download", "checksum", "SHA-256")),
    Trouble("an error page with status 200", HostFault(HOST, status=200, body="<html>maintenance</html>"), ("checksum", "SHA-256", "sum")),
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=str)
def test_trouble_with_the_download(bare: Bed, stackscript: str, trouble: Trouble) -> None:
    control = bare.services.control
    control.clear_host_faults(HOST)
    control.add_host_fault(trouble.fault)
    try:
        done = bare.machine.stackscript(stackscript, FORM, timeout=300)
    finally:
        control.clear_host_faults(HOST)
    assert done.returncode == 1, done.stdout
    assert "Installation Complete" not in done.stdout
    assert any(word.lower() in done.stdout.lower() for word in trouble.says), done.stdout
    assert not bare.machine.exists("/usr/local/bin/tootstrap") and not bare.machine.exists("/opt/mastodon")
    assert FORM["token_password"] not in done.stdout


def test_it_tries_again_before_it_gives_up(bare: Bed, stackscript: str) -> None:
    """One connection that breaks is not the end; the form is refused afterwards, so that nothing is installed."""
    control = bare.services.control
    control.add_host_fault(HostFault(HOST, path="tootstrap", times=1, reset_after=20_000))
    try:
        done = bare.machine.stackscript(stackscript, {**FORM, "domain": "not a domain"}, timeout=300)
    finally:
        control.clear_host_faults(HOST)
    assert done.returncode == 2, done.stdout
    assert "domain" in done.stdout and "contains a space" in done.stdout
