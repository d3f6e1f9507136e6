"""A computer emulated in software, with a clock of its own: for what must never be tried with the clock of the machine that runs the tests.

It boots Debian's kernel for clouds into a small initramfs, mounts the built Debian root file system (changes are thrown away) and runs one command in
it; there is no systemd. Of the world it reaches one address, where the mirror's name leads: every request is answered with the true time.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from . import build
from .build.run import run
from .layout import cache_dir
from .sh import BedError

#: A meta package; its newest kernel is what it depends on.
KERNEL = "linux-image-cloud-amd64"
#: Everything else that is needed, the kernel has built in.
MODULES = ("virtio_pci", "virtio_blk", "virtio_net")
MIRROR = "10.0.2.100"
PROGRAM = "/usr/local/bin/tootstrap"
BOOT_SECONDS = 240.0

INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for module in {modules}; do /bin/busybox insmod /modules/$module.ko; done
/bin/busybox ip link set lo up
/bin/busybox ip link set eth0 up
/bin/busybox ip address add 10.0.2.15/24 dev eth0
/bin/busybox mount -t ext4 /dev/vda /root
for name in proc dev; do /bin/busybox mount --bind /$name /root/$name; done
echo '{mirror} deb.debian.org' >>/root/etc/hosts
/bin/busybox cp /program /root{program}
echo BEGIN
/bin/busybox chroot /root /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root {command} </dev/null
echo "END $?"
/bin/busybox poweroff -f
"""

#: Started for each connection to the mirror; the true time is this machine's.
TELLS_THE_TIME = """\
import sys
from email.utils import formatdate
for line in sys.stdin.buffer:
    if not line.strip():
        break
sys.stdout.write(f"HTTP/1.1 200 OK\\r\\nDate: {formatdate(usegmt=True)}\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
"""


@dataclass(frozen=True)
class Said:
    """What the command printed, and its exit status."""

    status: int
    text: str


def run_at(clock: datetime, program: Path, command: str, directory: Path) -> Said:
    """Boots with the clock set so (UTC), and runs `command`; `program` is there as tootstrap. `directory` is for files of this call alone."""
    kernel, modules = _kernel()
    initramfs = _initramfs(directory, modules, program, command)
    script = directory / "time.py"
    script.write_text(TELLS_THE_TIME)
    disk = build.rootfs("bullseye")
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-nodefaults", "-no-user-config", "-no-reboot", "-nographic", "-serial", "stdio"]
    argv += ["-kernel", str(kernel), "-initrd", str(initramfs), "-append", "console=ttyS0 quiet panic=-1"]
    argv += ["-rtc", f"base={clock:%Y-%m-%dT%H:%M:%S}", "-drive", f"file={disk},format=raw,if=virtio,snapshot=on"]
    forward = f"guestfwd=tcp:{MIRROR}:80-cmd:{sys.executable} {script}"
    argv += ["-nic", f"user,model=virtio-net-pci,restrict=on,{forward}"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=BOOT_SECONDS, check=False)
    console = done.stdout.replace("\r", "")
    found = re.search(r"BEGIN\n(.*)^END (\d+)$", console, re.MULTILINE | re.DOTALL)
    if not found:
        raise BedError(f"the emulated machine did not come to its end; console:\n{console[-2000:]}\n{done.stderr[-500:]}")
    return Said(int(found[2]), found[1])


def _kernel() -> tuple[Path, Path]:
    """The kernel and the directory of its modules, fetched once."""
    at = cache_dir() / "emulated-kernel"
    if not (at / "complete").exists():
        shutil.rmtree(at, ignore_errors=True)
        at.mkdir(parents=True)
        depends = run("apt-cache", "depends", KERNEL)
        package = next(line.split()[1] for line in depends.splitlines() if "Depends: linux-image-" in line)
        run("apt-get", "-o", "APT::Sandbox::User=root", "download", package, cwd=at)
        (archive,) = at.glob("*.deb")
        run("dpkg-deb", "-x", archive, at / "tree")
        archive.unlink()
        (at / "complete").touch()
    (kernel,) = (at / "tree/boot").glob("vmlinuz-*")
    (modules,) = (at / "tree/lib/modules").iterdir()
    return kernel, modules


def _initramfs(directory: Path, modules: Path, program: Path, command: str) -> Path:
    root = directory / "initramfs"
    for name in ("bin", "modules", "proc", "dev", "root"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    shutil.copy(program, root / "program")
    names = _with_needed(modules, MODULES)
    for name in names:
        shutil.copy(_module(modules, name), root / f"modules/{name}.ko")
    init = root / "init"
    init.write_text(INIT.format(modules=" ".join(names), mirror=MIRROR, program=PROGRAM, command=command))
    init.chmod(0o755)
    archive = directory / "initramfs.cpio"
    paths = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with archive.open("wb") as file:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=paths.encode(), stdout=file, check=True)
    return archive


def _module(modules: Path, name: str) -> Path:
    """Names have either dash or underscore."""
    return next(path for path in modules.rglob("*.ko") if path.stem.replace("-", "_") == name.replace("-", "_"))


def _with_needed(modules: Path, names: Sequence[str]) -> list[str]:
    """Every module after those that it needs, as each says of itself (`depends=a,b` in its .modinfo)."""
    order: list[str] = []
    for name in names:
        said = re.search(rb"\0depends=([^\0]*)\0", _module(modules, name).read_bytes())
        needed = said[1].decode().split(",") if said and said[1] else []
        order += [other for other in (*_with_needed(modules, needed), name) if other not in order]
    return order
