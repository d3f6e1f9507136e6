"""`tootctl`: every output and exit code of mastodon.md §4."""

from __future__ import annotations

import re
import socket

import pytest
from mastodon_stack import DOMAIN, Outcome, Stack

PASSWORD = re.compile(r"^New password: ([0-9a-f]{32})\s*$", re.MULTILINE)
QUIET = {"RAILS_LOG_LEVEL": "error"}

LONG_NAME = "a" * 31
REFUSALS: dict[str, tuple[list[str], str]] = {
    "name taken": (["admin", "--email", "x1@mail.test"], "Failure/Error: account.username\n    taken\n"),
    "name taken, other case": (["ADMIN", "--email", "x2@mail.test"], "Failure/Error: account.username\n    taken\n"),
    "bad characters": (["a-b", "--email", "x3@mail.test"], "Failure/Error: account.username\n    invalid\n"),
    "dot": (["a.b", "--email", "x4@mail.test"], "Failure/Error: account.username\n    invalid\n"),
    "long name": ([LONG_NAME, "--email", "x5@mail.test"], "Failure/Error: account.username\n    too_long\n"),
    "empty name": (["", "--email", "x6@mail.test"], "Failure/Error: account.username\n    blank\n"),
    "e-mail taken": (["other1", "--email", "OWNER@mail.test"], "Failure/Error: email\n    taken\n"),
    "no @": (["other2", "--email", "nonsense"], "Failure/Error: email\n    invalid\n"),
    "percent": (["other3", "--email", "a%b@mail.test"], "Failure/Error: email\n    invalid\n"),
    "display name": (["other4", "--email", "A B <a@mail.test>"], "Failure/Error: email\n    invalid\n"),
    "unknown domain": (["other5", "--email", "a@nowhere.test"], "Failure/Error: email\n    unreachable\n"),
    "domain without address": (["other6", "--email", "a@deaf.test"], "Failure/Error: email\n    unreachable\n"),
    "null MX": (["other7", "--email", "a@null.test"], "Failure/Error: email\n    unreachable\n"),
    "unknown role": (["other8", "--email", "a@mail.test", "--role", "owner"], "Cannot find user role with that name\n"),
    "no e-mail": (["other9"], "No value provided for required options '--email'\n"),
    "nothing": ([], "No value provided for required options '--email'\n"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_create_refuses(stack: Stack, owner: Outcome, case: str) -> None:
    """The message on stderr, nothing on stdout, exit code 1. `invalid` may be said more than once."""
    arguments, expected = REFUSALS[case]
    done = stack.tootctl("accounts", "create", *arguments)
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith(expected)
    assert done.stderr.replace(expected, "").strip() == ""


def test_create_without_a_name(stack: Stack, owner: Outcome) -> None:
    done = stack.run("tootctl", "accounts", "create", "--email", "a@mail.test", env=QUIET)
    assert done.code == 1
    assert done.stderr.startswith('ERROR: "tootctl accounts create" was called with no arguments\nUsage: "tootctl accounts create USERNAME')


@pytest.mark.parametrize("lists", [{"EMAIL_DOMAIN_DENYLIST": "mail.test"}, {"EMAIL_DOMAIN_ALLOWLIST": "plain.test"}])
def test_lists_of_domains(stack: Stack, owner: Outcome, lists: dict[str, str | None]) -> None:
    """Blocked, unless the user is confirmed at once (§4.2)."""
    create = ["tootctl", "accounts", "create", f"listed{len(str(lists))}", "--email", f"listed{len(str(lists))}@mail.test"]
    done = stack.run(*create, env={**QUIET, **lists})
    assert (done.code, done.stdout, done.stderr.strip()) == (1, "", "Failure/Error: email\n    blocked")
    assert stack.run(*create, "--confirmed", env={**QUIET, **lists}).code == 0


def test_create_refuses_in_a_process_of_its_own(stack: Stack, owner: Outcome) -> None:
    done = stack.run("tootctl", "accounts", "create", "admin", "--email", "x7@nowhere.test", env=QUIET)
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.strip() == "Failure/Error: account.username\n    taken\nFailure/Error: email\n    unreachable"


def test_refusals_leave_no_account(stack: Stack, owner: Outcome) -> None:
    assert stack.sql("SELECT count(*) FROM accounts WHERE username LIKE 'other%'") == "0"


def test_owner_by_runner(owner: Outcome, stack: Stack) -> None:
    """`admin` is reserved for sign-ups, allowed to the operator (§4.1)."""
    assert owner.code == 0, owner.stderr
    assert "made admin true true Owner" in owner.stdout
    row = stack.sql("SELECT users.approved, confirmed_at IS NOT NULL, disabled, user_roles.name, sign_in_count FROM users "
                    "JOIN accounts ON accounts.id = account_id JOIN user_roles ON user_roles.id = role_id WHERE username = 'admin'")
    assert row.startswith("t|t|f|Owner|")


def test_create_with_log_lines(stack: Stack, owner: Outcome) -> None:
    """The log goes to stdout too, so the password must be found among it (§4)."""
    done = stack.run("tootctl", "accounts", "create", "second", "--email", "second@plain.test", "--role", "Moderator", "--confirmed", "--approve")
    assert done.code == 0, done.stderr
    assert re.search(r"^OK$", done.stdout, re.MULTILINE)
    assert "[ActiveJob] Enqueued ActionMailer::MailDeliveryJob" in done.stdout
    password = PASSWORD.search(done.stdout)
    assert password
    right = f"puts User.find_by(email: 'second@plain.test').valid_password?('{password[1]}')"
    assert stack.ruby(right) == "true\n"
    assert stack.sql("SELECT approved, confirmed_at IS NOT NULL FROM users WHERE email = 'second@plain.test'") == "t|t"


def test_create_without_approve_is_not_approved(stack: Stack, owner: Outcome) -> None:
    """Registrations are 'none' by default, so --approve is needed (§4.1); `accounts approve` mends it."""
    done = stack.tootctl("accounts", "create", "third", "--email", "third@six.test", "--role", "Owner", "--confirmed")
    assert done.code == 0 and PASSWORD.search(done.stdout)
    approved = "SELECT approved FROM users WHERE email = 'third@six.test'"
    assert stack.sql(approved) == "f"
    mended = stack.tootctl("accounts", "approve", "third")
    assert (mended.code, mended.stdout) == (0, "OK\n")
    assert stack.sql(approved) == "t"


def test_create_without_confirmed_queues_the_mail(stack: Stack, owner: Outcome) -> None:
    done = stack.run("tootctl", "accounts", "create", "fourth", "--email", "fourth@mail.test", "--approve")
    assert done.code == 0
    assert '"UserMailer", "confirmation_instructions"' in done.stdout
    assert stack.sql("SELECT confirmed_at IS NULL, confirmation_token IS NOT NULL FROM users WHERE email = 'fourth@mail.test'") == "t|t"


def test_allowlist_passes_the_dns_check(stack: Stack, owner: Outcome) -> None:
    env = {**QUIET, "EMAIL_DOMAIN_ALLOWLIST": "nowhere.test"}
    done = stack.run("tootctl", "accounts", "create", "fifth", "--email", "fifth@nowhere.test", "--confirmed", env=env)
    assert done.code == 0, done.stderr


def test_reserved_name_is_refused_to_the_public(stack: Stack, owner: Outcome) -> None:
    code = ("user = User.new(email: 'r@mail.test', password: 'x' * 10, agreement: true, account: Account.new(username: 'r00t'));"
            "user.valid?; puts user.errors.map { |e| [e.attribute, e.type].join(' ') }")
    assert stack.ruby(code) == "account.username reserved\n"


def test_agreement_is_asked_for(stack: Stack, owner: Outcome) -> None:
    code = "user = User.new(email: 'r@mail.test', password: 'x' * 10, account: Account.new(username: 'plain')); user.save!"
    with pytest.raises(RuntimeError, match="ActiveRecord::RecordInvalid"):
        stack.ruby(code)


def test_reattach(stack: Stack, owner: Outcome) -> None:
    """In use without --force: two lines, exit code 0, nothing made (§4.1, a trap). With --force: a new account."""
    create = ["accounts", "create", "sixth", "--confirmed", "--approve"]
    assert stack.tootctl(*create, "--email", "sixth@mail.test").code == 0
    first = stack.sql("SELECT id FROM accounts WHERE username = 'sixth'")

    refused = stack.tootctl(*create, "--email", "sixth2@mail.test", "--reattach")
    assert refused.code == 0
    assert refused.stdout == "The chosen username is currently in use\nUse --force to reattach it anyway and delete the other user\n"

    forced = stack.tootctl(*create, "--email", "sixth2@mail.test", "--reattach", "--force")
    assert forced.code == 0 and PASSWORD.search(forced.stdout)
    assert stack.sql("SELECT id FROM accounts WHERE username = 'sixth'") != first


def test_deleted_name_stays_taken_until_reattached(stack: Stack, owner: Outcome) -> None:
    create = ["accounts", "create", "seventh", "--email", "seventh@mail.test"]
    assert stack.tootctl(*create).code == 0
    deleted = stack.tootctl("accounts", "delete", "seventh")
    assert deleted.code == 0
    assert deleted.stdout.endswith("\nOK\n")
    again = stack.tootctl(*create)
    assert (again.code, again.stderr.strip()) == (1, "Failure/Error: account.username\n    taken")
    assert stack.tootctl(*create, "--reattach").code == 0


def test_modify(stack: Stack, owner: Outcome) -> None:
    create = ["accounts", "create", "eighth", "--email", "eighth@mail.test"]
    assert stack.tootctl(*create).code == 0
    modify = ["accounts", "modify"]
    done = stack.tootctl(*modify, "eighth", "--role", "Admin", "--approve", "--confirm", "--reset-password")
    assert done.code == 0, done.stderr
    assert done.stdout.startswith("OK\n") and PASSWORD.search(done.stdout)
    state = "SELECT user_roles.name, approved, confirmed_at IS NOT NULL, disabled FROM users LEFT JOIN user_roles ON user_roles.id = role_id WHERE email = 'eighth@mail.test'"
    assert stack.sql(state) == "Admin|t|t|f"

    done = stack.tootctl(*modify, "eighth", "--remove-role", "--disable", "--email", "moved@mail.test")
    assert (done.code, done.stdout) == (0, "OK\n")
    assert stack.sql(state) == "|t|t|t"
    assert stack.sql("SELECT unconfirmed_email FROM users WHERE email = 'eighth@mail.test'") == "moved@mail.test"


@pytest.mark.parametrize(("arguments", "code", "stdout", "stderr"), [
    (["accounts", "modify", "ghost", "--approve"], 1, "", "No user with such username"),
    (["accounts", "modify", "admin", "--role", "King"], 1, "", "Cannot find user role with that name"),
    (["accounts", "approve", "ghost"], 1, "", "No such account"),
    (["accounts", "approve"], 0, "", ""),
    (["accounts", "delete", "ghost"], 1, "", "No user with such username"),
    (["--version"], 0, "4.7.4\n", ""),
    (["version"], 0, "4.7.4\n", ""),
    (["cache", "clear"], 0, "OK\n", ""),
    (["media", "remove", "--days", "3"], 0, "Removed 0 media attachments (approx. 0 Bytes)\n", ""),
    (["media", "remove", "--dry-run"], 0, "Removed 0 media attachments (approx. 0 Bytes) (DRY RUN)\n", ""),
    (["media", "remove", "--prune-profiles"], 0, "Visited 0 accounts and removed profile media totaling 0 Bytes\n", ""),
    (["media", "remove", "--include-follows"], 1, "--include-follows can only be used with --prune-profiles or --remove-headers\n", ""),
    (["feeds", "build", "ghost"], 1, "No such account\n", ""),
    (["feeds", "clear"], 0, "OK\n", ""),
])
def test_small_commands(stack: Stack, owner: Outcome, arguments: list[str], code: int, stdout: str, stderr: str) -> None:
    done = stack.tootctl(*arguments)
    assert (done.code, done.stdout, done.stderr.strip()) == (code, stdout, stderr)


def test_media_usage(stack: Stack, owner: Outcome) -> None:
    done = stack.tootctl("media", "usage")
    lines = dict(line.split(":\t") for line in done.stdout.splitlines())
    assert (done.code, list(lines)) == (0, ["Attachments", "Custom emoji", "Preview cards", "Avatars", "Headers", "Backups", "Imports", "Settings"])
    assert (lines["Avatars"], lines["Backups"]) == ("0 Bytes (0 Bytes local)", "0 Bytes")


def test_feeds(stack: Stack, owner: Outcome) -> None:
    """Built for who signed in within a week; one named account always."""
    seen = "User.where(email: 'owner@mail.test').update_all(current_sign_in_at: {})"
    stack.ruby("Account.find_local('admin').statuses.create!(text: 'hello')")
    held = "puts RedisConnection.with { |redis| redis.zcard(\"feed:home:#{Account.find_local('admin').id}\") }"
    before = stack.sql("SELECT current_sign_in_at FROM users WHERE email = 'owner@mail.test'")
    for moment, regenerated, posts in (("nil", 0, 0), ("8.days.ago", 0, 0), ("6.days.ago", 1, 1)):
        stack.ruby(seen.format(moment))
        assert stack.tootctl("feeds", "build").stdout == f"Regenerated feeds for {regenerated} accounts \n"
        assert stack.ruby(held) == f"{posts}\n"
    stack.sql(f"UPDATE users SET current_sign_in_at = NULLIF('{before}', '')::timestamp WHERE email = 'owner@mail.test'")
    assert stack.tootctl("feeds", "clear").code == 0
    assert stack.tootctl("feeds", "build", "admin", "--dry-run").stdout == "OK (DRY RUN)\n" and stack.ruby(held) == "0\n"
    assert stack.tootctl("feeds", "build", "admin").stdout == "OK \n" and stack.ruby(held) == "1\n"


def test_self_destruct(stack: Stack, owner: Outcome) -> None:
    """Asks for the domain and once more; nobody to tell, so all accounts are suspended at once."""
    ask = ["sh", "-c", 'printf "%s\\n" "$@" | tootctl self-destruct $FLAGS', "sh"]
    suspended = "SELECT count(*) FROM accounts WHERE suspended_at IS NOT NULL"
    before = stack.sql(suspended)
    assert stack.run(*ask, "example.org", env=QUIET).code == 1
    assert stack.run(*ask, DOMAIN, "n", env=QUIET).code == 1
    dry = stack.run(*ask, DOMAIN, env={**QUIET, "FLAGS": "--dry-run"})
    assert dry.code == 0 and "has not federated with anything" in dry.stdout
    assert stack.sql(suspended) == before

    alive = "SELECT string_agg(id::text, ',') FROM accounts WHERE domain IS NULL AND suspended_at IS NULL"
    ids = stack.sql(alive)
    done = stack.run(*ask, DOMAIN, "y", env=QUIET)
    assert done.code == 0 and done.stdout.endswith("You can shut it down and delete it any time\n"), done
    assert "BROKEN STATE" in done.stdout and stack.sql(alive) == ""
    stack.sql(f"UPDATE accounts SET suspended_at = NULL, suspension_origin = NULL WHERE id IN ({ids})")


def test_registrations(stack: Stack, owner: Outcome) -> None:
    """§4.6: three modes, 'none' by default, `OK` each."""
    mode = "puts Setting.registrations_mode; puts Setting.require_invite_text"
    assert stack.ruby(mode) == "none\nfalse\n"
    for arguments, expected in ((["open"], "open\nfalse\n"), (["approved", "--require-reason"], "approved\ntrue\n"), (["close"], "none\ntrue\n")):
        done = stack.tootctl("settings", "registrations", *arguments)
        assert (done.code, done.stdout) == (0, "OK\n")
        assert stack.ruby(mode) == expected
    assert stack.sql("SELECT value FROM settings WHERE var = 'registrations_mode'") == "--- none"


def test_settings_by_runner_and_by_sql(stack: Stack, owner: Outcome) -> None:
    """The setter writes YAML and refreshes the cache; raw SQL leaves the cache stale (§4.6)."""
    done = stack.runner("Setting.site_contact_username = 'admin'; Setting.media_cache_retention_period = 7; puts Setting.media_cache_retention_period.class")
    assert (done.code, done.stdout) == (0, "Integer\n")
    assert stack.sql("SELECT value FROM settings WHERE var = 'site_contact_username'") == "--- admin"
    assert stack.sql("SELECT value FROM settings WHERE var = 'media_cache_retention_period'") == "--- 7"

    stack.sql("UPDATE settings SET value = '--- 30' WHERE var = 'media_cache_retention_period'")
    assert stack.ruby("puts Setting.media_cache_retention_period") == "7\n"
    assert stack.tootctl("cache", "clear").code == 0
    assert stack.ruby("puts Setting.media_cache_retention_period") == "30\n"


def test_open_registrations_fall_back_to_approval(stack: Stack, owner: Outcome) -> None:
    """The auto-close trap: no moderator came within 8 days (§4.6), unless the variable forbids it."""
    code = ("User.where(email: 'owner@mail.test').update_all(current_sign_in_at: {seen}); Setting.registrations_mode = 'open';"
            "AutoCloseRegistrationsScheduler.new.perform; puts Setting.registrations_mode; Setting.registrations_mode = 'none'")
    forbid = "ENV['DISABLE_AUTOMATIC_SWITCHING_TO_APPROVED_REGISTRATIONS'] = {value};"
    before = stack.sql("SELECT current_sign_in_at FROM users WHERE email = 'owner@mail.test'")
    assert stack.ruby(code.format(seen="nil")) == "approved\n"
    assert stack.ruby(code.format(seen="9.days.ago")) == "approved\n"
    assert stack.ruby(code.format(seen="7.days.ago")) == "open\n"
    assert stack.ruby(forbid.format(value="'true'") + code.format(seen="nil") + ";" + forbid.format(value="nil")) == "open\n"
    stack.sql(f"UPDATE users SET current_sign_in_at = NULLIF('{before}', '')::timestamp WHERE email = 'owner@mail.test'")


def test_interrupt(stack: Stack, owner: Outcome) -> None:
    """Ctrl-C ends with 130 (§4); here while PostgreSQL does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {"DB_PORT": str(silent.getsockname()[1])}
        interrupted = ["timeout", "--signal=INT", "--preserve-status", "8"]
        done = stack.run(*interrupted, "tootctl", "accounts", "create", "slow", "--email", "a@mail.test", env=env)
    assert done.code == 130
