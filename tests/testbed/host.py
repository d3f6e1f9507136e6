"""What a bed changes in the root namespace: forwarding and NAT for its uplink. Undone by `release`, also from another process."""

from __future__ import annotations

import fcntl
import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .layout import Layout
from .sh import BedError, output, run

STATE = Path("/run/tootstrap-bed/host.json")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def default_device() -> str:
    """The device of the host's default route: NAT must name it, or it would hide the addresses inside the bed."""
    routes = json.loads(output(["ip", "-j", "-4", "route", "show", "default"]))
    if not routes:
        raise BedError("this host has no IPv4 default route: the machine needs Debian's mirror through it")
    return str(routes[0]["dev"])


def claim(layout: Layout) -> None:
    """Switches forwarding on (remembering what it was) and adds this bed's rules."""
    with _state() as state:
        state.setdefault("ip_forward", FORWARDING.read_text().strip())
        state["beds"] = sorted({*state.get("beds", []), layout.name})
        FORWARDING.write_text("1")
    for table, rule in _rules(layout):
        run(["iptables", "-w", "-t", table, "-I", *rule])


def release(layout: Layout) -> None:
    """Removes this bed's rules; the last bed restores forwarding."""
    for table in ("nat", "filter"):
        for rule in _present(layout, table):
            run(["iptables", "-w", "-t", table, "-D", *rule])
    with _state() as state:
        beds = [bed for bed in state.get("beds", []) if bed != layout.name]
        state["beds"] = beds
        if not beds and "ip_forward" in state:
            FORWARDING.write_text(state.pop("ip_forward"))


def _rules(layout: Layout) -> list[tuple[str, list[str]]]:
    mark = ["-m", "comment", "--comment", layout.rule_comment]
    return [
        ("nat", ["POSTROUTING", "-s", f"{layout.uplink_net}.0/30", "-o", default_device(), *mark, "-j", "MASQUERADE"]),
        ("filter", ["FORWARD", "-i", layout.uplink, *mark, "-j", "ACCEPT"]),
        ("filter", ["FORWARD", "-o", layout.uplink, *mark, "-j", "ACCEPT"]),
    ]


def _present(layout: Layout, table: str) -> list[list[str]]:
    lines = [shlex.split(line) for line in output(["iptables", "-w", "-t", table, "-S"]).splitlines()]
    return [words[1:] for words in lines if words[0] == "-A" and layout.rule_comment in words]


@contextmanager
def _state() -> Iterator[dict]:
    STATE.parent.mkdir(parents=True, exist_ok=True)
    with STATE.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        state = json.loads(file.read() or "{}")
        yield state
        file.seek(0)
        file.truncate()
        file.write(json.dumps(state))
