"""The contract of the official PostgreSQL image (https://hub.docker.com/_/postgres), asked of our double."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .containers import HARDENED, Container, container, eventually, run_once

DATA = "/var/lib/postgresql/data"
LOCALE = (
    "POSTGRES_INITDB_ARGS=--encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8"
    " --lc-collate=C --lc-ctype=C.UTF-8"
)
"""Which initdb arguments the product gives: design.md §1."""


def ready(server: Container) -> bool:
    return server.exec("pg_isready", "-h", "127.0.0.1").returncode == 0


def query(server: Container, sql: str, user: str = "mastodon", password: str = "se cret") -> str:
    url = f"host=127.0.0.1 user={user} dbname=mastodon_production"
    return server.output("psql", "-XAtc", sql, url, options=(f"--env=PGPASSWORD={password}",))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pgdata") / "17"


@pytest.fixture(scope="module")
def server(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A database initialised as the product has it done, with two init scripts, the first of them slow."""
    data.mkdir()
    scripts = tmp_path_factory.mktemp("initdb")
    (scripts / "10.sh").write_text("sleep 2; pg_isready -h 127.0.0.1 || echo no TCP while initialising\n")
    (scripts / "20.sql").write_text("CREATE TABLE made_by_script (n int);\n")
    scripts.chmod(0o755)
    password = scripts.parent / "pgpassword"
    password.write_text("se cret\n")
    options = ["--network=none", f"--volume={data}:{DATA}", f"--volume={scripts}:/docker-entrypoint-initdb.d:ro",
               f"--volume={password}:/run/secrets/db:ro", "--env=POSTGRES_PASSWORD_FILE=/run/secrets/db",
               "--env=POSTGRES_USER=mastodon", "--env=POSTGRES_DB=mastodon_production", f"--env={LOCALE}"]
    with container("postgres", *options, command=("postgres", "-c", "max_connections=42")) as running:
        eventually(lambda: "init process complete" in running.logs(), 30)
        eventually(lambda: ready(running))
        yield running


def test_refuses_an_empty_directory_without_password() -> None:
    refused = run_once("postgres", "--network=none")
    assert refused.returncode == 1
    assert refused.stdout.startswith(
        "Error: Database is uninitialized and superuser password is not specified.\n"
        "       You must specify POSTGRES_PASSWORD to a non-empty value for the\n"
    )


def test_refuses_a_password_given_twice() -> None:
    refused = run_once("postgres", "--network=none", "--env=POSTGRES_PASSWORD=a", "--env=POSTGRES_PASSWORD_FILE=/b")
    assert refused.returncode == 1
    assert "error: both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set (but are exclusive)" in refused.stdout


def test_data_belongs_to_uid_70(server: Container, data: Path) -> None:
    assert (data.stat().st_uid, data.stat().st_mode & 0o7777) == (70, 0o700)
    version = data / "PG_VERSION"
    assert version.read_text() == "17\n"
    assert (version.stat().st_uid, version.stat().st_gid) == (70, 70)


def test_server_has_dropped_root(server: Container) -> None:
    status = server.output("cat", "/proc/1/status")
    assert "Name:\tpostgres\n" in status
    assert "Uid:\t70\t70\t70\t70\n" in status


def test_database_and_superuser_have_the_names_asked_for(server: Container) -> None:
    assert query(server, "SELECT current_database(), rolsuper FROM pg_roles WHERE rolname = current_user") == (
        "mastodon_production|t"
    )


def test_arguments_reach_the_server(server: Container) -> None:
    assert query(server, "SHOW max_connections") == "42"


def test_network_clients_need_the_password(server: Container) -> None:
    """initdb itself trusts loopback, so the question is asked from another address."""
    server.add_address("198.51.100.99/32")
    url = "host=198.51.100.99 user=mastodon dbname=mastodon_production"
    wrong = server.exec("psql", "-c", "SELECT 1", url, options=("--env=PGPASSWORD=wrong",))
    assert wrong.returncode == 2
    assert 'password authentication failed for user "mastodon"' in wrong.stdout
    assert server.output("psql", "-XAtc", "SELECT 1", url, options=("--env=PGPASSWORD=se cret",)) == "1"
    assert server.output("cat", f"{DATA}/pg_hba.conf").endswith("\nhost all all all scram-sha-256")


def test_init_scripts_ran_before_tcp_was_open(server: Container) -> None:
    assert "no TCP while initialising" in server.logs()
    assert query(server, "SELECT count(*) FROM made_by_script") == "0"


def test_locale_knows_case_beyond_ascii(server: Container) -> None:
    """facts/debian.md, PostgreSQL's locale, last row."""
    assert query(server, "SELECT lower('ÉMILE ПРИВЕТ'), 'ÉMILE' ILIKE 'émile'") == "émile привет|t"
    assert query(server, "SELECT to_tsvector('simple', 'ÉMILE') @@ to_tsquery('simple', 'émile')") == "t"
    assert query(server, "SHOW server_encoding") == "UTF8"


def test_second_start_keeps_the_data_and_stops_fast(server: Container, data: Path) -> None:
    query(server, "CREATE TABLE kept AS SELECT 7 AS n")
    assert server.stop() < 8, "SIGINT is a fast shutdown"
    assert server.exit_status() == 0
    with container("postgres", "--network=none", f"--volume={data}:{DATA}") as again:
        eventually(lambda: ready(again))
        assert "PostgreSQL Database directory appears to contain a database; Skipping initialization" in again.logs()
        assert query(again, "SELECT n FROM kept") == "7"


def test_runs_hardened_as_user_70(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 70, 70)
    options = [*HARDENED, "--user=70:70", f"--volume={data}:{DATA}", "--tmpfs=/tmp",
               "--tmpfs=/run/postgresql:mode=1777", "--env=POSTGRES_PASSWORD=x"]
    with container("postgres", *options) as running:
        eventually(lambda: "init process complete" in running.logs(), 30)
        eventually(lambda: ready(running))
        assert running.output("psql", "-XAtU", "postgres", "-c", "SHOW data_directory") == DATA


def test_starts_as_root_with_only_the_capabilities_it_needs(tmp_path: Path) -> None:
    """To give the directory away and to drop root: CHOWN, DAC_READ_SEARCH, FOWNER, SETUID, SETGID."""
    needed = [f"--cap-add={name}" for name in ("CHOWN", "DAC_READ_SEARCH", "FOWNER", "SETUID", "SETGID")]
    (tmp_path / "data").mkdir()
    options = [*HARDENED, *needed, f"--volume={tmp_path}/data:{DATA}", "--tmpfs=/tmp",
               "--tmpfs=/run/postgresql:mode=1777", "--env=POSTGRES_PASSWORD=x"]
    with container("postgres", *options) as running:
        eventually(lambda: "init process complete" in running.logs(), 30)
        eventually(lambda: ready(running))
        assert "Uid:\t70\t70\t70\t70\n" in running.output("cat", "/proc/1/status")
