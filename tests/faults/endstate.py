"""Is a machine, after a fault and a later run, what an undisturbed installation makes of it?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fingerprint import DATA
from product import DONE, Product
from testbed import layout as where
from testbed.bed import Bed
from testbed.checks import HTTP3
from testbed.demo import FORM
from testbed.machine import Machine
from testbed.verify import verify

#: What differs from one installation to the next without being a difference: caches, logs, generated keys, backups of times, and the locks of
#: a useradd that was killed, which name its process: the next program of its kind takes over those of a dead one.
IGNORED = re.compile(
    r"^/(etc/(ssh/ssh_host_|machine-id|\.pwd\.lock|(passwd|group|shadow|gshadow|subuid|subgid)\.(lock|[0-9]+) |[a-z]+- |alternatives/|ssl/certs/|ld\.so\.cache|docker/key\.json)"
    r"|root/\.(bash_history|lesshst|wget-hsts)|usr/(share/mime|lib/python|share/man|share/icons|lib/testbed|lib/locale))"
)

TREES = "find /etc /root /home /usr/local /opt/mastodon /boot -xdev {prune} -printf '%p %y %m %U:%G\\n'"


@dataclass(frozen=True)
class EndState:
    """By kind, sorted lines that every finished installation of the same form has in common."""

    kinds: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, machine: Machine) -> "EndState":
        prune = "\\( " + " -o ".join(f"-path /opt/mastodon/{name}" for name in DATA) + " \\) -prune -o"
        scripts = {
            "files": TREES.format(prune=prune),
            "packages": "dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n'",
            "enabled units": "systemctl list-unit-files --state=enabled --no-legend --no-pager",
            "accounts": "getent passwd | cut -d: -f1,3,6,7; getent group; cut -d: -f1 /etc/subuid /etc/subgid",
            "containers": "docker ps -a --format '{{.Names}} {{.Image}} {{.State}}'",
            "firewall": "ufw status | sed 's/ *$//'",
            "cron": "find /var/spool/cron /etc/cron.d -type f",
        }
        found = {kind: machine.sh(script).splitlines() for kind, script in scripts.items()}
        found["files"] = [line for line in found["files"] if not IGNORED.match(line)]
        return cls({kind: tuple(sorted(lines)) for kind, lines in found.items()})

    def difference(self, other: "EndState") -> str:
        """Lines that only one of both has; empty when there are none."""
        lines = []
        for kind, mine in self.kinds.items():
            theirs = other.kinds[kind]
            lines += [f"{kind}: only undisturbed: {line}" for line in sorted(set(mine) - set(theirs))]
            lines += [f"{kind}: only disturbed: {line}" for line in sorted(set(theirs) - set(mine))]
        return "\n".join(lines[:60])


def identity(machine: Machine) -> dict[str, bytes]:
    """What must never change once it exists: secrets, and accounts with their posts. Missing files are absent."""
    files = ("/etc/tootstrap/secrets.toml",)
    return {path: machine.get(path) for path in files if machine.exists(path)}


def good(bed: Bed, form: dict[str, str] | None = None, v6: str | None = where.MACHINE_V6, *, http3: bool = True) -> None:
    """Everything that a client can check is good. `v6`: None where the machine has no IPv6.

    `http3`: False after a reload of Caddy. The bed's 2.6 goes on serving over QUIC what it had before (caddyserver/caddy#4849, cured in 2.7), which
    is nothing where the certificate arrived since.
    """
    outcomes = verify(bed, form or FORM, show=lambda _text: None, v6=v6)
    failed = [str(outcome) for outcome in outcomes if not outcome.ok and (http3 or outcome.title != HTTP3)]
    assert not failed, "\n".join(failed)


def nothing_to_do(product: Product) -> None:
    run = product.plan()
    assert (run.status, run.differing()) == (DONE, set()), run.explained()
