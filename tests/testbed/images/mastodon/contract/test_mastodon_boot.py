"""What Mastodon refuses to boot with: mastodon.md §2.2 and §2.3."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from mastodon_stack import Outcome, Stack

KEYS = [
    "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY",
    "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",
    "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY",
]
MISSING_KEYS = "Mastodon now requires that these variables are set:\n\n  - " + "\n  - ".join(KEYS)

REFUSALS = {
    "no secret": ({"SECRET_KEY_BASE": None}, "Missing `secret_key_base` for 'production' environment, set this string with `bin/rails credentials:edit`"),
    "empty secret": ({"SECRET_KEY_BASE": ""}, "`secret_key_base` for production environment must be a type of String`"),
    **{f"no {key}": ({key: None}, MISSING_KEYS) for key in KEYS},
    "blank key": ({KEYS[0]: "  "}, MISSING_KEYS),
    "test key": ({KEYS[2]: "x_DO_NOT_USE_IN_PRODUCTION"}, f"run Mastodon in production with a {KEYS[2]} value from the test environment"),
    "no RAILS_ENV": ({"RAILS_ENV": None}, "The RAILS_ENV environment variable is not set."),
    "namespace": ({"REDIS_NAMESPACE": "old"}, "no longer supported, and a migration is required"),
}


COMMANDS = {
    "puma": ["bundle", "exec", "puma", "-C", "config/puma.rb"],
    "sidekiq": ["bundle", "exec", "sidekiq"],
    "tootctl": ["tootctl", "version"],
}


@pytest.fixture(scope="module")
def refused(stack: Stack) -> dict[str, Outcome]:
    """Every boot that must fail, three at a time."""
    with ThreadPoolExecutor(3) as pool:
        boots = {case: pool.submit(stack.run, "rails", "runner", "puts 'booted'", env=env) for case, (env, _) in REFUSALS.items()}
        boots |= {name: pool.submit(stack.run, *command, env={KEYS[1]: None}) for name, command in COMMANDS.items()}
        return {name: boot.result() for name, boot in boots.items()}


@pytest.mark.parametrize("case", REFUSALS)
def test_rails_refuses_to_boot(refused: dict[str, Outcome], case: str) -> None:
    done = refused[case]
    assert done.code == 1
    assert REFUSALS[case][1] in done.stderr
    assert "booted" not in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_process_refuses_alike(refused: dict[str, Outcome], command: str) -> None:
    assert refused[command].code == 1
    assert MISSING_KEYS in refused[command].stderr


def test_dummy_secret_needs_no_other(stack: Stack) -> None:
    """The escape hatch for a container before there is any .env.production."""
    env: dict[str, str | None] = {"SECRET_KEY_BASE_DUMMY": "1", "SECRET_KEY_BASE": None, **{key: None for key in KEYS}}
    done = stack.run("rails", "mastodon:webpush:generate_vapid_key", env=env)
    assert done.code == 0, done.stderr
    assert re.search(r"^VAPID_PRIVATE_KEY=[\w-]{42,43}={1,2}\nVAPID_PUBLIC_KEY=B[\w-]{86}=$", done.stdout, re.MULTILINE)


def test_encryption_init(stack: Stack) -> None:
    done = stack.run("rails", "db:encryption:init", env={key: None for key in KEYS})
    assert done.code == 0, done.stderr
    values = re.findall(rf"^({'|'.join(KEYS)})=([A-Za-z0-9]{{32}})$", done.stdout, re.MULTILINE)
    assert sorted(name for name, _ in values) == sorted(KEYS)
    assert len({value for _, value in values}) == 3


def test_encryption_init_refuses_when_set(stack: Stack) -> None:
    assert stack.run("rails", "db:encryption:init").code == 1
    assert stack.run("rails", "db:encryption:init", env={"IGNORE_ALREADY_SET_SECRETS": "true"}).code == 0


def test_wrong_database_password(stack: Stack) -> None:
    done = stack.run("rails", "db:prepare", env={"DB_PASS": "wrong"})
    assert done.code == 1
    assert 'password authentication failed for user "mastodon"' in done.stderr


def test_wrong_redis_password(stack: Stack) -> None:
    done = stack.run("bundle", "exec", "sidekiq", env={"REDIS_PASSWORD": "wrong"})
    assert done.code == 1
    assert "WRONGPASS" in done.stdout + done.stderr


def test_wrong_encryption_key_is_noticed(stack: Stack, owner: Outcome) -> None:
    """mastodon.md §6, row /actor: the probe that an installer runs."""
    probe = "puts Keypair.where.not(private_key: nil).first&.private_key"
    assert "PRIVATE KEY" in stack.runner(probe).stdout
    wrong = stack.runner(probe, env={"ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY": "f" * 32})
    assert wrong.code == 1
    assert "ActiveRecord::Encryption::Errors::Decryption" in wrong.stderr


def test_surroundings(stack: Stack) -> None:
    """mastodon.md §1.2: user, paths, tools that are there and that are not; and that it says what it is."""
    done = stack.run("sh", "-c", "id -u; id -g; pwd; readlink /mastodon; stat -c %u public public/system; cat /proc/1/comm")
    assert done.stdout.split() == ["991", "991", "/opt/mastodon", "/opt/mastodon", "0", "991", "tini"]
    tools = stack.run("sh", "-c", "for t in curl wget file ps tini node psql git; do command -v $t; done")
    assert tools.stdout.split() == ["/usr/bin/curl", "/usr/bin/wget", "/usr/bin/file", "/usr/bin/ps", "/usr/bin/tini"]
    assert "This is not Mastodon" in stack.run("cat", "/opt/mastodon/STAND-IN.md").stdout
