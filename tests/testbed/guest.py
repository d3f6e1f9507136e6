"""What the bed puts into the machine so that it looks like a Linode: one early unit and the first-boot unit of a StackScript."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .sh import run

DIRECTORY = "usr/lib/testbed"
UNITS = "usr/lib/systemd/system"

#: A container shows the host's sysfs and /proc. Where the host has no DMI at all, /sys/class becomes a tmpfs with every class bound
#: back into it, plus `dmi` (paths such as /sys/class/net/eth0 -> ../../devices/… still resolve). Runs before sysinit.target, so that even
#: cloud-init's detection sees it. /dev/ttyS0 is the console that StackScripts write to (linode.md §3.4).
HARDWARE = """\
#!/bin/sh
# Testbed: makes this container look like a Linode (facts/linode.md section 4). Nothing of the product depends on this file.
set -eu
# As Debian's initramfs mounts it, which a container does without.
mount -o remount,nosuid,nodev,noexec /run
here=/usr/lib/testbed
if [ ! -e /sys/class/dmi/id/sys_vendor ]; then
    new=/run/testbed-class
    mkdir -p "$new"
    mount -t tmpfs -o mode=755 testbed "$new"
    for class in /sys/class/*/; do
        name=$(basename "$class")
        mkdir "$new/$name"
        mount --bind "$class" "$new/$name"
    done
    mkdir -p "$new/dmi/id"
    mount --rbind "$new" /sys/class
fi
for field in sys_vendor product_name; do
    if [ -e "/sys/class/dmi/id/$field" ]; then
        mountpoint -q "/sys/class/dmi/id/$field" || mount --bind "$here/$field" "/sys/class/dmi/id/$field" 2>/dev/null || cp "$here/$field" "/sys/class/dmi/id/$field"
    else
        cp "$here/$field" "/sys/class/dmi/id/$field"
    fi
done
if [ -e "$here/meminfo" ]; then
    umount /proc/meminfo 2>/dev/null || true
    mount --bind "$here/meminfo" /proc/meminfo
fi
# In a container systemd ignores the swap files of fstab.
swapon --all 2>/dev/null || true
[ -e /dev/ttyS0 ] || ln -s console /dev/ttyS0
"""

HARDWARE_UNIT = """\
[Unit]
Description=Testbed: the hardware of a Linode
DefaultDependencies=no
Before=sysinit.target cloud-init-local.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/testbed/hardware

[Install]
WantedBy=sysinit.target
"""

#: The launcher of linode.md §3.2: a banner, then the script as root through `env -i` with the console as its terminal. The form's values
#: come in a file that is read once and removed, as no file of a real Linode has them.
BANNER = "Welcome to StackScripts\n"
STACKSCRIPT = """\
#!/bin/bash
here=/usr/lib/testbed
mapfile -d '' -t form <"$here/form"
rm -f "$here/form"
echo 'Welcome to StackScripts'
cd /
chmod 0700 /root/StackScript
/usr/bin/env -i "${form[@]}" /root/StackScript
status=$?
echo "$status" >/run/testbed-stackscript
echo "StackScript ended with exit status $status"
"""

STACKSCRIPT_UNIT = """\
[Unit]
Description=Testbed: StackScript on the console, once
Wants=network-online.target
After=network-online.target systemd-user-sessions.service
Conflicts=console-getty.service
ConditionPathExists=/usr/lib/testbed/form

[Service]
Type=oneshot
ExecStart=/usr/lib/testbed/stackscript
StandardInput=tty-force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
TimeoutStartSec=infinity
KillMode=process

[Install]
WantedBy=multi-user.target
"""

STATUS = "/run/testbed-stackscript"


def prepare(root: Path, vendor: str = "Akamai", product: str = "Linode") -> None:
    """Writes the files into a disk mounted at `root`, before its first boot."""
    files = {
        f"{DIRECTORY}/hardware": (HARDWARE, 0o755),
        f"{DIRECTORY}/stackscript": (STACKSCRIPT, 0o755),
        f"{DIRECTORY}/sys_vendor": (vendor + "\n", 0o444),
        f"{DIRECTORY}/product_name": (product + "\n", 0o444),
        f"{UNITS}/testbed-hardware.service": (HARDWARE_UNIT, 0o644),
        f"{UNITS}/testbed-stackscript.service": (STACKSCRIPT_UNIT, 0o644),
    }
    for name, (text, mode) in files.items():
        write(root / name, text.encode(), mode)
    for target, unit in (("sysinit", "testbed-hardware"), ("multi-user", "testbed-stackscript")):
        wants = root / UNITS / f"{target}.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        link = wants / f"{unit}.service"
        if not link.is_symlink():
            link.symlink_to(f"../{unit}.service")


#: The bed cannot sign with Docker's key, so the operator's setting for mirrors names the bed's (docs/settings.md). It is the only setting
#: that a test changes; everything else is the production default.
MIRROR = """\
version = 1

[docker_repository]
key_file = "/{directory}/docker.asc"
fingerprint = "{fingerprint}"
"""


def prepare_mirror(root: Path, key: bytes, fingerprint: str) -> None:
    """The settings file of an operator with a mirror of Docker's packages, there before the first run."""
    write(root / DIRECTORY / "docker.asc", key, 0o644)
    settings = root / "etc/tootstrap/settings.toml"
    write(settings, MIRROR.format(directory=DIRECTORY, fingerprint=fingerprint).encode(), 0o600)
    settings.parent.chmod(0o700)


def write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def form(variables: Mapping[str, str], memory: int) -> bytes:
    """The environment of a StackScript: only HOME, TERM, PATH, LINODE_* and the form's fields in capital letters (linode.md §3.2).

    `memory` in MB. The id is that of the metadata service's `Instance`.
    """
    environment = {
        "HOME": "/root",
        "TERM": "linux",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LINODE_ID": "60000001",
        "LINODE_LISHUSERNAME": "linode60000001",
        "LINODE_RAM": str(memory),
        "LINODE_DATACENTERID": "6",
        **{name.upper(): value for name, value in variables.items()},
    }
    return b"".join(f"{name}={value}\0".encode() for name, value in environment.items())


def memory_of(meminfo_text: str) -> int:
    """MB of a /proc/meminfo."""
    line = next(line for line in meminfo_text.splitlines() if line.startswith("MemTotal:"))
    return int(line.split()[1]) // 1024


def meminfo(total: int, host: str) -> str:
    """/proc/meminfo of a machine with `total` bytes: the host's file with the sizes that depend on it made consistent (testbed.md §1.2)."""
    kib = total // 1024
    fake = {
        "MemTotal": kib,
        "MemFree": kib * 60 // 100,
        "MemAvailable": kib * 80 // 100,
        "Buffers": kib * 2 // 100,
        "Cached": kib * 20 // 100,
        "SwapCached": 0,
        "Active": kib * 15 // 100,
        "Inactive": kib * 15 // 100,
    }
    # What the host really has of swap belongs to the product's own swap file: left as it is.
    lines = [line.partition(":") for line in host.splitlines()]
    return "".join(f"{name}:{fake[name]:>15} kB\n" if name in fake else f"{name}:{rest}\n" for name, _, rest in lines)


def trust(root: Path, name: str, certificate: bytes) -> None:
    """Makes the machine trust `certificate` (PEM), as `update-ca-certificates` does; the disk need not be booted."""
    write(root / f"usr/local/share/ca-certificates/{name}.crt", certificate, 0o644)
    run(["chroot", str(root), "/usr/sbin/update-ca-certificates"])
