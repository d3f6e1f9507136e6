"""What an operator does to a server that runs: other answers, a run that is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import wait_healthy
from product import DONE, REFUSED, STILL_WAITING, Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.sh import run
from testbed.verify import psql

ADA = FORM["user_name"]


def test_another_owner_is_refused_and_never_recorded(installed: Bed, tootstrap: Product) -> None:
    before = installed.machine.get("/etc/tootstrap/settings.toml")
    run = tootstrap.plain("install", env={"OWNER_USERNAME": "Bob"})
    assert run.status == REFUSED, run.text
    assert "owner_username" in run.text and '"Bob"' in run.text and FORM["owner_username"] in run.text, run.text
    assert installed.machine.get("/etc/tootstrap/settings.toml") == before
    assert psql(installed.machine, "SELECT count(*) FROM accounts WHERE lower(username) = 'bob'") == [["0"]]


def test_text_is_ordered_by_code_points(installed: Bed) -> None:
    query = "SELECT string_agg(name, ' ' ORDER BY name) FROM (VALUES ('é'), ('a'), ('Z'), ('z'), ('B'), ('É')) AS names (name)"
    assert psql(installed.machine, query) == [["B Z a z É é"]]


#: Ends the worker, and whatever it started, as soon as dpkg changes something: half a package stays behind.
KILL_IN_THE_MIDDLE = """
for _ in $(seq 3000); do
    if pgrep -f '[d]pkg.*--(unpack|configure)' >/dev/null; then
        exec systemctl kill --signal=KILL tootstrap-work.service
    fi
    sleep 0.01
done
echo 'dpkg never ran' >&2
exit 1
"""


def test_a_killed_run_is_completed_by_the_next(installed: Bed, tootstrap: Product) -> None:
    machine = installed.machine
    machine.run(["apt-get", "remove", "-y", "-q", "fail2ban"], env={"DEBIAN_FRONTEND": "noninteractive"})
    running = machine.popen([tootstrap.program, "install"], env={"LINODE_TOKEN": where.TOKEN})
    machine.sh(KILL_IN_THE_MIDDLE, timeout=60)
    out, err = running.communicate(timeout=60)
    assert running.returncode not in (DONE, REFUSED, STILL_WAITING), out + err
    assert machine.sh("dpkg-query -W -f '${Status}' fail2ban") != "install ok installed", "it was not killed in the middle"

    again = tootstrap.install()
    assert again.status == DONE, again.explained()
    assert machine.sh("dpkg-query -W -f '${Status}' fail2ban") == "install ok installed"
    assert machine.sh("dpkg --audit") == ""
    assert machine.sh("systemctl is-active fail2ban").strip() == "active"
    still = tootstrap.plan()
    assert (still.status, still.differing()) == (DONE, set()), still.explained()


@pytest.fixture(scope="module")
def key(installed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key that root and the sudo user accept."""
    file = tmp_path_factory.mktemp("ssh") / "key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)])
    script = (
        'install -d -m 700 -o "$1" -g "$1" "$2/.ssh"; cat >>"$2/.ssh/authorized_keys"; '
        'chown "$1:" "$2/.ssh/authorized_keys"; chmod 600 "$2/.ssh/authorized_keys"'
    )
    for name, home in (("root", "/root"), (ADA, f"/home/{ADA}")):
        installed.machine.run(["sh", "-ec", script, "key", name, home], input=file.with_suffix(".pub").read_text())
    return file


def login(bed: Bed, key: Path, name: str) -> str:
    """What `id -un` says after a login from the client; empty if sshd refuses it."""
    options = ["-F", "none", "-i", str(key)]
    for option in ("BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=10"):
        options += ["-o", option]
    done = bed.client.run(["ssh", *options, f"{name}@{where.MACHINE_V4}", "id", "-un"], check=False)
    assert done.returncode == 0 or "Permission denied" in done.stderr, done.stderr
    return done.stdout.strip()


def test_root_is_locked_out_only_when_asked_for(installed: Bed, tootstrap: Product, key: Path) -> None:
    assert (login(installed, key, "root"), login(installed, key, ADA)) == ("root", ADA)
    run = tootstrap.install(env={"DISABLE_ROOT": "Yes"})
    assert run.status == DONE, run.explained()
    assert (login(installed, key, "root"), login(installed, key, ADA)) == ("", ADA)
    wait_healthy(installed)
    kept = tootstrap.install()
    assert (kept.status, kept.differing()) == (DONE, set()), "the answer was not remembered: " + kept.explained()
