"""What a bed leaves on the host, found without the bed's own records: for the tests of its removal."""

from __future__ import annotations

import json
from pathlib import Path

from . import cgroup
from .layout import Layout
from .sh import output


def traces(name: str) -> dict[str, list[str]]:
    """Everything on the host that belongs to the bed `name`, by kind; only kinds that have something."""
    layout = Layout(name)
    netns = [entry["name"] for entry in json.loads(output(["ip", "-j", "netns", "list"]) or "[]")]
    rules = [line for table in ("nat", "filter", "mangle") for line in output(["iptables", "-w", "-t", table, "-S"]).splitlines()]
    found = {
        "namespaces": [entry for entry in netns if entry.startswith(f"{name}-")],
        "links": [line for line in output(["ip", "-o", "link"]).splitlines() if f"{layout.uplink}@" in line],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if str(layout.run) in line],
        "loops": [line for line in output(["losetup", "-l", "-n"]).splitlines() if str(layout.run) in line or str(layout.store_file) in line],
        "swap": [line for line in Path("/proc/swaps").read_text().splitlines() if "swapfile" in line],
        "cgroups": [str(path) for path in cgroup.ROOT.rglob(layout.cgroup)],
        "iptables": [line for line in rules if layout.rule_comment in line],
        "files": [str(path) for path in (layout.run, layout.store_file, Path("/etc/netns") / layout.cli) if path.exists()],
        "processes": [line for line in output(["ps", "-eo", "pid,args"]).splitlines() if str(layout.run) in line or f"testbed.supervisor {name}" in line],
    }
    return {kind: items for kind, items in found.items() if items}
