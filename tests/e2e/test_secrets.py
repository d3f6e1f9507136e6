"""Where the secrets of an installed machine are, and where they are not."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

import pytest
from harness import Installation
from searching import EVERYTHING, LOGS, PUBLIC, holders
from testbed.bed import Bed
from testbed.demo import FORM

LEAVES_IT_AS_IT_WAS = True

TOKEN = FORM["token_password"]


@pytest.fixture(scope="module")
def secrets(installed: Bed) -> dict[str, str]:
    """By name: all of secrets.toml but the public key, and the API token."""
    generated = tomllib.loads(installed.machine.get("/etc/tootstrap/secrets.toml").decode())["generated"]
    assert len(generated) == 10, sorted(generated)
    return {name: value for name, value in flat(generated).items() if name != "vapid_public_key"} | {"API token": TOKEN}


def flat(table: Mapping) -> dict[str, str]:
    """Each value by its own name; the sudo users' passwords are a table of their own."""
    inner = [flat(value) for value in table.values() if isinstance(value, dict)]
    return {name: value for name, value in table.items() if isinstance(value, str)} | {k: v for part in inner for k, v in part.items()}


def test_the_search_finds_what_is_there(installed: Bed, secrets: Mapping[str, str]) -> None:
    """Without it the tests below would prove nothing."""
    found = holders(installed.machine, "find /etc/tootstrap -type f -print0", secrets)
    assert found == {(name, "/etc/tootstrap/secrets.toml") for name in secrets if name != "API token"}


def test_none_is_in_a_log_or_on_the_console(installed: Bed, installation: Installation, secrets: Mapping[str, str]) -> None:
    assert holders(installed.machine, LOGS, secrets) == set()
    journal = installed.machine.sh("journalctl --no-pager --output=export --all")
    assert "tootstrap" in journal
    for name, secret in secrets.items():
        assert secret not in journal, f"{name} is in the journal"
        assert secret not in installation.console, f"{name} is on the console"
        assert secret not in installed.machine.console(), f"{name} is on the machine's console"


def test_none_is_in_a_file_that_others_may_read(installed: Bed, secrets: Mapping[str, str]) -> None:
    assert holders(installed.machine, PUBLIC, secrets) == set()


def test_none_is_on_a_command_line(installed: Bed, secrets: Mapping[str, str]) -> None:
    """Containers' processes included: they are in the machine's /proc."""
    running = installed.machine.sh("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'")
    assert "redis-server" in running and "postgres" in running
    assert [name for name, secret in secrets.items() if secret in running] == []


def test_the_first_passwords_are_in_the_two_files_that_keep_them(installed: Bed, secrets: Mapping[str, str]) -> None:
    """Above all not in what Docker and containerd remember of containers that are gone."""
    user = FORM["user_name"]
    first = {name: secrets[name] for name in ("owner_password", user)}
    kept = {(name, path) for name in first for path in ("/etc/tootstrap/secrets.toml", f"/home/{user}/.credentials")}
    assert holders(installed.machine, EVERYTHING, first) == kept


def test_the_api_token_is_nowhere_on_the_disk(installed: Bed) -> None:
    assert holders(installed.machine, EVERYTHING, {"API token": TOKEN}) == set()


@pytest.mark.parametrize(
    ("path", "access"),
    [
        ("/etc/tootstrap", "700 root:root"),
        ("/etc/tootstrap/secrets.toml", "600 root:root"),
        ("/etc/tootstrap/settings.toml", "600 root:root"),
        ("/opt/mastodon/secrets.env", "600 root:root"),
        ("/opt/mastodon/postgres/secret", "700 70:70"),
        ("/opt/mastodon/postgres/secret/password", "600 70:70"),
        ("/opt/mastodon/redis/conf/redis.conf", "600 999:1000"),
        (f"/home/{FORM['user_name']}/.credentials", f"600 {FORM['user_name']}:{FORM['user_name']}"),
    ],
)
def test_modes(installed: Bed, path: str, access: str) -> None:
    mode, owner = access.split()
    wanted = "%a %u:%g" if owner[0].isdigit() else "%a %U:%G"
    assert installed.machine.sh(f"stat -c '{wanted}' {path}").strip() == f"{mode} {owner}"
