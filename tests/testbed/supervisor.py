"""The process that is the machine's power button: starts systemd-nspawn, again after a reboot, ends with it.

Called as `python3 -m testbed.supervisor NAME`; outlives the command that started it. Ends when the machine is powered off (0) or killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from . import procs
from .cgroup import Subtree, host_is_v1
from .layout import Layout
from .net import Network

#: systemd-nspawn's exit status after a reboot in the guest, with --register=no --keep-unit (testbed.md §1).
REBOOTED = 133

#: CAP_SYS_TIME must stay dropped: a guest's `timedatectl set-timezone` moved the host's clock once (testbed.md §1).
OPTIONS = (
    "--register=no",
    "--keep-unit",
    "--boot",
    "--capability=all",
    "--drop-capability=CAP_SYS_TIME",
    "--system-call-filter=add_key keyctl bpf @keyring @swap",
    "--resolv-conf=off",
    "--timezone=off",
    "--link-journal=no",
    "--console=read-only",
)


def command(layout: Layout) -> list[str]:
    cgroups = [f"--bind={layout.cgroups}:/sys/fs/cgroup"] if host_is_v1() else []
    return [
        "systemd-nspawn",
        f"--directory={layout.root}",
        f"--machine={layout.name}",
        f"--network-namespace-path=/run/netns/{layout.vm}",
        *OPTIONS,
        *cgroups,
    ]


def serve(layout: Layout) -> int:
    subtree, network = Subtree(layout), Network(layout)
    while True:
        status = _boot(layout, subtree)
        if status != REBOOTED:
            return status
        network.plug_machine()


def _boot(layout: Layout, subtree: Subtree) -> int:
    """One boot; the console goes to the console log."""
    with layout.console.open("ab") as console:
        nspawn = subprocess.Popen(
            command(layout),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            preexec_fn=subtree.join,
            # The only door to /proc/sys/net: dockerd and ufw set values there; vm.* is the host's and stays refused.
            env={"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"},
        )
        procs.record(layout.run / "nspawn.pid", nspawn.pid)
        return nspawn.wait()


def start(layout: Layout) -> None:
    """Starts the supervisor detached from the calling command."""
    log = (layout.run / "supervisor.log").open("ab")
    package = Path(__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "testbed.supervisor", layout.name],
        cwd=package,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    procs.record(layout.supervisor_pid, process.pid)


def stop(layout: Layout) -> None:
    """Ends only the supervisor, so that nothing starts the machine again."""
    pid = procs.recorded(layout.supervisor_pid)
    procs.end([pid] if pid else [], grace=0)
    layout.supervisor_pid.unlink(missing_ok=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command in the foreground
    sys.exit(serve(Layout(sys.argv[1])))
