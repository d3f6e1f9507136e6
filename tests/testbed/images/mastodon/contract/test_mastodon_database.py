"""The database's life: mastodon.md §3.1-3.4."""

from __future__ import annotations

import pytest
from mastodon_stack import Outcome, Stack

PROTECTED = (
    "You are attempting to run a destructive action against your 'production' database.",
    "DISABLE_DATABASE_ENVIRONMENT_CHECK=1",
)
EXACT_NAMES = (
    "abuse account accounts admin administration administrator admins help helpdesk instance mod moderator moderators "
    "mods owner root security server staff support webmaster"
).split()


def test_prepare_creates_and_seeds(stack: Stack, prepared: Outcome) -> None:
    assert prepared.code == 0, prepared.stderr
    assert "Created database 'mastodon'" in prepared.stdout
    assert stack.sql("SELECT name, position FROM user_roles WHERE id > 0 ORDER BY position").splitlines() == [
        "Moderator|10", "Admin|100", "Owner|1000"]
    assert stack.sql("SELECT permissions FROM user_roles WHERE name = 'Owner'") == "1"
    assert stack.sql("SELECT count(*) FROM user_roles WHERE id = -99") == "1"
    assert stack.sql("SELECT username FROM accounts WHERE id = -99 AND domain IS NULL") == "mastodon.internal"
    assert stack.sql("SELECT name FROM oauth_applications WHERE superapp") == "Web"
    assert stack.sql("SELECT value FROM ar_internal_metadata WHERE key = 'environment'") == "production"
    blocked = stack.sql("SELECT username FROM username_blocks WHERE exact ORDER BY username COLLATE \"C\"").splitlines()
    assert blocked == sorted(EXACT_NAMES)
    assert set(stack.sql("SELECT username FROM username_blocks WHERE NOT exact").splitlines()) == {"mastodon", "mastadon"}
    assert stack.sql("SELECT version FROM schema_migrations ORDER BY 1 DESC LIMIT 1").startswith("2026")


def test_prepare_again_changes_nothing_and_does_not_seed(stack: Stack, prepared: Outcome) -> None:
    stack.sql("DELETE FROM username_blocks WHERE username = 'webmaster'")
    done = stack.run("bundle", "exec", "rails", "db:prepare")
    assert (done.code, done.stdout) == (0, "")
    assert stack.sql("SELECT count(*) FROM username_blocks WHERE username = 'webmaster'") == "0"


def test_seed_brings_back_what_is_missing(stack: Stack, prepared: Outcome) -> None:
    before = stack.sql("SELECT id, name FROM user_roles ORDER BY id")
    stack.sql("DELETE FROM username_blocks WHERE username = 'webmaster'")
    assert stack.run("rails", "db:seed").code == 0
    assert stack.run("rails", "db:seed").code == 0
    assert stack.sql("SELECT count(*) FROM username_blocks WHERE username = 'webmaster'") == "1"
    assert stack.sql("SELECT id, name FROM user_roles ORDER BY id") == before


@pytest.mark.parametrize("task", ["db:setup", "db:schema:load", "db:reset", "db:drop"])
def test_destructive_tasks_are_refused(stack: Stack, prepared: Outcome, task: str) -> None:
    done = stack.run("rails", task)
    assert done.code == 1
    assert all(text in done.stderr for text in PROTECTED)
    assert stack.sql("SELECT count(*) FROM accounts WHERE id = -99") == "1"


def test_setup_says_that_the_database_is_there(stack: Stack, prepared: Outcome) -> None:
    assert "Database 'mastodon' already exists" in stack.run("rails", "db:setup").stderr


def test_setup_on_an_empty_server(stack: Stack, prepared: Outcome) -> None:
    assert stack.run("rails", "db:setup", env={"DB_NAME": "by_setup"}).code == 0
    assert stack.sql("SELECT count(*) FROM user_roles WHERE name = 'Owner'", "by_setup") == "1"


def test_migrate_fails_without_a_database(stack: Stack, prepared: Outcome) -> None:
    done = stack.run("rails", "db:migrate", env={"DB_NAME": "absent"})
    assert done.code == 1
    assert "NoDatabaseError" in done.stderr


def test_migrate_on_an_empty_database_does_not_seed(stack: Stack, prepared: Outcome) -> None:
    stack.sql("CREATE DATABASE by_migrate", "postgres")
    assert stack.run("rails", "db:migrate", env={"DB_NAME": "by_migrate"}).code == 0
    assert stack.sql("SELECT count(*) FROM user_roles", "by_migrate") == "0"
    assert stack.sql("SELECT count(*) FROM schema_migrations", "by_migrate") == stack.sql("SELECT count(*) FROM schema_migrations")


def test_migrate_setup_seeds(stack: Stack, prepared: Outcome) -> None:
    assert stack.run("rails", "db:migrate:setup", env={"DB_NAME": "by_migrate_setup"}).code == 0
    assert stack.sql("SELECT count(*) FROM user_roles WHERE name = 'Owner'", "by_migrate_setup") == "1"


@pytest.fixture(scope="module")
def outdated(stack: Stack, prepared: Outcome) -> dict[str, str | None]:
    """A database that lacks a migration and a post-deployment migration; the environment that names it."""
    env: dict[str, str | None] = {"DB_NAME": "outdated"}
    assert stack.run("rails", "db:prepare", env=env).code == 0
    stack.sql("DELETE FROM schema_migrations WHERE version IN ('20260818093000', '20260702144128')", "outdated")
    stack.sql("ALTER TABLE users DROP COLUMN time_zone", "outdated")
    stack.sql("DELETE FROM username_blocks", "outdated")
    return env


def test_pending_migrations(stack: Stack, outdated: dict[str, str | None]) -> None:
    """Seeding waits for them, SKIP_POST_DEPLOYMENT_MIGRATIONS (even empty) leaves the last step out, prepare runs all."""
    seed = stack.run("rails", "db:seed", env=outdated)
    assert seed.code == 1
    assert "db:migrate" in seed.stdout + seed.stderr

    skipped = stack.run("rails", "db:migrate", env={**outdated, "SKIP_POST_DEPLOYMENT_MIGRATIONS": ""})
    assert skipped.code == 0, skipped.stderr
    applied = "SELECT version FROM schema_migrations WHERE version IN ('20260818093000', '20260702144128')"
    assert stack.sql(applied, "outdated") == "20260818093000"
    assert stack.sql("SELECT count(*) FROM information_schema.columns WHERE table_name = 'users' AND column_name = 'time_zone'", "outdated") == "1"

    assert stack.run("rails", "db:prepare", env=outdated).code == 0
    assert len(stack.sql(applied, "outdated").splitlines()) == 2
    assert stack.sql("SELECT count(*) FROM username_blocks", "outdated") == "0"


def test_zero_downtime_guard(stack: Stack, prepared: Outcome) -> None:
    env: dict[str, str | None] = {"DB_NAME": "ancient", "SKIP_POST_DEPLOYMENT_MIGRATIONS": "true"}
    stack.sql("CREATE DATABASE ancient", "postgres")
    stack.sql("CREATE TABLE schema_migrations (version varchar PRIMARY KEY)", "ancient")
    stack.sql("INSERT INTO schema_migrations VALUES ('20230907150100')", "ancient")
    done = stack.run("rails", "db:migrate", env=env)
    assert done.code == 1
    assert "Zero-downtime migrations from Mastodon versions earlier than 4.3.0 are not supported." in done.stderr
