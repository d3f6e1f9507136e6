"""The site's mail: a relay is tried before it is saved, and a message goes all the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from product import DONE, REFUSED, Product, Run
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.services import addresses
from testbed.services.control import Control
from testbed.services.relay import LOGIN, PASSWORD
from testbed.verify import compose
from tour import keep_text

OWNER = FORM["owner_email"]
SENDER = f"notifications@{where.SITE}"
SETTINGS = "/etc/tootstrap/settings.toml"


@pytest.fixture(autouse=True)
def relay(installed: Bed) -> Iterator[None]:
    """Open on every port, whatever a test did."""
    yield
    installed.services.control.block_mail([])


def mail_set(tootstrap: Product, *words: str, password: str = PASSWORD) -> Run:
    """The password through standard input, as from a password manager."""
    argv = [tootstrap.program, "mail", "set", "--login", LOGIN, *words]
    done = tootstrap.machine.run(argv, input=f"{password}\n", check=False, timeout=300)
    return Run(done.returncode, [], "".join(out if isinstance(out, str) else out.decode() for out in (done.stdout, done.stderr)))


def sent_by_mail_test(control: Control) -> list[dict[str, Any]]:
    """What `mail test` had sent; mail that Sidekiq kept from before the relay worked arrives whenever it likes."""
    return [message for message in control.mail() if "tootstrap mail test" in message["body"]]


@pytest.mark.parametrize(
    ("words", "password", "blocked", "parts"),
    [
        (["postmark"], "wrong", [], ["refuses the login", "535", "the secret key of the same SMTP token"]),
        (["postmark", "--port", "587"], PASSWORD, [25, 465, 587], ["port 587", "seems to block mail", "25, 587 does not answer, 2525 does", "--port 2525"]),
        (["postmark", "--from", "me@example.net"], PASSWORD, [], ["refuses the sender me@example.net", "553"]),
        (["--server", addresses.MISNAMED_RELAY], PASSWORD, [], ["certificate", "is not trusted"]),
        (["--server", "smtp.no-such-relay.org"], PASSWORD, [], ["no mail relay smtp.no-such-relay.org"]),
    ],
)  # fmt: skip
def test_what_cannot_send_is_named_and_not_saved(
    installed: Bed, tootstrap: Product, words: list[str], password: str, blocked: list[int], parts: list[str]
) -> None:
    before = installed.machine.get(SETTINGS)
    installed.services.control.block_mail(blocked)
    run = mail_set(tootstrap, *words, password=password)
    assert run.status == REFUSED, run.text
    for part in [*parts, "done nothing was changed", "go on sudo tootstrap mail set"]:
        assert part in run.words, f"{part!r} is not in:\n{run.text}"
    assert all(len(line) < 80 for line in run.text.splitlines()), run.text
    assert installed.machine.get(SETTINGS) == before
    assert installed.services.control.mail() == []


def test_a_relay_that_works_is_saved_and_sends(installed: Bed, tootstrap: Product) -> None:
    machine, control = installed.machine, installed.services.control
    # What Linode does on a new account: the provider's other port is found.
    control.block_mail([25, 465, 587])
    run = mail_set(tootstrap, "postmark")
    keep_text("mail_set", f"sudo tootstrap mail set postmark --login {LOGIN}", run.text)
    assert run.status == DONE, run.text
    for part in (
        "open from here: 2525",
        f"it takes mail from {SENDER} to {OWNER}",
        f"SPF needs no record at {where.SITE}: bounces go to a domain that Postmark looks after",
        f'_dmarc.{where.SITE}. TXT "v=DMARC1; p=none"',
        "took it",
    ):
        assert part in run.words, f"{part!r} is not in:\n{run.text}"
    [message] = sent_by_mail_test(control)
    assert (message["from"], message["to"]) == (SENDER, [OWNER])
    assert message["headers"]["from"] == f"Mastodon <{SENDER}>" and where.SITE in message["headers"]["subject"]
    environment = machine.get("/opt/mastodon/env.production").decode()
    assert "SMTP_SERVER='smtp.postmarkapp.com'" in environment and "SMTP_PORT='2525'" in environment, environment
    holders = machine.sh(f"grep -rl {PASSWORD} /etc/tootstrap /opt/mastodon /var/log /var/lib/tootstrap || true").split()
    assert set(holders) == {"/etc/tootstrap/secrets.toml", "/opt/mastodon/secrets.env"}
    assert PASSWORD not in machine.sh("journalctl --no-pager --output=export --all")
    still = tootstrap.plan()
    assert (still.status, still.differing()) == (DONE, set()), still.explained()


def test_what_the_relay_says_to_sidekiq_is_told(installed: Bed, tootstrap: Product) -> None:
    control = installed.services.control
    before = len(sent_by_mail_test(control))
    run = tootstrap.plain("mail", "test", "reader@example.org")
    keep_text("mail_test", "sudo tootstrap mail test reader@example.org", run.text)
    assert run.status == DONE and "took it" in run.text, run.text
    assert [message["to"] for message in sent_by_mail_test(control)[before:]] == [["reader@example.org"]]

    refused = tootstrap.plain("mail", "test", "nobody-of-this-name@example.org")
    keep_text("mail_refused", "sudo tootstrap mail test nobody-of-this-name@example.org", refused.text)
    assert refused.status == 1 and "550" in refused.words and "User unknown" in refused.words, refused.text
    assert "sudo tootstrap mail test ADDRESS" in refused.words and "done the relay is set" in refused.words, refused.text
    assert len(sent_by_mail_test(control)) == before + 1
    script = "REDISCLI_AUTH=$(sed -n 's/^requirepass //p' /etc/redis/redis.conf) exec redis-cli ZRANGE retry 0 -1"
    waiting = compose(installed.machine, "exec", "-T", "redis", "sh", "-c", script)
    assert "nobody-of-this-name" not in waiting, "it would be tried again"
