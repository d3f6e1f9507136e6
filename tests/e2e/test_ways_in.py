"""`curl … | sudo sh` with the release's install.sh, over SSH: with and without a terminal, and when the release host is in trouble."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fingerprint import difference, fingerprint
from product import DONE, INSTALLED, REFUSED
from remote import Key, Ssh
from testbed import layout as where
from testbed.bed import Bed
from testbed.services import HostFault

HOST = "get.tootstrap.example"
COMMAND = f"curl -fsSL https://{HOST}/install.sh | sudo sh"
GRACE = "grace"


@pytest.fixture(scope="module")
def ssh(bare: Bed, key: Key) -> Ssh:
    """An ordinary account whom sudo asks for no password."""
    bare.machine.sh(f"useradd --create-home --shell /bin/bash {GRACE}")
    bare.machine.put("/etc/sudoers.d/grace", f"{GRACE} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    key.authorize(bare.machine, "root", GRACE)
    return Ssh(bare, key)


#: What the release host does to the program, and what must be in the message.
TROUBLE = [
    (HostFault(HOST, path="linux-musl", flip_at=1000), "is not the one that this script was made for"),
    (HostFault(HOST, path="linux-musl", status=404, body="not here"), "could not be downloaded"),
    (HostFault(HOST, path="linux-musl", truncate_after=50_000), "could not be downloaded"),
]


@pytest.mark.parametrize(("fault", "says"), TROUBLE, ids=["wrong sum", "404", "truncated"])
def test_trouble_with_the_download(bare: Bed, ssh: Ssh, fault: HostFault, says: str) -> None:
    before = fingerprint(bare.machine)
    bare.services.control.add_host_fault(fault)
    try:
        done = ssh.run(GRACE, COMMAND)
    finally:
        bare.services.control.clear_host_faults(HOST)
    assert done.returncode == 1, done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    assert says in said and "done nothing was installed" in said and " go on the same command again" in said, done.stderr
    assert leftovers(difference(before, fingerprint(bare.machine))) == []
    bare.machine.remove("/root/token")


def test_half_a_script_does_nothing(bare: Bed, ssh: Ssh) -> None:
    """The connection ends in the middle of install.sh itself."""
    before = fingerprint(bare.machine)
    bare.services.control.add_host_fault(HostFault(HOST, path="install.sh", truncate_after=2000))
    try:
        ssh.run(GRACE, COMMAND)
    finally:
        bare.services.control.clear_host_faults(HOST)
    assert leftovers(difference(before, fingerprint(bare.machine))) == []


#: Who installs, how, and which of the two download programs the machine lacks.
WAYS = [
    (GRACE, COMMAND, None),
    ("root", COMMAND, None),
    ("root", f"wget -qO- https://{HOST}/install.sh | sh", "/usr/bin/curl"),
    ("root", f"curl -fsSL https://{HOST}/install.sh | sh", "/usr/bin/wget"),
]


@pytest.fixture
def lacking(bare: Bed, request: pytest.FixtureRequest) -> Iterator[str | None]:
    program = request.param
    if program:
        bare.machine.run(["mv", program, f"{program}.away"])
    yield program
    if program:
        bare.machine.run(["mv", f"{program}.away", program])


@pytest.mark.parametrize(("name", "command", "lacking"), WAYS, indirect=["lacking"], ids=["sudo", "root", "without curl", "without wget"])
def test_without_a_terminal_nothing_is_asked_and_what_is_missing_is_named(
    bare: Bed, ssh: Ssh, name: str, command: str, lacking: str | None
) -> None:
    bare.machine.remove(INSTALLED)
    done = ssh.run(name, command)
    said = done.stdout + done.stderr
    assert done.returncode == REFUSED, said
    for part in ("soa_email_address (--email)", "owner_username (--owner)", "nothing was changed"):
        assert part in said, said
    assert bare.machine.exists(INSTALLED) and not bare.machine.exists("/opt/mastodon")


#: The token is given by a file: a question for it forgets what was typed before it, as all that hide their answer do.
ANSWERS = ["not a name", where.SITE, where.SITE, "hello@example.org", "Ada", "approved", "yes", ""]


def test_on_a_terminal_it_asks_although_the_script_came_through_a_pipe(bare: Bed, ssh: Ssh) -> None:
    bare.machine.put("/root/token", f"{where.TOKEN}\n", 0o600)
    before = fingerprint(bare.machine)
    command = f"{COMMAND} -s -- --dry-run --linode-token-file /root/token"
    done = ssh.run(GRACE, command, tty=True, input="".join(f"{answer}\n" for answer in ANSWERS))
    assert done.returncode == DONE, done.stdout
    for part in ("Name of your site", '"not a name"', "can never be changed", "Who may join?", "Is this a fresh server", "open 22/tcp"):
        assert part in done.stdout, f"{part!r} is not in:\n{done.stdout}"
    assert leftovers(difference(before, fingerprint(bare.machine))) == []


def leftovers(lines: str) -> list[str]:
    """Without the directory that a temporary file passed through, and the time of a program that was fetched again."""
    passing = (" /usr/local/bin d ", f" {INSTALLED} f ")
    return [line for line in lines.splitlines() if not any(part in line for part in passing)]
