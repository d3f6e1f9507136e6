"""The one line, over SSH on a terminal, from the first question to the last word; then the same run looked at on other terminals."""

from __future__ import annotations

import re

import pytest
from product import DONE, INSTALLED, JOURNAL
from remote import Key, Ssh
from testbed import layout as where
from testbed.bed import Bed
from testbed.terminal import Terminal, terminal, uncolored
from tour import keep_recording

COMMAND = "curl -fsSL https://get.tootstrap.example/install.sh | sudo sh"
PROMPT = "$ "
GRACE = "grace"


@pytest.fixture(scope="module")
def ended(bare: Bed, key: Key) -> Terminal:
    """Somebody with sudo has installed a server; what stood on the terminal."""
    machine = bare.machine
    machine.sh(f"useradd --create-home --shell /bin/bash {GRACE}")
    machine.put("/etc/sudoers.d/grace", f"{GRACE} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    key.authorize(machine, "root", GRACE)
    shell = Ssh(bare, key).on_a_terminal(GRACE, f"env PS1='{PROMPT}' TERM=xterm bash --norc")
    with terminal(shell, columns=80, rows=24) as person:
        person.type(PROMPT, COMMAND)
        person.type("Name of your site", where.SITE)
        person.type("Type it again", where.SITE)
        person.type("Your e-mail address", "ada@example.org")
        person.answer("Linode API token", where.TOKEN)
        person.type("Name of your account", "ada")
        person.type("Who may join?", "approved")
        person.type("fresh server", "yes")
        person.answer("Enter: go on", "")
        person.until("Result:", timeout=600)
        person.until(PROMPT, timeout=30)
        person.answer("", "exit $?")
        assert person.process.wait(timeout=30) == DONE, person.seen[-3000:]
    return person


def test_the_one_line_ends_in_a_server(bare: Bed, ended: Terminal) -> None:
    keep_recording("install", ended)
    plain = uncolored(ended.seen)
    for part in (f"@ada@{where.SITE}", f"https://{where.SITE}", "sudo tootstrap status"):
        assert part in plain, plain[-3000:]
    assert where.TOKEN not in plain
    assert bare.client.run(["curl", "-sS", "--max-time", "20", f"https://{where.SITE}/health"]).stdout.strip() == "OK"


def test_what_is_done_in_a_moment_is_told_together(bare: Bed, ended: Terminal) -> None:
    kept = [line for line in uncolored(ended.seen).splitlines() if line.startswith("  ✓ ")]
    changed = bare.machine.get(JOURNAL).decode().count('"outcome":"changed"')
    assert changed > 40 and 8 < len(kept) < changed - 20, (changed, kept)
    assert [line for line in kept if re.match(r"  ✓ docker: .* \(and \d+ more\)$", line)], kept


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_it_fits_the_terminal(bare: Bed, ended: Terminal, columns: int) -> None:
    with terminal(bare.machine.entering([INSTALLED, "attach"], {"TERM": "xterm", "NO_COLOR": "1"}), columns=columns) as person:
        person.until("Result:")
        assert person.process.wait(timeout=30) == DONE
    said = person.seen
    assert not re.search(r"\x1b\[\d*m", said), "NO_COLOR"
    progress = uncolored(said).partition(" things\r\n")[2].partition("Result:")[0].splitlines()
    # A word that is longer than the line (a path, a name) is not torn.
    too_long = [line for line in progress if len(line) > columns and len(line.split()) > 2]
    assert len(progress) > 10 and not too_long, too_long


def test_a_dumb_terminal_gets_plain_lines(bare: Bed, ended: Terminal) -> None:
    with terminal(bare.machine.entering([INSTALLED, "attach"], {"TERM": "dumb"})) as person:
        person.until("Result:")
        assert person.process.wait(timeout=30) == DONE
    assert "\x1b" not in person.seen
    lines = [line for line in person.seen.splitlines() if line.startswith("[tootstrap ")]
    assert len(lines) > 10 and max(map(len, lines)) <= 78, lines
