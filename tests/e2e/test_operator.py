"""What an operator does to a server that runs: other answers, a run that is killed."""

from __future__ import annotations

import pytest
from harness import wait_healthy
from product import DONE, REFUSED, STEP_FAILED, Product
from remote import Key, Ssh
from testbed import layout as where
from testbed.bed import Bed
from testbed.demo import FORM
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
    out, err = (part.decode() for part in running.communicate(timeout=60))
    assert running.returncode == STEP_FAILED, out + err
    for part in ("the work was interrupted", "tootstrap-work.service", "status=9/KILL", "what is done is done", "sudo tootstrap install"):
        assert part in err, f"{part!r} is not in:\n{err}"
    assert machine.sh("dpkg-query -W -f '${Status}' fail2ban") != "install ok installed", "it was not killed in the middle"

    again = tootstrap.install()
    assert again.status == DONE, again.explained()
    assert machine.sh("dpkg-query -W -f '${Status}' fail2ban") == "install ok installed"
    assert machine.sh("dpkg --audit") == ""
    assert machine.sh("systemctl is-active fail2ban").strip() == "active"
    still = tootstrap.plan()
    assert (still.status, still.differing()) == (DONE, set()), still.explained()


@pytest.fixture(scope="module")
def ssh(installed: Bed, key: Key) -> Ssh:
    """Root and the sudo user accept the key."""
    key.authorize(installed.machine, "root", ADA)
    return Ssh(installed, key)


def test_root_is_locked_out_only_when_asked_for(installed: Bed, tootstrap: Product, ssh: Ssh) -> None:
    assert (ssh.login("root"), ssh.login(ADA)) == ("root", ADA)
    run = tootstrap.install(env={"DISABLE_ROOT": "Yes"})
    assert run.status == DONE, run.explained()
    assert (ssh.login("root"), ssh.login(ADA)) == ("", ADA)
    wait_healthy(installed)
    kept = tootstrap.install()
    assert (kept.status, kept.differing()) == (DONE, set()), "the answer was not remembered: " + kept.explained()
