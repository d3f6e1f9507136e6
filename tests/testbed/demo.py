"""`make demo`: a fresh machine, the StackScript as Linode runs it, then the checks from another computer."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from . import layout as where
from .bed import Bed
from .sh import BedError
from .verify import verify

#: The form as somebody fills it in (linode.md §3.1: names of the fields). In the bed's DNS, example.org receives mail.
FORM = {
    "token_password": where.TOKEN,
    "domain": where.DOMAIN,
    "subdomain": where.SUBDOMAIN,
    "soa_email_address": "hello@example.org",
    "user_name": "ada",
    "disable_root": "No",
    "owner_username": "Ada",
    "owner_email": "ada@example.org",
    "single_user_mode": "No",
}

REPOSITORY = Path(__file__).parents[2]


def stackscript_of(dist: Path) -> str:
    """The StackScript that `make dist` rendered for the release host of the bed."""
    path = dist / "stackscript.sh"
    if not path.exists():
        raise BedError(f"{path} is missing: `make dist` renders it")
    return path.read_text(encoding="ascii")


def demo(name: str, dist: Path) -> int:
    """Leaves the bed running; the exit status says whether everything was as it should be."""
    script = stackscript_of(dist)
    bed = Bed(name, dist=dist, boot=False)
    started = time.monotonic()
    title("A fresh Debian 11 machine, its network, and the services it will ask")
    bed.up()
    title(f"First boot, with the StackScript (form: {', '.join(field.upper() for field in FORM)})")
    installation = time.monotonic()
    done = bed.machine.stackscript(script, FORM, live=sys.stdout)
    seconds = time.monotonic() - installation
    if done.returncode != 0:
        title(f"FAILED: the StackScript ended with {done.returncode} after {seconds:.0f} s")
        _ending(name)
        return 1
    title(f"Installed in {seconds:.0f} s. Checks from {where.CLIENT_V4} and {where.CLIENT_V6}")
    outcomes = verify(bed, FORM)
    bed.check_clock()
    failed = [outcome for outcome in outcomes if not outcome.ok]
    title(f"{len(outcomes) - len(failed)} of {len(outcomes)} checks are good, {time.monotonic() - started:.0f} s in all")
    for outcome in failed:
        print(outcome)
    _ending(name)
    return 1 if failed else 0


def _ending(name: str) -> None:
    option = "" if name == "tb" else f"--name {name} "
    print(f"  The server:           https://{where.SITE}/   (only in the bed: tests/testbed/bed {option}client -- curl https://{where.SITE}/)")
    print(f"  A shell on it:        tests/testbed/bed {option}shell")
    print(f"  Stop and remove it:   {'make demo-down' if name == 'tb' else f'tests/testbed/bed {option}down'}")


def title(text: str) -> None:
    print(f"\n=== {text}", flush=True)
