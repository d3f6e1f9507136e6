"""The host part of what `tootstrap install --harden` makes, with pyinfra: packages, files, user, services, firewall. No DNS, no containers."""

import json
from pathlib import Path

from pyinfra.operations import apt, files, server, systemd

STATE = Path("/opt/bench/state")
state = json.loads((STATE / "state.json").read_text())

apt.packages(name="Packages that the others need", packages=["ca-certificates", "curl", "sudo"], update=True, cache_time=3600)
for item in state["directories"]:
    files.directory(name=item["path"], path=item["path"], present=True, mode=item["mode"], user=str(item["uid"]), group=str(item["gid"]))
placed = []
for item in state["files"]:
    placed.append(files.put(name=item["path"], src=str(STATE / "files" / item["path"].lstrip("/")), dest=item["path"], mode=item["mode"], user=str(item["uid"]), group=str(item["gid"]), create_remote_dir=True))
repository = next(done for item, done in zip(state["files"], placed, strict=True) if item["path"].endswith("docker.list"))
apt.update(name="Docker's repository is read", _if=repository.did_change)
apt.packages(name="Packages", packages=state["packages"], no_recommends=True)
server.hostname(name="Hostname", hostname=state["hostname"])
files.line(name="Hosts", path="/etc/hosts", line=r"^127\.0\.1\.1.*", replace=f"127.0.1.1 {state['site']} {state['hostname']}")
server.user(name="Sudo user", user=state["user"], groups=["sudo"], append=True, shell="/bin/bash", ensure_home=True)
for port in ("22/tcp", "80/tcp", "443/tcp", "443/udp"):
    server.shell(name=f"Port {port}", commands=[f"ufw status | grep -q '^{port} ' || ufw allow {port}"])
server.shell(name="Firewall", commands=["ufw status | grep -q 'Status: active' || ufw --force enable"])
for unit in ("docker", "fail2ban", "tootstrap-metadata"):
    systemd.service(name=unit, service=unit, running=True, enabled=True, daemon_reload=True)
