"""Where the secrets of an installed machine are, and where they are not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from harness import Installation
from searching import EVERYTHING, LOGS, PUBLIC, generated, holders
from testbed.bed import Bed
from testbed.demo import FORM

LEAVES_IT_AS_IT_WAS = True

TOKEN = FORM["token_password"]


@pytest.fixture(scope="module")
def secrets(installed: Bed) -> dict[str, str]:
    """By name: all that are generated, and the API token."""
    return generated(installed.machine) | {"API token": TOKEN}


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


def test_the_first_passwords_are_in_the_two_files_that_keep_them(installation: Installation) -> None:
    """Above all not in what Docker and containerd remember of containers that are gone. Asked right after the installation: later their
    pages may be overwritten by chance."""
    paths = ("/etc/tootstrap/secrets.toml", f"/home/{FORM['user_name']}/.credentials")
    assert installation.holders == {(name, path) for name in ("owner_password", FORM["user_name"]) for path in paths}


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
