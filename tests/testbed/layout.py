"""Names, addresses and paths of one bed. Everything that `bed down` must find again derives from the bed's name."""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

#: The canonical names of the tests.
DOMAIN = "fedi-test.org"
SUBDOMAIN = "social"
SITE = f"{SUBDOMAIN}.{DOMAIN}"
#: API token of the emulator, scope domains:read_write: 64 hexadecimal digits.
TOKEN = "a" * 64

#: The machine's addresses: documentation ranges, since the product refuses private ones.
MACHINE_V4, MACHINE_GW_V4 = "203.0.113.10", "203.0.113.1"
MACHINE_V6, MACHINE_GW_V6 = "2001:db8:88::10", "2001:db8:88::1"
#: Small: the rest of the documentation range may be somebody's real network, for instance that of the host's package mirror.
MACHINE_PREFIX_V4 = 28
CLIENT_V4, CLIENT_GW_V4 = "198.18.0.2", "198.18.0.1"
CLIENT_V6, CLIENT_GW_V6 = "2001:db8:89::2", "2001:db8:89::1"
#: In the router: front, name servers, TLD servers, another provider's name server, mail relay.
FRONT_V4, FRONT_V6 = "198.51.100.80", "2001:db8:51::80"
SERVICE_ADDRESSES = (
    *(f"198.51.100.{n}/32" for n in (1, 2, 3, 4, 5, 6, 25, 53, 80)),
    f"{FRONT_V6}/128",
)
#: Linode's metadata service (linode.md §4): only on the link to the machine.
METADATA_ADDRESSES = ("169.254.169.254/32", "fd00:a9fe:a9fe::1/128")

GIB = 1 << 30


def cache_dir() -> Path:
    """What takes long to build is kept here, outside the checkout."""
    return Path(os.environ.get("TOOTSTRAP_CACHE") or Path.home() / ".cache" / "tootstrap")


@dataclass(frozen=True)
class Layout:
    """Where the parts of the bed `name` are."""

    name: str = "tb"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", self.name):
            raise ValueError(f"bed name {self.name!r}: 1-8 lower-case letters and digits, a letter first")

    @property
    def run(self) -> Path:
        """State, pid files, logs."""
        return Path("/run/tootstrap-bed") / self.name

    @property
    def store_file(self) -> Path:
        """The sparse file that holds the XFS store; on a disk, as /run may be memory."""
        return Path("/var/tmp/tootstrap-bed") / f"{self.name}.xfs"

    @property
    def store(self) -> Path:
        return self.run / "store"

    @property
    def disk(self) -> Path:
        """The machine's disk, an ext4 image."""
        return self.store / "disk.img"

    @property
    def root(self) -> Path:
        """Where the machine's disk is mounted on the host."""
        return self.run / "root"

    @property
    def cgroups(self) -> Path:
        """The tmpfs that becomes /sys/fs/cgroup in the machine (cgroup v1 hosts)."""
        return self.run / "cgroup"

    @property
    def console(self) -> Path:
        return self.run / "console.log"

    @property
    def supervisor_pid(self) -> Path:
        return self.run / "supervisor.pid"

    @property
    def trust(self) -> Path:
        """The roots that the client trusts: the bed's CA and Pebble's."""
        return self.run / "trust.pem"

    @property
    def kept_logs(self) -> Path:
        """Where `down` leaves the last run's console and service logs."""
        return cache_dir() / "logs" / self.name

    @property
    def lock(self) -> Path:
        return Path("/run/tootstrap-bed") / f".{self.name}.lock"

    @property
    def rtr(self) -> str:
        return f"{self.name}-rtr"

    @property
    def vm(self) -> str:
        return f"{self.name}-vm"

    @property
    def cli(self) -> str:
        return f"{self.name}-cli"

    @property
    def uplink(self) -> str:
        """The veth in the root namespace."""
        return f"{self.name}-up"

    @property
    def uplink_net(self) -> str:
        """First three octets of the uplink's /30; beds of other names get another one."""
        third = 255 if self.name == "tb" else zlib.crc32(self.name.encode()) % 255
        return f"10.88.{third}"

    @property
    def cgroup(self) -> str:
        return f"tootstrap-{self.name}"

    @property
    def rule_comment(self) -> str:
        """Marks this bed's iptables rules in the root namespace."""
        return f"tootstrap-bed:{self.name}"
