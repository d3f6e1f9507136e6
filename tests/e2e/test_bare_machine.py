"""On a bare machine: a plan changes nothing, and bad answers are refused before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from fingerprint import difference, fingerprint
from product import CHANGES_PENDING, DONE, REFUSED, Product, environment
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.services import HostFault, addresses
from testbed.terminal import terminal
from tour import keep_still, keep_text


@pytest.fixture(scope="module")
def uploaded(bare: Bed, dist: Path) -> Product:
    return Product.uploaded(bare.machine, dist)


def test_a_plan_changes_nothing(bare: Bed, uploaded: Product) -> None:
    before = fingerprint(bare.machine)
    plan = uploaded.plan(env=environment(FORM))
    assert plan.status == CHANGES_PENDING, plan.explained()
    assert len(plan.ids("pending")) > 10, plan.explained()
    assert plan.ids("changed", "failed", "blocked", "stopped") == set(), plan.explained()
    assert difference(before, fingerprint(bare.machine)) == ""
    assert not bare.machine.exists("/var/lib/tootstrap")
    assert bare.services.control.domains() == []
    answers = {**environment(FORM), "LINODE_TOKEN": where.TOKEN}
    keep_text("plan", "tootstrap plan", uploaded.plain("plan", env=answers).text)
    with terminal(bare.machine.entering([uploaded.program, "plan", "--harden"], {**answers, "TERM": "xterm"})) as person:
        person.until("\nPlan: ")
        assert "\x1b[32m      +domain = " in person.seen, "a diff has colours on a terminal"
        keep_still("plan", person)

    parts = {part["what"]: part for part in next(event for event in plan.events if event["event"] == "downloads")["parts"]}
    images = {what: part["bytes"] for what, part in parts.items() if what.startswith("image ")}
    assert len(images) == 5 and min(images.values()) > 1_000_000, parts
    assert parts["packages"]["bytes"] > 1_000_000, parts
    steps = {step["id"]: step for step in plan.events[[event["event"] for event in plan.events].index("started")]["steps"]}
    assert "docker/image-mastodon" in steps["app/database"]["needs"] and "dns/published" in steps["edge/certificate"]["after"], steps


def test_a_registry_that_does_not_answer_is_a_sentence_in_the_plan(bare: Bed, uploaded: Product) -> None:
    bare.services.control.add_host_fault(HostFault(addresses.GHCR, status=503))
    try:
        plan = uploaded.plain("plan", env={**environment(FORM), "LINODE_TOKEN": where.TOKEN})
    finally:
        bare.services.control.clear_host_faults()
    assert plan.status == DONE, plan.text
    assert "ghcr.io answers with status 503" in plan.text and "to download, at least " in plan.text, plan.text


@dataclass(frozen=True)
class Bad:
    """One answer of the form; `says`: what the message must contain besides the name of the field, spelt as in the form."""

    field: str
    value: str
    says: str = ""

    def __str__(self) -> str:
        return f"{self.field}={self.value[:24]!a}"

    @property
    def variable(self) -> str:
        return self.field.upper()


BAD = [
    Bad("domain", "https://fedi-test.org/", "fedi-test.org"),
    Bad("domain", "fedi test.org"),
    Bad("domain", "localhost"),
    Bad("domain", "-bad-.org"),
    Bad("domain", "203.0.113.10"),
    Bad("subdomain", "social.fedi-test.org"),
    Bad("subdomain", "so_cial!"),
    Bad("soa_email_address", "not an address"),
    Bad("soa_email_address", "ada@"),
    Bad("owner_email", "ada@no-such-domain-at-all.example", "no-such-domain-at-all.example"),
    Bad("owner_email", "ada@example.com", "example.com"),  # null MX
    Bad("owner_email", "ada@mail-less.org", "mail-less.org"),
    Bad("owner_username", "ada-lovelace"),
    Bad("owner_username", "a" * 31),
    Bad("user_name", "root"),
    Bad("user_name", "www-data", "www-data"),
    Bad("user_name", "Ada"),
    Bad("user_name", "ada lovelace"),
    Bad("single_user_mode", "perhaps"),
    Bad("disable_root", "maybe"),
    Bad("token_password", "a" * 32 + "\u200b" + "a" * 32),
]


#: Of a mail relay; what is not named is as here.
RELAY = {"SMTP_SERVER": "relay.example.org", "SMTP_PORT": "587", "SMTP_LOGIN": "me", "SMTP_PASSWORD": "word of the relay"}
BAD_RELAYS = [
    ({"SMTP_SERVER": "smtps://relay.example.org"}, "--smtp-server"),
    ({"SMTP_SERVER": ""}, "--smtp-server"),
    ({"SMTP_PORT": "0"}, "--smtp-port"),
    ({"SMTP_PORT": "submission"}, "--smtp-port"),
    ({"SMTP_LOGIN": ""}, "--smtp-login"),
    ({"SMTP_PASSWORD": ""}, "--smtp-password-file"),
    ({"SMTP_PASSWORD": "two\nlines"}, "--smtp-password-file"),
    ({"SMTP_PASSWORD": "it's two\nlines"}, "--smtp-password-file"),
    ({"SMTP_FROM_ADDRESS": "nobody"}, "--smtp-from"),
    ({"SMTP_FROM_ADDRESS": "a, b <noreply@example.org>"}, "--smtp-from"),
]


@pytest.fixture(scope="module")
def untouched(bare: Bed, uploaded: Product) -> Mapping[str, list[str]]:
    return fingerprint(bare.machine)


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_bad_answer_is_refused(bare: Bed, uploaded: Product, untouched: dict[str, list[str]], bad: Bad) -> None:
    answers = {**environment(FORM), "TOKEN_PASSWORD": where.TOKEN, bad.variable: bad.value}
    run = uploaded.plain("install", env=answers)
    assert run.status == REFUSED, run.text
    assert bad.field in run.words and bad.says in run.words, run.text
    if bad.field == "token_password":
        assert bad.value.strip() not in run.text, "the token is in the message"
    assert bare.services.control.domains() == []
    assert not bare.machine.exists("/opt/mastodon")


@pytest.mark.parametrize(("bad", "names"), BAD_RELAYS, ids=str)
def test_a_bad_mail_relay_is_refused(bare: Bed, uploaded: Product, untouched: dict[str, list[str]], bad: dict[str, str], names: str) -> None:
    # Good answers of a form that was refused before would fill the gap.
    bare.machine.remove("/etc/tootstrap/answers.toml")
    run = uploaded.plain("install", env={**environment(FORM), "TOKEN_PASSWORD": where.TOKEN, **RELAY, **bad})
    assert run.status == REFUSED, run.text
    assert names in run.words, run.text
    assert RELAY["SMTP_PASSWORD"] not in run.text and "two\nlines" not in run.text, "the password is in the message"
    assert not bare.machine.exists("/opt/mastodon")


def test_after_all_refusals_the_machine_is_as_before(bare: Bed, untouched: dict[str, list[str]]) -> None:
    """Of a refused form only the valid answers stay (design.md §2)."""
    lines = difference(untouched, fingerprint(bare.machine)).splitlines()
    assert [line for line in lines if "tootstrap" not in line and " /etc d " not in line and " /usr/local/bin d " not in line] == []
