"""A small machine with a past: 1 GB, sshd on another port, somebody's account, half a package, and under the site's name another server."""

from __future__ import annotations

import shlex

from testbed import layout as where
from testbed.bed import Bed
from testbed.machine import Machine

SSH_PORT = 2222
#: An ordinary account with a password and without sudo, which shall become the sudo user.
ADA, ADAS_PASSWORD = "ada", "the password that ada chose"
#: Who installs: an ordinary account that sudo asks for no password.
GRACE = "grace"

RELAY_PASSWORD = 're lay # pass$word ${HOME} "quoted"'

#: Settings that arrive as a file; the others arrive as flags and as a variable of the environment.
SETTINGS = f"""
domain = "{where.DOMAIN}"
subdomain = "{where.SUBDOMAIN}"
email = "hello@example.org"
owner = "Ada"
owner_email = "ada@example.org"
registrations = "approved"
sudo_user = "{ADA}"

[smtp]
server = "relay.example.org"
port = 465
"""
FILES = {"/root/more-settings.toml": SETTINGS, "/root/token": where.TOKEN + "\n", "/root/relay-password": RELAY_PASSWORD + "\n"}
VARIABLE = ("SMTP_LOGIN", "site@relay.example.org")
FLAGS = [
    *("--settings", "/root/more-settings.toml", "--linode-token-file", "/root/token", "--smtp-password-file", "/root/relay-password"),
    *("--smtp-from", "Ada and friends <noreply@example.org>", "--handle-domain", where.DOMAIN, "--harden"),
]
#: The same answers as a form, for the checks from the client.
FORM = {
    "domain": where.DOMAIN,
    "subdomain": where.SUBDOMAIN,
    "soa_email_address": "hello@example.org",
    "user_name": ADA,
    "handle_domain": where.DOMAIN,
}

#: The bare domain has a web site, and the site's name belongs to a server that answers.
RECORDS = [
    {"type": "A", "name": "", "target": where.FRONT_V4},
    {"type": "A", "name": where.SUBDOMAIN, "target": where.FRONT_V4},
    {"type": "MX", "name": "", "target": "mail.example.org", "priority": 10},
]
ZONE = {"soa_email": "somebody@example.org", "ttl_sec": 3600}


def curl_to_shell(*arguments: str) -> str:
    """The command of the README, as an ordinary user types it."""
    program = f"curl -fsSL https://get.tootstrap.example/install.sh | sudo {VARIABLE[0]}={VARIABLE[1]} sh -s --"
    return f"{program} {shlex.join(arguments)}"


def give_past(machine: Machine) -> None:
    """Of a machine that runs; its sshd listens on `SSH_PORT` since its boot."""
    machine.sh(f"useradd --create-home --shell /bin/bash {ADA}; useradd --create-home --shell /bin/bash {GRACE}")
    machine.run(["chpasswd"], input=f"{ADA}:{ADAS_PASSWORD}\n")
    machine.put("/etc/sudoers.d/grace", f"{GRACE} ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    for path, text in FILES.items():
        machine.put(path, text, 0o600)
    half_install(machine)


CONTROL = """\
Package: halfway
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: a package whose first configuration fails
"""
POSTINST = """\
#!/bin/sh
set -e
[ -e /var/lib/halfway ] || { touch /var/lib/halfway; echo 'not this time' >&2; exit 1; }
"""


def half_install(machine: Machine) -> None:
    """Leaves a package that is unpacked but not configured, as an interrupted upgrade does."""
    machine.put("/root/halfway/DEBIAN/control", CONTROL)
    machine.put("/root/halfway/DEBIAN/postinst", POSTINST, 0o755)
    machine.run(["dpkg-deb", "--build", "/root/halfway", "/root/halfway.deb"])
    assert machine.run(["dpkg", "--install", "/root/halfway.deb"], check=False).returncode != 0
    assert status(machine, "halfway") == "install ok half-configured"


def status(machine: Machine, package: str) -> str:
    return machine.run(["dpkg-query", "-W", "-f", "${Status}", package]).stdout.decode()


def give_zone(bed: Bed) -> None:
    """Published at once."""
    bed.services.control.set_publication_delay(0)
    bed.services.control.put_zone(where.DOMAIN, RECORDS, **ZONE)
