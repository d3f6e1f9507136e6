"""An installation that is watched from outside and interrupted at a chosen moment, and what must be so after the next one."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from endstate import EndState, good, identity, nothing_to_do
from harness import fresh_world
from product import DONE, INSTALLED, Product, Run, environment
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.machine import Machine
from testbed.verify import credentials, find_key, psql

#: What an operator types; the StackScript hardens as well.
COMMAND = ("install", "--harden")
FIELDS = environment(FORM)
#: Longer than any installation here.
PATIENCE = 600.0
#: Between two looks at the journal.
LOOK = 0.002

UNIT = "tootstrap-work.service"

#: What tells apt about Docker; without its comment a Docker that is there would be somebody else's.
SOURCES = ("/etc/apt/sources.list.d/docker.list", "/etc/apt/keyrings/docker.asc")

#: Every row that an installation makes, counted: seeds or an owner made twice would show.
ROWS = " UNION ALL ".join(
    f"SELECT '{table}', count(*) FROM {table}" for table in ("users", "accounts", "user_roles", "oauth_applications", "username_blocks", "settings")
)

Event = Mapping


class Journal:
    """The product's journal as it grows, read on the mounted disk: nothing in the machine notices."""

    def __init__(self, machine: Machine) -> None:
        self.path: Path = machine.layout.root / "var/lib/tootstrap/journal.jsonl"
        self.offset, self.rest = 0, b""

    def news(self) -> list[Event]:
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                new = file.read()
        except FileNotFoundError:
            return []
        self.offset += len(new)
        *lines, self.rest = (self.rest + new).split(b"\n")
        # The first line is the file's version; one that a power cut tore is none.
        events = []
        for line in lines:
            with suppress(ValueError):
                events.append(json.loads(line))
        return [event for event in events if "event" in event]


class Watch:
    """A run as its journal tells it."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.journal = machine, Journal(machine)
        self.seen: list[Event] = []
        self.unread: list[Event] = []
        self.began = time.monotonic()

    @property
    def runs(self) -> bool:
        raise NotImplementedError

    def until(self, wanted: Callable[[Event], bool]) -> Event | None:
        """The first event from now on that is wanted. `None`: the run ended without it."""
        while True:
            ended = not self.runs
            self.unread += self.journal.news()
            while self.unread:
                event = self.unread.pop(0)
                self.seen.append(event)
                if wanted(event):
                    return event
            if ended:
                return None
            assert time.monotonic() - self.began < PATIENCE, f"the installation does not end; last events: {self.seen[-5:]}"
            time.sleep(LOOK)

    def lasts(self, seconds: float) -> bool:
        """Waits; whether the run still goes on then."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and self.runs:
            time.sleep(LOOK)
        self.seen += self.unread + self.journal.news()
        self.unread = []
        return self.runs

    def ended(self) -> set[str]:
        return {event["id"] for event in self.seen if event["event"] == "step"}


class Attempt(Watch):
    """One `tootstrap install` under observation. `process`: it was typed already."""

    def __init__(self, machine: Machine, program: str, process: subprocess.Popen[bytes] | None = None) -> None:
        super().__init__(machine)
        if not process:
            self.journal.news()
        self.process = process or machine.popen([program, *COMMAND, "--json"], env=FIELDS | {"LINODE_TOKEN": where.TOKEN})
        self.said = (b"", b"")
        # It tells more than a pipe holds, and would wait for a reader.
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        out, err = self.process.communicate()
        self.said = (out or b"", err or b"")

    @property
    def runs(self) -> bool:
        return self.reader.is_alive()

    def pids(self) -> list[int]:
        """The unit's processes as the host knows them, the agent itself first."""
        groups = self.machine.cgroup.pids_by_group().items()
        found = next((pids for group, pids in groups if group.name == UNIT and pids), [])
        return sorted(found, key=lambda pid: not _is_agent(pid))

    def send(self, number: int, whole: bool = False) -> bool:
        """To the agent, or with `whole` to everything in its unit. False: it has ended."""
        # While it starts, systemd's own process is there in its place.
        limit = time.monotonic() + 2
        while not ((pids := self.pids()) and _is_agent(pids[0])) and time.monotonic() < limit:
            time.sleep(LOOK)
        if not (pids and _is_agent(pids[0])):
            self.reader.join(PATIENCE)
            return False
        for pid in pids if whole else pids[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return True

    def end(self) -> Run:
        """What the command that was typed says at its end."""
        self.reader.join(PATIENCE)
        assert not self.runs, "the command does not end"
        out, err = self.said
        events = [json.loads(line) for line in out.decode(errors="replace").splitlines() if line.startswith("{")]
        return Run(self.process.returncode, events, (out + err).decode(errors="replace"))


def _is_agent(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:2] == [b"work"]
    return False


@dataclass(frozen=True)
class Undisturbed:
    """What an installation from one snapshot does when nobody interrupts it."""

    snapshot: str
    events: list[Event]
    state: EndState
    rows: list[list[str]]
    seconds: float
    #: What it wrote down about Docker's repository.
    sources: Mapping[str, bytes]

    def spans(self) -> dict[str, float]:
        """How many seconds each step took that changed something."""
        begun = {event["id"]: _seconds(event) for event in reversed(self.events) if event["event"] == "applying"}
        ends = [event for event in self.events if event["event"] == "step" and event["id"] in begun]
        return {event["id"]: _seconds(event) - begun[event["id"]] for event in ends}

    @property
    def disk(self) -> str:
        """Which machine that is, for the page."""
        return {"prepared": "on a machine that had the packages and images already", "bare-binary": "on a bare machine"}[self.snapshot]

    def title(self, step: str) -> str:
        """What a step is about, as announced: `image redis:7-alpine`."""
        return next(info["title"] for event in self.events if event["event"] == "started" for info in event["steps"] if info["id"] == step)


def _seconds(event: Event) -> float:
    return datetime.fromisoformat(event["at"].replace("Z", "+00:00")[:26].rstrip("+") + "+00:00").timestamp()


def begin(bed: Bed, snapshot: str) -> None:
    """The machine as in the snapshot, up, and nothing at Linode."""
    fresh_world(bed)
    bed.machine.restore(snapshot)


def undisturbed(bed: Bed, snapshot: str, program: str) -> Undisturbed:
    begin(bed, snapshot)
    attempt = Attempt(bed.machine, program)
    attempt.until(lambda _event: False)
    run = attempt.end()
    assert run.status == DONE, run.explained()
    seconds = time.monotonic() - attempt.began
    sources = {path: bed.machine.get(path) for path in SOURCES}
    return Undisturbed(snapshot, attempt.seen, EndState.of(bed.machine), psql(bed.machine, ROWS), seconds, sources)


def cut_short(run: Run) -> None:
    """The command whose worker was killed says so, in five parts."""
    assert run.status == 1, run.text[-2000:]
    for part in ("the work was interrupted", "\n  why  ", "\n  done  ", "\n  do  ", "\n  go on  "):
        assert part in run.text, f"{part!r} is missing in: {run.text[-1500:]}"


def again(bed: Bed, program: str) -> Run:
    """The same command once more."""
    return Product(bed.machine, program).install(*COMMAND[1:], env=FIELDS)


def as_undisturbed(bed: Bed, reference: Undisturbed, made_before: Mapping[str, bytes], thorough: bool) -> None:
    """The machine is what an undisturbed installation makes of it. `thorough`: a client finds everything good, which takes longest."""
    machine = bed.machine
    for path, content in made_before.items():
        assert machine.get(path) == content, f"{path} was made again"
    nothing_to_do(Product(machine, INSTALLED))
    difference = reference.state.difference(EndState.of(machine))
    assert not difference, difference
    assert psql(machine, ROWS) == reference.rows, psql(machine, ROWS)
    passwords = credentials(machine, FORM["user_name"])
    for label, key in (("Owner Password", "owner_password"), ("Sudo Password", FORM["user_name"])):
        assert passwords[label] == find_key(secrets_of(machine), key), f"{label} in .credentials is another than the one in use"
    if thorough:
        good(bed, http3=False)


def secrets_of(machine: Machine) -> dict:
    return tomllib.loads(machine.get("/etc/tootstrap/secrets.toml").decode())


def completed(bed: Bed, program: str, reference: Undisturbed, thorough: bool) -> Run:
    """`install` again, and everything is as wanted."""
    before = identity(bed.machine)
    run = again(bed, program)
    assert run.status == DONE, run.explained()
    as_undisturbed(bed, reference, before, thorough)
    return run
