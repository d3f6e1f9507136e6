"""The network of one bed: router, machine and client, each in a namespace of its own (facts/testbed.md §0)."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from . import host, layout as where
from .layout import Layout
from .sh import output, run


class Network:
    """Made by `up`, in 0.2 s; deleting the namespaces deletes every link and address in them."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def up(self) -> None:
        host.claim(self.layout)
        self._router()
        self._client()
        self.plug_machine()

    def down(self) -> None:
        # By itself: the kernel removes what is in a deleted namespace some time later.
        run(["ip", "link", "delete", self.layout.uplink], check=False)
        for netns in (self.layout.vm, self.layout.cli, self.layout.rtr):
            self.delete(netns)
        host.release(self.layout)

    def plug_machine(self) -> None:
        """A namespace without history: a machine that lost power has no firewall rules and no docker0 (testbed.md §3)."""
        at = self.layout
        # By itself, as in `down`.
        run(["ip", "-n", at.rtr, "link", "delete", "vm"], check=False)
        self.delete(at.vm)
        self._namespace(at.vm)
        self._link(at.vm, "vm")
        self._address(at.rtr, "vm", (f"{where.MACHINE_GW_V4}/{where.MACHINE_PREFIX_V4}", f"{where.MACHINE_GW_V6}/64", *where.METADATA_ADDRESSES))
        self._endpoint(at.vm, f"{where.MACHINE_V4}/{where.MACHINE_PREFIX_V4}", where.MACHINE_V6, where.MACHINE_GW_V4, where.MACHINE_GW_V6)

    def delete(self, netns: str) -> None:
        """Ends what runs in `netns` (only the bed's own processes can) and removes it."""
        if exists(netns):
            # A namespace lives on while a process is in it; `down` has ended those before.
            run(["ip", "netns", "delete", netns])
        shutil.rmtree(Path("/etc/netns") / netns, ignore_errors=True)
        _remove_if_empty(Path("/etc/netns"))

    def _router(self) -> None:
        at, net = self.layout, self.layout.uplink_net
        self._namespace(at.rtr)
        mtu = str(_mtu(host.default_device()))
        run(["ip", "link", "add", at.uplink, "mtu", mtu, "type", "veth", "peer", "name", "up", "mtu", mtu, "netns", at.rtr])
        run(["ip", "address", "add", f"{net}.1/30", "dev", at.uplink])
        run(["ip", "link", "set", at.uplink, "up"])
        _batch(
            at.rtr,
            [
                f"address add {net}.2/30 dev up",
                "link set dev up up",
                f"route add default via {net}.1",
                # Documentation addresses of nobody: the network of the host may answer for anything. Not all of the machine's range
                # (layout.MACHINE_PREFIX_V4).
                *(f"route add unreachable {nobody}" for nobody in ("198.51.100.0/24", "203.0.113.128/25", "2001:db8::/32")),
                # On loopback, as not every kernel has dummy devices.
                *(f"address add {address} dev lo nodad" for address in where.SERVICE_ADDRESSES),
            ],
        )
        inside(at.rtr, ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
        inside(at.rtr, ["iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "up", "-j", "MASQUERADE"])
        # The host's uplink may carry less than 1500 bytes and Docker's bridge in the machine does not know.
        inside(at.rtr, "iptables -t mangle -A FORWARD -o up -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu".split())

    def _client(self) -> None:
        at = self.layout
        self._namespace(at.cli)
        self._link(at.cli, "cli")
        self._address(at.rtr, "cli", (f"{where.CLIENT_GW_V4}/24", f"{where.CLIENT_GW_V6}/64"))
        self._endpoint(at.cli, f"{where.CLIENT_V4}/24", where.CLIENT_V6, where.CLIENT_GW_V4, where.CLIENT_GW_V6)
        # `ip netns exec` shows this file to its command as /etc/resolv.conf.
        netns = Path("/etc/netns") / at.cli
        netns.mkdir(parents=True, exist_ok=True)
        (netns / "resolv.conf").write_text(f"nameserver {where.CLIENT_GW_V4}\n")

    def _namespace(self, netns: str) -> None:
        run(["ip", "netns", "add", netns])
        run(["ip", "-n", netns, "link", "set", "lo", "up"])

    def _link(self, netns: str, device: str) -> None:
        """A cable between `device` in the router and eth0 in `netns`."""
        rtr = self.layout.rtr
        run(["ip", "-n", rtr, "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", netns])

    def _address(self, netns: str, device: str, addresses: tuple[str, ...]) -> None:
        _batch(netns, [f"link set dev {device} up", *(_add(address, device) for address in addresses)])

    def _endpoint(self, netns: str, v4: str, v6: str, gateway4: str, gateway6: str) -> None:
        self._address(netns, "eth0", (v4, f"{v6}/64"))
        _batch(netns, [f"route add default via {gateway4}", f"route add ::/0 via {gateway6}"])


def exists(netns: str) -> bool:
    return any(entry["name"] == netns for entry in json.loads(output(["ip", "-j", "netns", "list"]) or "[]"))


def pids(netns: str) -> list[int]:
    """Every process in `netns`, those of nested PID namespaces included."""
    return [int(pid) for pid in output(["ip", "netns", "pids", netns]).split()] if exists(netns) else []


def inside(netns: str, argv: list[str]) -> str:
    return output(["ip", "netns", "exec", netns, *argv])


def _add(address: str, device: str) -> str:
    return f"address add {address} dev {device}" + (" nodad" if ":" in address else "")


def _batch(netns: str, lines: list[str]) -> None:
    """Several `ip` commands in one process; addresses keep their family by their form."""
    run(["ip", "-n", netns, "-batch", "-"], input="\n".join(lines) + "\n")


def _mtu(device: str) -> int:
    return int(Path(f"/sys/class/net/{device}/mtu").read_text())


def _remove_if_empty(directory: Path) -> None:
    if directory.is_dir() and not os.listdir(directory):
        directory.rmdir()
