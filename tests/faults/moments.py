"""Named moments of an installation that are worth interrupting, each held open long enough to be hit and proven by what is on the machine."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from interrupted import Attempt
from testbed.machine import Machine

DB = "mastodon-db-1"
OWNERS = "SELECT count(*) FROM users"
HOLD_SECONDS = 120


@dataclass(frozen=True)
class Moment:
    """`hold` waits for the moment and stays in it until the strike. `proof` says what the machine must show, and whether it does."""

    id: str
    when: str
    hold: Callable[[Machine, Attempt], Iterator[None]]
    proof: Callable[[Machine], tuple[str, bool]]
    #: The moment lasts until the strike, so the proof can be seen before; else it must be seen afterwards, on the disk.
    lasts: bool = False
    snapshot: str = "from_prepared"
    by_kill: bool = True
    by_power: bool = True

    @contextmanager
    def reached(self, machine: Machine, attempt: Attempt) -> Iterator[None]:
        """The strike is inside."""
        yield from self.hold(machine, attempt)

    def seen(self, machine: Machine) -> str:
        """What was on the machine; fails if the moment was missed."""
        what, so = self.proof(machine)
        assert so, f"missed: not so: {what}"
        return what


# --- holding a moment


def at_event(kind: str, step: str) -> Callable[[Machine, Attempt], Iterator[None]]:
    """The event was just written."""

    def hold(_machine: Machine, attempt: Attempt) -> Iterator[None]:
        assert attempt.until(lambda event: (event["event"], event.get("id")) == (kind, step)), f"{step} was not reached"
        yield

    return hold


def at_output(step: str, text: str) -> Callable[[Machine, Attempt], Iterator[None]]:
    """A command of the step just printed a line with `text`."""

    def hold(_machine: Machine, attempt: Attempt) -> Iterator[None]:
        is_it = lambda event: event["event"] == "output" and event["id"] == step and text in event["line"]  # noqa: E731
        assert attempt.until(is_it), f"{step} printed no {text!r}"
        yield

    return hold


def with_seeds_held(goes_on: bool) -> Callable[[Machine, Attempt], Iterator[None]]:
    """The database locks the table of the roles against rows once the schema is complete, so Rails waits there."""

    def hold(machine: Machine, attempt: Attempt) -> Iterator[None]:
        assert attempt.until(lambda event: (event["event"], event.get("id")) == ("applying", "app/database"))
        lock = psql(machine, HOLD_SEEDS)
        try:
            _await_line(lock, "seeds wait")
            yield
            if machine.on and not goes_on:
                ended = machine.sh("docker ps -q --filter label=com.docker.compose.oneoff=True | xargs -r docker kill").split()
                assert ended, "no Rails process was at work"
        finally:
            if machine.on:
                answer(machine, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%seeds wait%' AND pid <> pg_backend_pid()")
            lock.kill()
            lock.communicate()

    return hold


#: Waits for the schema's last statement, locks what the seeds need, and tells when they have come there. Each COMMIT makes what others
#: did since visible.
HOLD_SEEDS = f"""
DO $$
DECLARE complete boolean := false;
BEGIN
  WHILE NOT complete LOOP
    IF to_regclass('public.schema_migrations') IS NOT NULL THEN
      EXECUTE 'SELECT count(*) > 0 FROM public.schema_migrations' INTO complete;
    END IF;
    PERFORM pg_sleep(0.005);
    COMMIT;
  END LOOP;
  LOCK TABLE user_roles IN EXCLUSIVE MODE;
  WHILE NOT EXISTS (SELECT FROM pg_locks WHERE relation = 'user_roles'::regclass AND NOT granted) LOOP
    IF EXISTS (SELECT FROM user_roles) THEN RAISE EXCEPTION 'too late: the roles are there'; END IF;
    PERFORM pg_sleep(0.02);
  END LOOP;
  RAISE NOTICE 'seeds wait';
  PERFORM pg_sleep({HOLD_SECONDS});
END $$;
"""


def with_the_agent_stopped(step: str, command: bytes, until: Callable[[Machine], bool]) -> Callable[[Machine, Attempt], Iterator[None]]:
    """The agent is stopped (SIGSTOP) as soon as it has started this command of the step, which goes on alone until `until`."""

    def hold(machine: Machine, attempt: Attempt) -> Iterator[None]:
        assert attempt.until(lambda event: (event["event"], event.get("id")) == ("applying", step))
        while not any(command in _arguments(pid) for pid in attempt.pids()):
            assert attempt.runs and step not in attempt.ended(), f"{step} ended without {command!r}"
            attempt.lasts(0.001)
        assert attempt.send(signal.SIGSTOP)
        limit = time.monotonic() + HOLD_SECONDS
        while not until(machine):
            assert time.monotonic() < limit, f"{step}: what was waited for did not come"
            time.sleep(0.1)
        yield

    return hold


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def at_file(path: str) -> Callable[[Machine, Attempt], Iterator[None]]:
    """The file was just made."""

    def hold(machine: Machine, attempt: Attempt) -> Iterator[None]:
        place = machine.layout.root / path.lstrip("/")
        while not place.exists():
            assert attempt.runs, f"the run ended without {path}"
            time.sleep(0.001)
        yield

    return hold


# --- what the machine shows


def psql(machine: Machine, query: str) -> subprocess.Popen[bytes]:
    script = 'PGOPTIONS="-c statement_timeout=300s" exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -At -v ON_ERROR_STOP=1 -c "$1"'
    return machine.popen(["docker", "exec", DB, "sh", "-c", script, "psql", query])


def answer(machine: Machine, query: str) -> str:
    process = psql(machine, query)
    out, _err = process.communicate(timeout=60)
    return out.decode().strip() if process.returncode == 0 else ""


def _await_line(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stderr is not None
    said = b""
    for line in process.stderr:
        said += line
        if text.encode() in line:
            return
    raise AssertionError(f"psql ended without {text!r}: {said.decode(errors='replace')}")


def stamp(name: str) -> str:
    return f"/var/lib/tootstrap/stamps/{name}"


def there_but_not(there: str, missing: str) -> Callable[[Machine], tuple[str, bool]]:
    def proof(machine: Machine) -> tuple[str, bool]:
        return f"{there} is there, {missing} is not", machine.exists(there) and not machine.exists(missing)

    return proof


def schema_without_roles(machine: Machine) -> tuple[str, bool]:
    so = answer(machine, "SELECT (SELECT count(*) > 0 FROM schema_migrations) AND (SELECT count(*) = 0 FROM user_roles)") == "t"
    return "the database has its tables and not one role", so


def owner_without_file(machine: Machine) -> tuple[str, bool]:
    so = answer(machine, OWNERS) == "1" and not machine.exists("/home/ada/.credentials")
    return "the owner's account is in the database, `.credentials` is not written", so


def half_installed(machine: Machine) -> tuple[str, bool]:
    """Packages that dpkg has unpacked and not configured, or was just unpacking."""
    states = [line.split()[-1] for line in machine.get("/var/lib/dpkg/status").decode().splitlines() if line.startswith("Status: ")]
    unfinished = sum(state not in ("installed", "config-files", "not-installed") for state in states)
    waiting = machine.exists("/var/lib/dpkg/updates/0001")
    what = f"dpkg had {unfinished} packages that were not configured" + (", and changes of its own not yet in its status file" if waiting else "")
    return what, unfinished > 0 or waiting


def cluster_begun(machine: Machine) -> tuple[str, bool]:
    """What initdb itself wrote may be lost with the power; the note of its beginning must not be."""
    return "PostgreSQL's cluster was begun and not finished", machine.get(stamp("app-cluster")) == b"begun\n"


JAIL = "/etc/fail2ban/jail.d/tootstrap.conf"
DROP_IN = "/etc/ssh/sshd_config.d/00-tootstrap.conf"

NAMED = [
    Moment(
        "schema-seed", "between schema and seed (Rails is killed as well)", with_seeds_held(goes_on=False), schema_without_roles, lasts=True
    ),
    Moment(
        "schema-seed-goes-on",
        "between schema and seed, while Rails itself goes on in its container",
        with_seeds_held(goes_on=True),
        schema_without_roles,
        lasts=True,
        by_power=False,
    ),
    Moment(
        "owner-password",
        "between the creation of the owner's account and the writing of `.credentials`",
        with_the_agent_stopped("app/owner", b"runner", lambda machine: answer(machine, OWNERS) == "1"),
        owner_without_file,
        lasts=True,
    ),
    Moment(
        "jail-restart",
        "between the writing of fail2ban's jail and the restart that it needs",
        at_event("applying", "fail2ban/restart"),
        there_but_not(JAIL, stamp("fail2ban-restart")),
    ),
    Moment(
        "sshd-reload",
        "between the writing of sshd's drop-in and the reload that it needs",
        at_event("applying", "ssh/reload"),
        there_but_not(DROP_IN, stamp("ssh-reload")),
    ),
    Moment(
        "initdb",
        "while PostgreSQL makes its cluster (initdb)",
        at_file("/opt/mastodon/postgres/17/PG_VERSION"),
        cluster_begun,
        by_kill=False,
    ),
    Moment(
        "images",
        "right after the last image was pulled and recorded",
        at_event("step", "docker/images"),
        there_but_not("/var/lib/docker/image/overlay2/repositories.json", "/var/lib/tootstrap/complete"),
        snapshot="from_bare",
        by_kill=False,
    ),
    Moment("dpkg", "while dpkg unpacks packages", at_output("base/packages", "Unpacking docker-ce "), half_installed, snapshot="from_bare"),
]
