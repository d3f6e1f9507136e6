"""Taking the server away and bringing it back; taking it away with everything."""

from __future__ import annotations

from harness import wait_healthy
from product import DONE, REFUSED, STEP_FAILED, UPLOADED, Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.checks import HTTP3
from testbed.demo import FORM
from testbed.machine import Machine
from testbed.verify import credentials, psql, verify

#: Everything that is ours to remove.
LEFT = "find /opt/mastodon /etc/tootstrap /var/lib/tootstrap /var/log/tootstrap.log /usr/local/bin -type f 2>/dev/null || true"

ACCOUNTS = "SELECT a.id, a.username, a.public_key, u.email FROM accounts a LEFT JOIN users u ON u.account_id = a.id ORDER BY a.id"
PASSWORDS = "SELECT email, encrypted_password FROM users ORDER BY id"


def test_an_uninstalled_server_comes_back_with_the_same_accounts(pristine: Bed) -> None:
    machine, product = pristine.machine, Product(pristine.machine)
    accounts, passwords = psql(machine, ACCOUNTS), psql(machine, PASSWORDS)
    secrets = machine.get("/etc/tootstrap/secrets.toml")

    refused = product.plain("uninstall")
    assert refused.status == REFUSED and f"--yes {where.SITE}" in refused.words, refused.text
    wrong = product.plain("uninstall", "--yes", where.DOMAIN)
    assert wrong.status == REFUSED and "not the domain of this server" in wrong.words and "done nothing was changed" in wrong.words, wrong.text
    shown = product.plain("uninstall", "--dry-run")
    assert shown.status == DONE, shown.text
    for part in ("stop and remove container mastodon-web-1", "remove /opt/mastodon/secrets.env", "Left as it is:", "/etc/tootstrap"):
        assert part in shown.text, shown.text
    assert "/opt/mastodon/postgres/17" not in shown.text
    wait_healthy(pristine)
    assert product.plan().status == DONE, "neither refusals nor a preview remove anything"

    machine.put("/opt/mastodon/custom.env", "RAILS_LOG_LEVEL=warn\n")
    gone = product.plain("uninstall", "--yes", where.SITE)
    assert gone.status == DONE, gone.text[-3000:]
    for part in ("ada may be the only way in", "docker-ce", "of social.fedi-test.org at Linode", "/opt/mastodon/custom.env"):
        assert part in gone.text, gone.text[-3000:]
    assert machine.sh("docker ps -aq; docker images -q; docker network ls -q --filter label=com.docker.compose.project=mastodon") == ""
    left = machine.sh("cd /opt/mastodon; find . -maxdepth 2 -mindepth 2 | sort").split()
    assert left == ["./caddy/custom", "./caddy/data", "./postgres/17", "./public/system", "./redis/data"], left
    assert machine.get("/etc/tootstrap/secrets.toml") == secrets
    assert machine.sh("ls /etc/systemd/system | grep -c '^tootstrap' || true").strip() == "0"
    assert "80/tcp" not in machine.sh("ufw show added") and "22/tcp" in machine.sh("ufw show added")
    again = product.plain("uninstall", "--yes", where.SITE)
    assert again.status == DONE and "Nothing to change" in again.text, again.text
    assert product.plain("status").status != DONE

    back = product.install()
    assert back.status == DONE, back.explained()
    wait_healthy(pristine)
    assert (psql(machine, ACCOUNTS), psql(machine, PASSWORDS)) == (accounts, passwords)
    assert machine.get("/etc/tootstrap/secrets.toml") == secrets
    still = product.plan()
    assert (still.status, still.differing()) == (DONE, set()), still.explained()
    failed = [str(outcome) for outcome in verify(pristine, FORM) if not outcome.ok and outcome.title != HTTP3]
    assert not failed, "\n".join(failed)

    # With its data only what is the owner's stays, and a last dump, in which also whoever signed up meanwhile is.
    accounts, passwords = psql(machine, ACCOUNTS), psql(machine, PASSWORDS)
    machine.sh(f"cp {product.program} {UPLOADED}")
    uploaded = Product(machine, UPLOADED)
    deleted = uploaded.plain("uninstall", "--delete-data", "--yes", where.SITE)
    assert deleted.status == DONE, deleted.text[-3000:]
    assert machine.sh(LEFT).split() == ["/opt/mastodon/custom.env"]
    assert "Owner Password" not in machine.sh("cat /home/ada/.credentials") and "Sudo Password" in machine.sh("cat /home/ada/.credentials")
    for part in ("Docker's package source", "/etc/docker/daemon.json", "hostname", "gone for ever: pictures, videos"):
        assert part in deleted.text, deleted.text[-3000:]

    restore(machine)
    wait_healthy(pristine)
    assert psql(machine, ACCOUNTS) == accounts
    renewed = [after[0] for before, after in zip(passwords, psql(machine, PASSWORDS), strict=True) if before != after]
    assert renewed == [credentials(machine, "ada")["Owner Email"]], "the owner's password is new, and nobody else's"
    assert machine.get("/etc/tootstrap/secrets.toml") == secrets
    failed = [str(outcome) for outcome in verify(pristine, FORM) if not outcome.ok and outcome.title != HTTP3]
    assert not failed, "\n".join(failed)

    # Leaving for good, as it is proposed: other servers are told first, here by Mastodon's stand-in, which knows none.
    leaving = machine.run(["tootstrap", "tootctl", "self-destruct"], input=f"{where.SITE}\ny\n", timeout=120)
    assert b"You can shut it down and delete it any time" in leaving.stdout, leaving
    assert psql(machine, "SELECT username FROM accounts WHERE domain IS NULL AND suspended_at IS NULL") == []

    # Where no dump can be made, nothing is deleted unless that is said.
    assert uploaded.plain("uninstall", "--yes", where.SITE).status == DONE
    refused = uploaded.plain("uninstall", "--delete-data", "--yes", where.SITE)
    flowing = " ".join(refused.text.split())
    assert refused.status == STEP_FAILED and "the database has no container" in flowing, refused.text[-3000:]
    assert "sudo tootstrap uninstall --delete-data --without-dump" in flowing, refused.text[-3000:]
    assert machine.sh("cat /opt/mastodon/postgres/17/PG_VERSION").strip() == "17"
    last = uploaded.plain("uninstall", "--delete-data", "--without-dump", "--yes", where.SITE)
    assert last.status == DONE, last.text[-3000:]
    assert machine.sh(LEFT).split() == ["/opt/mastodon/custom.env"]


def restore(machine: Machine) -> None:
    """The dump is root's alone, and its README's own commands bring the server back."""
    directory = machine.sh("ls -d /var/backups/tootstrap/*").strip()
    modes = machine.sh(f"stat -c '%a %U %n' /var/backups/tootstrap {directory} {directory}/*").splitlines()
    assert all(line.split()[:2] in (["700", "root"], ["600", "root"]) for line in modes), modes
    names = {line.split("/")[-1] for line in modes}
    assert {"mastodon.dump", "secrets.toml", "settings.toml", "README.txt", "complete"} <= names, modes
    told = machine.get(f"{directory}/README.txt").decode().split("in this directory:")[1]
    commands = [line[4:] for line in told.splitlines() if line.startswith("    ")]
    assert commands[-1] == "tootstrap tootctl feeds build"
    machine.sh(f"install -m 755 {UPLOADED} /usr/local/bin/tootstrap")
    machine.sh("set -eu\n" + f"cd {directory}\n" + "\n".join(commands), timeout=900)
