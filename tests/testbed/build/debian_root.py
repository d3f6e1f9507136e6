"""The machine's root file system: what a fresh Linode Debian image has, as a sparse ext4 image file."""

from __future__ import annotations

import inspect
import re
import shutil
import sys
from pathlib import Path

from . import cache
from .authority import ca
from .run import BuildError, run

DISK_SIZE = "20G"
"""Sparse: what is written is about 350 MB. The smallest Linode plan has 25 GB."""

ROOT_PASSWORD = "testbed-root-password"

PACKAGES = ["ca-certificates", "cloud-init", "curl", "dbus", "gnupg", "locales", "openssh-server", "sudo", "wget"]
"""Besides Debian's required and important packages (cron, ifupdown, iproute2, ping, rsyslog on 11 …)."""

FILES = Path(__file__).parent / "rootfs"
"""Written over the packages' files, as they will stand on the machine."""


def rootfs(release: str = "bullseye") -> Path:
    """The golden image of a Debian release. Never boot it: copy it (`cp --sparse=always` or reflink) first.

    Root's password is ROOT_PASSWORD, password login is on, the bed's CA is trusted, SSH host keys are there, the
    package lists are empty, machine-id is empty, cloud-init is disabled by `/etc/cloud/cloud-init.disabled`.
    """
    recipe = [inspect.getsource(_build), inspect.getsource(_configure), *PACKAGES, FILES, ROOT_PASSWORD, DISK_SIZE]
    entry = cache.entry(f"rootfs-{release}", cache.key(release, ca().id, *recipe), lambda at: _build(release, at))
    return entry / "disk.img"


def _build(release: str, at: Path) -> None:
    tree, full, disk = at / "tree", at / "full.img", at / "disk.img"
    _install(release, tree)
    _configure(tree)
    # Neither lazy initialisation (the kernel would fill the sparse file later) nor features that bullseye's e2fsck
    # does not know.
    run("mkfs.ext4", "-q", "-L", "linode-root", "-O", "^orphan_file,^metadata_csum_seed",
        "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d", tree, full, DISK_SIZE)
    run("cp", "--sparse=always", full, disk)  # leaves out the space that mkfs only reserved
    full.unlink()
    shutil.rmtree(tree)


def _install(release: str, tree: Path) -> None:
    """Installs the newest packages; if the mirror lacks some of them (facts/debian.md), those of the main suite."""
    install = ["mmdebstrap", "--format=directory", "--variant=important", f"--include={','.join(PACKAGES)}"]
    try:
        run(*install, release, tree)
    except BuildError as error:
        print(f"testbed: {release} as of today cannot be had, now without its security suite: {error}", file=sys.stderr)
        shutil.rmtree(tree, ignore_errors=True)
        without_security = [
            '--setup-hook=cp "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.all"',
            '--setup-hook=sed -i /-security/d "$1/etc/apt/sources.list"',
            '--customize-hook=mv "$1/etc/apt/sources.list.all" "$1/etc/apt/sources.list"',
        ]
        run(*install, *without_security, release, tree)


def _configure(tree: Path) -> None:
    shutil.copytree(FILES, tree, dirs_exist_ok=True)
    (tree / "etc/machine-id").write_text("")
    (tree / "etc/fstab").write_text("")
    (tree / "etc/cloud/cloud-init.disabled").touch()
    _allow_password_login(tree / "etc/ssh/sshd_config")
    shutil.copy(ca().crt, tree / "usr/local/share/ca-certificates/testbed.crt")
    run("chroot", tree, "update-ca-certificates")
    run("chroot", tree, "chpasswd", stdin=f"root:{ROOT_PASSWORD}\n")


def _allow_password_login(config: Path) -> None:
    """As on Linode: both options stand in the main file itself."""
    text = config.read_text()
    for option in ("PermitRootLogin", "PasswordAuthentication"):
        text, found = re.subn(rf"^#?{option} .*$", f"{option} yes", text, flags=re.MULTILINE)
        if found != 1:
            raise BuildError(f"{config} names {option} {found} times, once was expected")
    config.write_text(text)
