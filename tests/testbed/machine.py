"""The machine: a real Debian under systemd-nspawn with full systemd (facts/testbed.md §1)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from . import guest, mounts, procs, supervisor
from .cgroup import Subtree
from .disk import Disk
from .layout import Layout
from .net import Network
from .sh import BedError, run

ENVIRONMENT = {
    "HOME": "/root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}

#: systemd-shutdown itself waits 90 s for processes that ignore SIGTERM.
SHUTDOWN_SECONDS = 150.0

#: Capabilities of a command entered from outside: nsenter alone would give it the host's, CAP_SYS_TIME included (testbed.md §1).
WITHOUT_CLOCK = ["setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time", "--"]


class Machine:
    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.disk = Disk(layout)
        self.cgroup = Subtree(layout)

    # --- power

    def boot(self, wait: bool = True) -> None:
        """Switches on; with `wait` returns when systemd has started everything (also "degraded")."""
        if self.leader():
            raise BedError("the machine runs already")
        if not mounts.under(self.layout.root):
            self.disk.mount()
        run(["sync", "--file-system", str(self.layout.root)])  # what the bed wrote survives a power cut
        supervisor.start(self.layout)
        if wait:
            self.wait_booted()

    def wait_booted(self, timeout: float = 90) -> str:
        """Waits until systemd says running or degraded, and says which."""
        said = ""

        def up() -> bool:
            nonlocal said
            self._require_supervisor()
            if not self.leader():
                return False
            said = self.run(["systemctl", "is-system-running"], check=False, timeout=30).stdout.decode().strip()
            return said in ("running", "degraded")

        wait_until(up, timeout, lambda: f"the machine did not boot (systemd says {said!r}); console:\n{self.console()[-3000:]}")
        return said

    def _require_supervisor(self) -> None:
        if not procs.recorded(self.layout.supervisor_pid):
            log = (self.layout.run / "supervisor.log").read_text(errors="replace")
            raise BedError(f"the machine went off; console:\n{self.console()[-3000:]}\n{log[-1000:]}")

    def leader(self) -> int | None:
        """The guest's PID 1 as the host knows it."""
        nspawn = procs.recorded(self.layout.run / "nspawn.pid")
        found = procs.children(nspawn) if nspawn else []
        return found[0] if found else None

    @property
    def on(self) -> bool:
        return self.leader() is not None

    def reboot(self) -> None:
        """An orderly reboot; returns when the machine is up again."""
        before = self.leader()
        self.run(["systemctl", "--no-block", "reboot"])

        def again() -> bool:
            self._require_supervisor()
            return self.leader() not in (None, before)

        wait_until(again, SHUTDOWN_SECONDS, lambda: "the machine did not come back from its reboot")
        self.wait_booted()

    def poweroff(self) -> None:
        """An orderly shutdown, so that the disk is as its services left it."""
        if self.on:
            self.run(["systemctl", "--no-block", "poweroff"], check=False)
            wait_until(lambda: not self.on, SHUTDOWN_SECONDS, lambda: f"the machine did not shut down; console:\n{self.console()[-2000:]}")
        self.kill()
        self.disk.unmount()

    def kill(self) -> None:
        """Every process ends at once. What was written is still there, synced or not: the page cache is the host's."""
        supervisor.stop(self.layout)
        mounts.swapoff_below(self.layout.root)
        if self.cgroup.exists():
            self.cgroup.freeze(False)
        left = procs.end(self.cgroup.pids(), grace=0)
        if left:
            raise BedError(f"processes of the machine do not end: {left}")

    def power_cut(self) -> None:
        """Loses what was not synced: the disk becomes the copy taken while the machine ran (testbed.md §3). Boot it next."""
        self.disk.copy("power-cut")
        self.kill()
        self.disk.unmount()
        self.disk.replace("power-cut")
        Network(self.layout).plug_machine()
        self.disk.discard("power-cut")

    # --- disk

    def snapshot(self, name: str) -> None:
        """Keeps the disk as `name`: of a running machine, everything that was written, as a power cut right now would leave it synced."""
        if not self.on:
            self.kill()
            self.disk.unmount()
            self.disk.copy(name)
            return
        root = str(self.layout.root)
        run(["fsfreeze", "--freeze", root])
        try:
            self.disk.copy(name)
        finally:
            run(["fsfreeze", "--unfreeze", root])

    def has_snapshot(self, name: str) -> bool:
        return self.disk.has(name)

    def restore(self, name: str, boot: bool = True) -> None:
        """Makes the disk what it was at `snapshot(name)` and boots; the present one is thrown away."""
        self.kill()
        self.disk.unmount()
        self.disk.replace(name)
        # The namespace outlives a machine that was killed, with its firewall.
        Network(self.layout).plug_machine()
        if boot:
            self.boot()

    # --- commands

    def run(
        self,
        argv: Sequence[str],
        input: bytes | str | None = None,
        timeout: float = 300,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs `argv` as root in the machine, in its control groups and without a capability that its own root lacks."""
        data = input.encode() if isinstance(input, str) else input
        process = self.popen(argv, env=env, stdin=subprocess.DEVNULL if data is None else subprocess.PIPE)
        try:
            out, err = process.communicate(data, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise BedError(f"`{' '.join(argv)}` in the machine took more than {timeout:g} s: {tail(out, err)}") from None
        if check and process.returncode != 0:
            raise BedError(f"`{' '.join(argv)}` in the machine ended with {process.returncode}: {tail(out, err)}")
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def popen(self, argv: Sequence[str], env: Mapping[str, str] | None = None, stdin: int | IO | None = None) -> subprocess.Popen[bytes]:
        """Starts `argv` in the machine with pipes; the caller waits for it."""
        return subprocess.Popen(
            self.entering(argv, env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=self._join,
            start_new_session=True,
        )

    def interactive(self, argv: Sequence[str]) -> int:
        """Runs `argv` in the machine on the caller's terminal."""
        env = {"TERM": os.environ.get("TERM", "dumb")}
        return subprocess.run(self.entering(argv, env), preexec_fn=self._join, check=False).returncode

    def _join(self) -> None:
        """Runs between fork and exec."""
        leader = self.leader()
        if leader:
            self.cgroup.join_beside(leader)

    def entering(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> list[str]:
        leader = self.leader()
        if not leader:
            raise BedError("the machine is off")
        variables = [f"{name}={value}" for name, value in {**ENVIRONMENT, **(env or {})}.items()]
        namespaces = ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]
        return [*namespaces, *WITHOUT_CLOCK, "env", "-i", *variables, *argv]

    def sh(self, script: str, **options: object) -> str:
        """The output of a shell script in the machine."""
        return self.run(["sh", "-ec", script], **options).stdout.decode(errors="replace")  # type: ignore[arg-type]

    # --- files

    def put(self, path: str, content: bytes | str, mode: int = 0o644) -> None:
        """Writes a file of root's; works on a machine that is off, too."""
        data = content.encode() if isinstance(content, str) else content
        script = 'mkdir -p "$(dirname "$1")"; umask 077; cat >"$1"; chmod "$2" "$1"'
        self._anywhere(["sh", "-ec", script, "put", path, f"{mode:o}"], data)

    def get(self, path: str) -> bytes:
        return self._anywhere(["cat", path], b"")

    def remove(self, path: str) -> None:
        self._anywhere(["rm", "-f", path], b"")

    def exists(self, path: str) -> bool:
        return self._anywhere(["sh", "-c", '[ -e "$1" ] && echo yes || true', "exists", path], b"") == b"yes\n"

    def _anywhere(self, argv: list[str], data: bytes) -> bytes:
        if self.on:
            return self.run(argv, input=data).stdout
        if not mounts.under(self.layout.root):
            self.disk.mount()
        done = subprocess.run(["chroot", str(self.layout.root), *argv], input=data, capture_output=True, env=ENVIRONMENT, check=False)
        if done.returncode != 0:
            raise BedError(f"`{' '.join(argv)}` on the disk ended with {done.returncode}: {tail(done.stdout, done.stderr)}")
        return done.stdout

    # --- resources

    def limit_memory(self, size: int) -> None:
        """Makes it a machine with `size` bytes of RAM: the control group enforces it, /proc/meminfo says it (testbed.md §1.1, §1.2)."""
        self.cgroup.limit_memory(size)
        text = guest.meminfo(size, Path("/proc/meminfo").read_text())
        self.put(f"/{guest.DIRECTORY}/meminfo", text, 0o444)
        if self.on:
            self.run([f"/{guest.DIRECTORY}/hardware"])

    def _memory(self) -> int:
        """MB that the machine believes to have."""
        own = f"/{guest.DIRECTORY}/meminfo"
        return guest.memory_of(self.get(own if self.exists(own) else "/proc/meminfo").decode())

    def swapoff(self) -> None:
        mounts.swapoff_below(self.layout.root)

    # --- console and first boot

    def console(self) -> str:
        return self._since(0)

    def stackscript(
        self, script: str, fields: Mapping[str, str], timeout: float = 1800, live: IO[str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Deploys as Linode does (linode.md §3.2): on the console, at first boot, or at once on a machine that runs already.

        `fields` are the form's; their names become capital letters. `live` gets the console as it grows. The result has its exit
        status and what the console showed.
        """
        start = self.layout.console.stat().st_size
        self.put("/root/StackScript", script, 0o700)
        self.put(f"/{guest.DIRECTORY}/form", guest.form(fields, self._memory()), 0o600)
        if self.on:
            self.run(["rm", "-f", guest.STATUS])
            self.run(["systemctl", "--no-block", "start", "testbed-stackscript.service"])
        else:
            self.boot(wait=False)
        status = self._follow(start, timeout, live)
        # Before the banner there are only messages of the boot.
        said = self._since(start).partition(guest.BANNER)[2]
        return subprocess.CompletedProcess(["/root/StackScript"], status, said, "")

    def _follow(self, start: int, timeout: float, live: IO[str] | None) -> int:
        limit = time.monotonic() + timeout
        shown = start
        while True:
            status = self._stackscript_status()
            if status is not None:
                time.sleep(0.2)  # what it said last is still on its way through the console
            shown = self._show(shown, live)
            if status is not None:
                return status
            self._require_supervisor()
            if time.monotonic() > limit:
                raise BedError(f"the StackScript took more than {timeout:g} s; console:\n{self._since(start)[-3000:]}")
            time.sleep(0.2)

    def _stackscript_status(self) -> int | None:
        """The exit status, once there is one; read from the machine's /run through its PID 1."""
        leader = self.leader()
        if not leader:
            return None
        try:
            text = Path(f"/proc/{leader}/root{guest.STATUS}").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return int(text) if text else None

    def _show(self, shown: int, live: IO[str] | None) -> int:
        if live is None:
            return shown
        with self.layout.console.open("rb") as file:
            file.seek(shown)
            new = file.read()
        live.write(new.decode(errors="replace").replace("\r\n", "\n"))
        live.flush()
        return shown + len(new)

    def _since(self, start: int) -> str:
        return self.layout.console.read_bytes()[start:].decode(errors="replace").replace("\r\n", "\n")


def tail(out: bytes, err: bytes) -> str:
    return (err.decode(errors="replace").strip() + "\n" + out.decode(errors="replace").strip()).strip()[-3000:]


def wait_until(done: Callable[[], bool], timeout: float, trouble: Callable[[], str]) -> None:
    """Polls; `trouble` words the error."""
    limit = time.monotonic() + timeout
    while not done():
        if time.monotonic() > limit:
            raise BedError(trouble())
        time.sleep(0.05)
