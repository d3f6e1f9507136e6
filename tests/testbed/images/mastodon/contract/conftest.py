"""One stack for all contract tests: databases started, the schema prepared, an owner made by `rails runner`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[3]), str(HERE)]

from mastodon_browser import Browser  # noqa: E402
from mastodon_stack import CONFINED, Outcome, Stack, request, wait_for  # noqa: E402

OWNER_PASSWORD = "correct horse battery staple"
OWNER_EMAIL = "owner@mail.test"
MAKE_OWNER = """
account = Account.new(username: ENV.fetch('NAME'))
user = User.new(email: ENV.fetch('EMAIL'), password: ENV.fetch('PASSWORD'), agreement: true,
                role_id: UserRole.find_by(name: ENV['ROLE'])&.id, confirmed_at: Time.now.utc, bypass_registration_checks: true)
account.suspended_at = nil
user.account = account
user.save!
user.confirmed_at = nil
user.mark_email_as_confirmed!
user.approve!
puts "made #{user.account.username} #{user.approved?} #{user.confirmed?} #{user.role.name}"
"""


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    with Stack() as running:
        yield running


@pytest.fixture(scope="session")
def prepared(stack: Stack) -> Outcome:
    """The first `db:prepare` on a server without our database."""
    return stack.run("bundle", "exec", "rails", "db:prepare")


def make_user(stack: Stack, name: str, email: str, role: str = "") -> Outcome:
    values = {"NAME": name, "EMAIL": email, "PASSWORD": OWNER_PASSWORD, "ROLE": role}
    return stack.runner(MAKE_OWNER, env=values)


@pytest.fixture(scope="session")
def owner(stack: Stack, prepared: Outcome) -> Outcome:
    """The owner, made as an installer makes it."""
    assert prepared.code == 0, prepared.stderr
    return make_user(stack, "admin", OWNER_EMAIL, "Owner")


@pytest.fixture(scope="session")
def web(stack: Stack, owner: Outcome) -> int:
    """The port of the web process, confined."""
    env = {**stack.env, "PORT": str(stack.web_port), "BIND": "127.0.0.1"}
    stack.start("web", "mastodon", ["bundle", "exec", "puma", "-C", "config/puma.rb"], CONFINED, env=env)
    wait_for("web", lambda: request(stack.web_port, "/health").status == 200)
    return stack.web_port


@pytest.fixture(scope="session")
def sidekiq(stack: Stack, owner: Outcome) -> str:
    """The Sidekiq container, with podman's defaults instead of confinement."""
    stack.start("sidekiq", "mastodon", ["bundle", "exec", "sidekiq"], [])
    ready = "tmp/sidekiq_process_has_started_and_will_begin_processing_jobs"
    wait_for("sidekiq", lambda: stack.run("test", "-e", ready, name="sidekiq").code == 0)
    return "sidekiq"


@pytest.fixture(scope="session")
def signed_in(web: int, owner: Outcome) -> Browser:
    """The owner's browser after a sign-in."""
    browser = Browser(web)
    browser.sign_in(OWNER_EMAIL, OWNER_PASSWORD)
    return browser


@pytest.fixture(scope="session")
def stranger(web: int, stack: Stack) -> Browser:
    """A signed-in user without a role."""
    made = make_user(stack, "nobody_special", "nobody@mail.test")
    assert made.code == 0, made.stderr
    browser = Browser(web)
    browser.sign_in("nobody@mail.test", OWNER_PASSWORD)
    return browser
