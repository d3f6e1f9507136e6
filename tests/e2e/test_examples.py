"""The examples of the help (docs/cli.md), run as they stand there: each ends as it should, and says so."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from product import DONE, REFUSED
from testbed import layout as where
from testbed.bed import Bed
from testbed.machine import Machine
from testbed.services import addresses
from testbed.services.relay import LOGIN, PASSWORD
from testbed.sh import BedError
from testbed.terminal import flowing, terminal, uncolored

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
EXAMPLES = re.compile(r"^Examples?:\n((?:  .+\n)+)", re.M)
#: The page's names and the bed's. The domain of `install` and `plan` stays another one than that of the machine.
NAMES = {
    "--server smtp.example.org": f"--server {addresses.RELAY}",
    "smtp.server smtp.example.org": f"smtp.server {addresses.RELAY}",
    "--from me@example.org": f"--from me@{where.SITE}",
    "login me": f"login {LOGIN}",
}
#: How `timeout` says that it ended something.
STOPPED = 124
FOLLOWED = 10
#: No command takes longer.
SECONDS = 600.0


@dataclass(frozen=True)
class Case:
    """How an example ends, and what it says. `typed`: standard input, or prompts of a terminal and the answers; `made`: a file that is read afterwards."""

    says: str
    status: int = DONE
    typed: str | tuple[tuple[str, str], ...] = ""
    made: str = ""


SENDER, SECRET = ("Sender", ""), ("not shown", PASSWORD)

#: In this order they are run.
EXPECTED = {
    # Nothing is changed.
    "sudo tootstrap install --dry-run": Case("Nothing to change"),
    "sudo tootstrap install --domain example.org --email me@example.net --owner me": Case("part of every handle and signature, so it cannot change", REFUSED),
    "sudo tootstrap plan": Case("Nothing to change"),
    "sudo tootstrap plan --detailed-exitcode": Case("Nothing to change"),
    "sudo tootstrap plan --domain example.org --email me@example.net --owner me": Case("part of every handle and signature, so it cannot change", REFUSED),
    "sudo tootstrap status": Case("Nothing to change"),
    "sudo tootstrap status --motd": Case(f"{where.SITE}: all is well"),
    "sudo tootstrap attach": Case("nothing is under way; this was the latest run"),
    "sudo tootstrap doctor": Case("no mail relay is set"),
    "sudo tootstrap doctor --report report.txt": Case("== web:", made="report.txt"),
    "sudo tootstrap set --list": Case("single_user"),
    "sudo tootstrap set email me@example.org --dry-run": Case('+email = "me@example.org"'),
    "sudo tootstrap logs": Case("db-1"),
    "sudo tootstrap logs -f web sidekiq": Case("sidekiq-1", STOPPED),
    "sudo tootstrap logs --since 1h caddy": Case("caddy-1"),
    "sudo tootstrap tootctl help": Case("media"),
    "sudo tootstrap tootctl media usage": Case("Attachments: 0 Bytes"),
    "sudo tootstrap uninstall --dry-run": Case("Left as it is:"),
    "tootstrap completions bash >>~/.bashrc": Case("complete -F _tootstrap"),
    'tootstrap completions zsh >"${fpath[1]}/_tootstrap"': Case("#compdef tootstrap"),
    "tootstrap completions fish >~/.config/fish/completions/tootstrap.fish": Case("complete -c tootstrap"),
    "sudo tootstrap man": Case("pages are in /usr/local/share/man/man1"),
    "tootstrap man .": Case("pages are in ."),
    # Daily life.
    "sudo tootstrap set single_user yes": Case("single_user: no → yes"),
    "sudo tootstrap mail set": Case("took it", typed=(("Who sends", "other"), ("Name of the relay", addresses.RELAY), ("Login there", LOGIN), SENDER, SECRET)),
    "sudo tootstrap mail set postmark --from me@example.org": Case("took it", typed=(("Login there", LOGIN), SECRET)),
    "sudo tootstrap mail set --server smtp.example.org --login me --port 465": Case("on port 465: signed in", typed=(SENDER, SECRET)),
    "sudo tootstrap mail set ses --server email-smtp.eu-west-1.amazonaws.com": Case(
        "there is no mail relay email-smtp.eu-west-1.amazonaws.com", REFUSED, (("Login there", LOGIN), SENDER, SECRET)
    ),
    "sudo tootstrap mail test": Case("took it"),
    "sudo tootstrap mail test me@example.org": Case("took it"),
    "sudo tootstrap set smtp.server smtp.example.org smtp.login me smtp.password -": Case("smtp.password", typed=f"{PASSWORD}\n"),
    "sudo tootstrap set smtp.server --clear": Case("smtp.server"),
    "sudo tootstrap owner reset-password": Case("The new password of Ada is in"),
    "sudo tootstrap owner reset-password --file": Case("The new password of Ada is in"),
    "sudo tootstrap tootctl media remove --days 3": Case("Removed 0 media attachments"),
    "sudo tootstrap tootctl settings registrations close": Case("OK"),
    # Away, back as it was, and away for ever.
    "sudo tootstrap uninstall": Case("Left as it is:", typed=(("to go on: ", where.SITE),)),
    "sudo tootstrap install": Case(where.SITE),
    "sudo tootstrap tootctl self-destruct": Case("You can shut it down and delete it any time", typed=f"{where.SITE}\ny\n"),
    "sudo tootstrap uninstall --delete-data": Case("gone for ever: pictures, videos", typed=(("to go on: ", f"delete {where.SITE}"),)),
}


def examples() -> list[str]:
    """Without what explains them: it stands behind two spaces."""
    lines = [line for block in EXAMPLES.findall(PAGE.read_text(encoding="utf-8")) for line in block.splitlines()]
    return [line.strip().split("  ")[0] for line in lines]


def run(machine: Machine, example: str, case: Case) -> tuple[int, str]:
    """Exit status, and what it said, without line breaks."""
    command = example.partition(" >")[0]
    for ours, theirs in NAMES.items():
        command = command.replace(ours, theirs)
    if " -f " in command:
        command = f"timeout {FOLLOWED} {command}"
    argv = ["sh", "-c", f"cd /root && {command}"]
    if isinstance(case.typed, tuple):
        status, said = on_a_terminal(machine, argv, case.typed)
    else:
        done = machine.run(argv, input=case.typed, check=False, timeout=SECONDS)
        status, said = done.returncode, (done.stdout + done.stderr).decode(errors="replace")
    if case.made:
        said += machine.run(["sh", "-c", f"cd /root && cat {case.made}"], check=False).stdout.decode(errors="replace")
    return status, flowing(said)


def on_a_terminal(machine: Machine, argv: list[str], answers: tuple[tuple[str, str], ...]) -> tuple[int, str]:
    with terminal(machine.entering(argv)) as person:
        for prompt, line in answers:
            person.until(prompt)
            assert person.hides() == ((prompt, line) == SECRET), prompt
            person.answer("", line)
        limit = time.monotonic() + SECONDS
        while person.process.poll() is None and time.monotonic() < limit:
            try:
                person.read(0.2)
            except OSError:  # the other side is closed
                break
        # A pseudo-terminal closes a moment before its process has ended.
        try:
            return person.process.wait(timeout=30), uncolored(person.seen)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end:\n{uncolored(person.seen)[-1500:]}") from None


def test_every_example_has_its_row() -> None:
    assert set(examples()) == set(EXPECTED)


def test_every_example_ends_as_it_should(pristine: Bed) -> None:
    wrong: list[str] = []
    for example, case in EXPECTED.items():
        try:
            status, said = run(pristine.machine, example, case)
        except (AssertionError, BedError) as error:
            wrong.append(f"{example}: {error}")
            continue
        if (status, case.says in said) != (case.status, True):
            wrong.append(f"{example}\n  ended with {status}, not {case.status}; {case.says!r} in:\n  {said[-1500:]}")
    assert not wrong, "\n".join(wrong)
