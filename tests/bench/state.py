"""The state that the other tools are to reach: taken from a machine that tootstrap has installed, so that it is the same, secrets included.

It lies in the machine under /opt/bench/state: `files/` is a tree as on the machine, `state.json` says whose everything is.
"""

from __future__ import annotations

import json
import shlex

from testbed import layout as where
from testbed.demo import FORM
from testbed.machine import Machine

DIRECTORY = "/opt/bench"
STATE = f"{DIRECTORY}/state"
ARCHIVE = f"{DIRECTORY}/state.tar"

#: Files and directories that the tools place. What needs the agent itself (status, resuming) is ours alone.
PLACED = (
    *("/etc/docker", "/etc/apt/keyrings", "/etc/apt/sources.list.d/docker.list"),
    *("/etc/ssh/sshd_config.d/00-tootstrap.conf", "/etc/fail2ban/jail.d/tootstrap.conf", "/etc/apt/apt.conf.d/20auto-upgrades"),
    *("/etc/systemd/system/tootstrap-metadata.service", "/opt/mastodon"),
)
#: Grown by the services, not placed.
GROWN = ("/opt/mastodon/postgres/17/", "/opt/mastodon/redis/data/", "/opt/mastodon/caddy/data/", "/opt/mastodon/caddy/config/", "/opt/mastodon/caddy/run/")
PACKAGES = (
    *("ca-certificates", "sudo", "pigz", "fail2ban", "python3-systemd", "unattended-upgrades", "ufw"),
    *("docker-ce", "docker-ce-cli", "containerd.io", "docker-compose-plugin"),
)

COLLECT = """\
find {placed} -type f -o -type d | grep -v -e '\\.former' -e '/\\.' -e '^/etc/docker/key.json$' {grown} | while read -r path; do
    stat --format '%F|%a|%u|%g|%n' "$path"
done
"""

#: `files.tar` for who wants all at once, with owners; `files/` for who looks at each.
COPY = f"""
tar -cf {STATE}/files.tar -C / --no-recursion --files-from -
mkdir {STATE}/files
tar -xf {STATE}/files.tar -C {STATE}/files
tar -cf {ARCHIVE} -C {DIRECTORY} state
cat {ARCHIVE}
rm -rf {DIRECTORY}
"""


def collect(machine: Machine) -> bytes:
    """From an installed machine: the archive that `place` unpacks."""
    grown = " ".join(f"-e {shlex.quote('^' + path)}" for path in GROWN)
    listing = machine.sh(COLLECT.format(placed=" ".join(PLACED), grown=grown))
    entries = [line.split("|", 4) for line in listing.splitlines()]
    items = [{"kind": kind, "mode": f"0{mode}", "uid": int(uid), "gid": int(gid), "path": path} for kind, mode, uid, gid, path in entries]
    files = [item for item in items if item["kind"].startswith("regular")]
    shadow = machine.sh(f"getent shadow {FORM['user_name']}").split(":")[1]
    state = {
        "directories": sorted((item for item in items if item["kind"] == "directory"), key=lambda item: item["path"]),
        "files": files,
        "packages": list(PACKAGES),
        "user": FORM["user_name"],
        "user_password": shadow,
        "hostname": FORM["subdomain"],
        "owner": FORM["owner_username"],
        "owner_email": FORM["owner_email"],
        "contact": FORM["soa_email_address"],
        "site": where.SITE,
        "domain": where.DOMAIN,
        "subdomain": where.SUBDOMAIN,
        "address4": where.MACHINE_V4,
        "address6": where.MACHINE_V6,
    }
    machine.put(f"{STATE}/state.json", json.dumps(state, indent=1), 0o600)
    names = "".join(item["path"].lstrip("/") + "\n" for item in items)
    return machine.run(["sh", "-ec", COPY], input=names).stdout


def place(machine: Machine, archive: bytes) -> None:
    """Puts it onto another machine."""
    machine.put(ARCHIVE, archive, 0o600)
    machine.run(["tar", "-xf", ARCHIVE, "-C", DIRECTORY])


#: Prints what is not as it was there; when the tools wrote something does not count.
COMPARE = f"""
tar --compare --numeric-owner --file {STATE}/files.tar --directory / 2>&1 | grep -v ': Mod time differs$' || true
for package in {{packages}}; do
    [ "$(dpkg-query -W -f '${{{{db:Status-Abbrev}}}}' "$package" 2>&1)" = 'ii ' ] || echo "$package is not installed"
done
[ "$(hostname)" = {{hostname}} ] || echo "the host is called $(hostname)"
id -nG {{user}} | grep -qw sudo || echo "{{user}} has no sudo"
for unit in docker fail2ban tootstrap-metadata; do systemctl is-active --quiet "$unit" || echo "$unit does not run"; done
for port in 22/tcp 80/tcp 443/tcp 443/udp; do ufw status | grep -q "^$port .*ALLOW" || echo "$port is not open, or no firewall"; done
"""
#: Where containers are part of it.
SERVES = """
for service in caddy db redis web streaming sidekiq; do
    docker compose --project-directory /opt/mastodon ps --format '{{.State}}' "$service" | grep -q running || echo "$service does not run"
done
[ "$(docker compose --project-directory /opt/mastodon exec -T db psql -U mastodon -d mastodon -tAc 'SELECT count(*) FROM users')" = 1 ] || echo "no owner"
"""


def differences(machine: Machine, containers: bool) -> list[str]:
    """What a tool did not reach of the state that was placed for it; empty: it is the same."""
    script = COMPARE.format(packages=" ".join(PACKAGES), hostname=FORM["subdomain"], user=FORM["user_name"])
    return machine.sh(script + (SERVES if containers else "")).splitlines()
