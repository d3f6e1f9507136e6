"""What every case asserts: how trouble is told (the five parts), and that a later run reaches the end of an undisturbed installation, with secrets,
accounts and posts as they were."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from cases import Case
from endstate import EndState, good, nothing_to_do
from product import DONE, STEP_FAILED, STILL_WAITING, Product, Run
from testbed import layout as where
from testbed.bed import Bed
from testbed.machine import Machine
from testbed.verify import psql

#: A post of the owner's, made by the tests: it must outlive every fault.
POST = "Written before the fault."
#: How a part of a block looks (src/report/words.rs): two spaces, its name in nine columns, its text.
PART = re.compile(r"^  (?=\S)(.{9}) (.*)$")


@dataclass(frozen=True)
class Block:
    """One trouble as the operator reads it: `FAILED` or `WAITING`, of which steps, and its parts as single lines by name."""

    kind: str
    steps: str
    parts: Mapping[str, str]


def blocks(text: str) -> list[Block]:
    """Every block of a run's output."""
    found = []
    for match in re.finditer(r"^(FAILED|WAITING) (?!\[)(.*\n(?: {8}\S.*\n)*)((?:  .*\n)+)", text, re.MULTILINE):
        found.append(Block(match[1], " ".join(match[2].split()), _parts(match[3])))
    return found


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        begins = PART.match(line)
        name = begins[1].strip() if begins else name
        parts[name] = f"{parts.get(name, '')} {(begins[2] if begins else line).strip()}".strip()
    return {name: " ".join(part.split()) for name, part in parts.items()}


def flowing(text: str) -> str:
    """What was said, as one line: without the times before each line, and without the line breaks that they go with."""
    return " ".join(re.sub(r"^\[tootstrap [\d:]+\]", "", text, flags=re.MULTILINE).split())


def run_plainly(product: Product, *arguments: str, env: Mapping[str, str] | None = None, token: str | None = where.TOKEN) -> Run:
    """`install` as an operator sees it."""
    return product.plain("install", *arguments, env={**({"LINODE_TOKEN": token} if token else {}), **(env or {})})


def failed(run: Run, step: str, why: str, do: str) -> Block:
    """The run failed in this step, and says all five parts. Each argument is a regular expression."""
    assert run.status == STEP_FAILED, run.text[-3000:]
    block = _the_one(run, "FAILED", step)
    assert re.search(why, block.parts["why"]), block
    assert re.search(do, block.parts["do"]), block
    assert re.search(r"^  done +\d+ steps? (is|are) as wanted, and stays? so$", run.text, re.MULTILINE), run.text[-3000:]
    assert re.search(r"^  go on +sudo tootstrap install", run.text, re.MULTILINE), run.text[-3000:]
    return block


def waits(run: Run, step: str, what: str, do: str) -> Block:
    """Everything else is done, and this step waits for the world (exit 4)."""
    assert run.status == STILL_WAITING, run.text[-3000:]
    block = _the_one(run, "WAITING", step)
    assert re.search(what, block.parts["for"]), block
    assert re.search(do, block.parts["do"]), block
    assert "sudo tootstrap install" in block.parts["do"] or "by itself" in block.parts["do"], block
    assert re.search(r"Result: .*\d+ waiting", " ".join(run.text.split())), run.text[-3000:]
    return block


def _the_one(run: Run, kind: str, step: str) -> Block:
    found = [block for block in blocks(run.text) if block.kind == kind and re.search(step, block.steps)]
    assert len(found) == 1, f"blocks {kind} about {step}: {found}\n{run.text[-3000:]}"
    return found[0]


@dataclass(frozen=True)
class Kept:
    """What must never change once it exists."""

    files: Mapping[str, bytes]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, machine: Machine) -> "Kept":
        files = ("/etc/tootstrap/secrets.toml", "/home/ada/.credentials")
        queries = (
            "SELECT id, username, domain, private_key, public_key FROM accounts WHERE username NOT LIKE 'visitor%' ORDER BY id",
            "SELECT id, email, encrypted_password, account_id, role_id FROM users WHERE email NOT LIKE 'visitor%' ORDER BY id",
            "SELECT id, account_id, text FROM statuses ORDER BY id",
        )
        # Not whom the checks themselves let join (testbed/verify.py): Mastodon keeps a tombstone of them.
        rows = tuple(tuple(row) for query in queries for row in psql(machine, query))
        return cls({path: machine.get(path) for path in files}, rows)


def write_post(machine: Machine) -> None:
    """The owner's post, once."""
    psql(
        machine,
        "INSERT INTO statuses (account_id, text, created_at, updated_at) "
        f"SELECT u.account_id, '{POST}', now(), now() FROM users u WHERE NOT EXISTS (SELECT 1 FROM statuses WHERE text = '{POST}') "
        "ORDER BY u.id LIMIT 1",
    )


@dataclass(frozen=True)
class Undisturbed:
    """An installed machine before a fault: `Undisturbed.of(bed)`, then the fault, then `recovered` or `same`."""

    end: EndState
    kept: Kept

    @classmethod
    def of(cls, bed: Bed) -> "Undisturbed":
        write_post(bed.machine)
        return cls(EndState.of(bed.machine), Kept.of(bed.machine))

    def same(self, bed: Bed, *, checks: bool = True, http3: bool = True) -> None:
        """Nothing is left to do, all is as an undisturbed installation leaves it, and what was kept is unchanged. `checks`: the client's, too,
        those over QUIC only if `http3` (endstate.good)."""
        product = Product(bed.machine)
        nothing_to_do(product)
        kept = Kept.of(bed.machine)
        changed = [row[:3] for row in set(kept.rows) ^ set(self.kept.rows)]
        assert kept == self.kept, f"secrets, accounts or posts changed: {changed}"
        assert (difference := self.end.difference(EndState.of(bed.machine))) == "", difference
        if checks:
            good(bed, http3=http3)

    def recovered(self, bed: Bed, case: Case, *, checks: bool = True, token: str | None = where.TOKEN) -> Run:
        """A further `install` reaches that, timed as the case's recovery."""
        with case.timed():
            run = run_plainly(Product(bed.machine), token=token)
        assert run.status == DONE, run.text[-3000:]
        self.same(bed, checks=checks)
        case.recovered = "`tootstrap install` reaches the undisturbed end"
        return run


def until(happened, seconds: float, what: str) -> None:
    """Polls until `happened()` is true."""
    limit = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < limit, f"not within {seconds:g} s: {what}"
        time.sleep(0.5)
