"""Calling tootstrap on the machine and reading what it says: the JSON lines of `--json` (src/report/event.rs), in one place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from testbed import layout as where
from testbed.machine import Machine

INSTALLED = "/usr/local/bin/tootstrap"
#: Its name among the release's files.
RELEASED = "tootstrap-x86_64-linux-musl"
#: Where the tests put the binary on a machine that has none.
UPLOADED = "/root/tootstrap"

#: Exit codes (design.md §3).
DONE, STEP_FAILED, REFUSED, CHANGES_PENDING, STILL_WAITING = 0, 1, 2, 3, 4

RUN_SECONDS = 900.0


@dataclass(frozen=True)
class Step:
    id: str
    title: str
    outcome: str
    said: Mapping = field(repr=False)


@dataclass(frozen=True)
class Run:
    """One call: exit status, events, and everything it printed."""

    status: int
    events: Sequence[Mapping]
    text: str

    @property
    def words(self) -> str:
        """What it printed, without line breaks."""
        return " ".join(self.text.split())

    @property
    def steps(self) -> list[Step]:
        return [Step(event["id"], event["title"], event["outcome"], event) for event in self.events if event["event"] == "step"]

    @property
    def finished(self) -> Mapping:
        """The last event."""
        last = self.events[-1] if self.events else {}
        assert last.get("event") == "finished", f"the last event is {last}; it said:\n{self.text[-3000:]}"
        return last

    def ids(self, *outcomes: str) -> set[str]:
        """The steps that ended so."""
        return {step.id for step in self.steps if step.outcome in outcomes}

    def differing(self) -> set[str]:
        """Everything but `unchanged`."""
        return {step.id for step in self.steps if step.outcome != "unchanged"}

    def explained(self) -> str:
        """For the message of an assertion: what was not simply unchanged."""
        lines = [json.dumps(step.said) for step in self.steps if step.outcome != "unchanged"]
        return f"exit status {self.status}\n" + "\n".join(lines) + f"\n{self.text[-2000:]}"


JOURNAL = "/var/lib/tootstrap/journal.jsonl"


def last_run(machine: Machine) -> Run:
    """What the machine itself recorded of its latest run. The exit status is not part of that: it is -1 here."""
    events = [json.loads(line) for line in machine.get(JOURNAL).decode().splitlines()]
    start = max(number for number, event in enumerate(events) if event.get("event") == "started")
    return Run(-1, events[start:], "")


class Product:
    """tootstrap on one machine. `program` is where it is."""

    def __init__(self, machine: Machine, program: str = INSTALLED) -> None:
        self.machine, self.program = machine, program

    @classmethod
    def uploaded(cls, machine: Machine, dist: Path) -> "Product":
        """On a machine without it: the binary alone, as somebody who copied it there."""
        machine.put(UPLOADED, (dist / RELEASED).read_bytes(), 0o755)
        return cls(machine, UPLOADED)

    def install(self, *arguments: str, env: Mapping[str, str] | None = None, token: str | None = where.TOKEN) -> Run:
        return self._json("install", *arguments, env=env, token=token)

    def plan(self, *arguments: str, env: Mapping[str, str] | None = None, token: str | None = where.TOKEN) -> Run:
        """With `--detailed-exitcode`, so that 3 says that something differs."""
        return self._json("plan", "--detailed-exitcode", *arguments, env=env, token=token)

    def plain(self, *arguments: str, env: Mapping[str, str] | None = None) -> Run:
        """As an operator sees it; standard output and error together."""
        done = self.machine.run([self.program, *arguments], env=env, check=False, timeout=RUN_SECONDS)
        return Run(done.returncode, [], (done.stdout + done.stderr).decode(errors="replace"))

    def _json(self, *arguments: str, env: Mapping[str, str] | None, token: str | None) -> Run:
        secret = {"LINODE_TOKEN": token} if token else {}
        command, *options = arguments
        argv = [self.program, command, "--json", *options]
        done = self.machine.run(argv, env={**secret, **(env or {})}, check=False, timeout=RUN_SECONDS)
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return Run(done.returncode, [_event(line, err) for line in out.splitlines()], out + err)


def _event(line: str, err: str) -> Mapping:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        raise AssertionError(f"with --json this line is no JSON: {line!r}\n{err[-2000:]}") from None


def environment(form: Mapping[str, str]) -> dict[str, str]:
    """A form's fields as the environment they arrive in, without the token and without empty ones."""
    return {name.upper(): value for name, value in form.items() if name != "token_password" and value}
