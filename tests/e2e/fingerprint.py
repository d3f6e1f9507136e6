"""What must be the same before and after a run that changes nothing, as comparable text."""

from __future__ import annotations

from testbed.machine import Machine

#: Data directories of the containers below /opt/mastodon: they live.
DATA = ("postgres", "redis", "public", "caddy/data", "caddy/config", "caddy/run", "caddy/admin")

#: Names, types, modes, owners, sizes, modification times, link targets and contents: a file that was rewritten with the same bytes shows.
FILES = r"""
find /etc /root /home /usr /boot -xdev -path /usr/lib/testbed -prune -o -printf '%p %y %m %U:%G %s %T@ %l\n'
find /etc /root /home /boot /usr/local -xdev -type f -exec sha256sum {} +
"""

FIREWALL = r"""
for program in iptables-save ip6tables-save; do
    if command -v $program >/dev/null; then $program 2>/dev/null | sed 's/ \[[0-9]*:[0-9]*\]//; /^#/d'; fi
done
"""

CONTAINERS = r"""
if command -v docker >/dev/null; then
    docker ps -aq --no-trunc | sort | xargs -r docker inspect -f '{{.Id}} {{.Name}} {{.State.StartedAt}} {{.RestartCount}}'
fi
"""

CRONTABS = r"""find /var/spool/cron -type f -exec sha256sum {} + 2>/dev/null || true"""


def fingerprint(machine: Machine) -> dict[str, list[str]]:
    """By kind, as sorted lines."""
    data = " -o ".join(f"-path /opt/mastodon/{name}" for name in DATA)
    project = f"[ ! -d /opt/mastodon ] || find /opt/mastodon \\( {data} \\) -prune -o -printf '%p %y %m %U:%G %s %T@ %l\\n'"
    scripts = {
        "files": FILES,
        "project": project,
        "firewall": FIREWALL,
        "containers": CONTAINERS,
        "crontabs": CRONTABS,
        "packages": "dpkg-query -W",
        "units": "systemctl list-unit-files --no-legend --no-pager",
    }
    return {kind: sorted(machine.sh(script).splitlines()) for kind, script in scripts.items()}


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> str:
    """Lines that came and went; empty when nothing did."""
    lines = []
    for kind, old in before.items():
        new = after[kind]
        lines += [f"{kind}: - {line}" for line in sorted(set(old) - set(new))]
        lines += [f"{kind}: + {line}" for line in sorted(set(new) - set(old))]
    return "\n".join(lines[:60])
