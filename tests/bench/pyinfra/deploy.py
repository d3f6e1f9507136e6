"""The host part of what `tootstrap install --harden` makes, with pyinfra: packages, files, user, services, firewall. No DNS, no containers."""

import json
from pathlib import Path

from pyinfra.operations import apt, files, server, systemd

STATE = Path("/opt/bench/state")
state = json.loads((STATE / "state.json").read_text())


def owned(item):
    """Owner and mode. pyinfra compares names: a number without one, that of a container's user, it sets each time."""
    name = {0: "root"}
    return {"user": name.get(item["uid"], str(item["uid"])), "group": name.get(item["gid"], str(item["gid"])), "mode": item["mode"]}


def put(item):
    """One file of the state."""
    return files.put(name=item["path"], src=str(STATE / "files" / item["path"].lstrip("/")), dest=item["path"], **owned(item))


apt.packages(name="Packages that the others need", packages=["ca-certificates", "curl", "sudo"], update=True, cache_time=3600)
for item in state["directories"]:
    files.directory(name=item["path"], path=item["path"], present=True, **owned(item))
placed = {item["path"]: put(item) for item in state["files"]}
apt.update(name="Docker's repository is read", _if=placed["/etc/apt/sources.list.d/docker.list"].did_change)
apt.packages(name="Packages", packages=state["packages"], no_recommends=True)
apt.dist_upgrade(name="Upgrade")
server.hostname(name="Hostname", hostname=state["hostname"])
files.line(name="Hosts", path="/etc/hosts", line=r"^127\.0\.1\.1.*", replace=f"127.0.1.1 {state['site']} {state['hostname']}")
server.user(name="Sudo user", user=state["user"], groups=["sudo"], append=True, shell="/bin/bash", ensure_home=True, password=state["user_password"])
files.directory(name="Home", path=f"/home/{state['user']}", mode="0700")
systemd.service(name="SSH", service="ssh", reloaded=True, _if=placed["/etc/ssh/sshd_config.d/00-tootstrap.conf"].did_change)
for port in ("22/tcp", "80/tcp", "443/tcp", "443/udp"):
    server.shell(name=f"Port {port}", commands=[f"ufw status | grep -q '^{port} ' || ufw allow {port}"])
server.shell(name="Firewall", commands=["ufw status | grep -q 'Status: active' || ufw --force enable"])
systemd.daemon_reload(name="Units", _if=placed["/etc/systemd/system/tootstrap-metadata.service"].did_change)
for unit in ("docker", "fail2ban", "tootstrap-metadata"):
    systemd.service(name=unit, service=unit, running=True, enabled=True)
systemd.service(name="Jail", service="fail2ban", restarted=True, _if=placed["/etc/fail2ban/jail.d/tootstrap.conf"].did_change)
