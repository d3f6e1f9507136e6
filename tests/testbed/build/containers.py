"""Containers from our images, for the contract tests of the doubles."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .images import image, podman

HARDENED = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=none"]
"""A hardened service as Docker runs it; podman alone would add temporary directories to a read-only root."""


@dataclass(frozen=True)
class Container:
    """A running (or ended) container."""

    id: str

    def exec(self, *argv: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Runs a command inside; standard error is part of the output."""
        return _podman("exec", *options, self.id, *argv)

    def output(self, *argv: str, options: tuple[str, ...] = ()) -> str:
        """What a command inside prints; it must succeed."""
        done = self.exec(*argv, options=options)
        assert done.returncode == 0, f"{argv} ended with {done.returncode}: {done.stdout}"
        return done.stdout.strip()

    def add_address(self, address: str) -> None:
        """Gives the container's network another address of its own, on the loopback device."""
        pid = _podman("inspect", "--format={{.State.Pid}}", self.id).stdout.strip()
        subprocess.run(["nsenter", "--target", pid, "--net", "ip", "address", "add", address, "dev", "lo"], check=True)

    def logs(self) -> str:
        return _podman("logs", self.id).stdout

    def stop(self) -> float:
        """Sends the image's stop signal; the seconds until it had ended (10: it had to be killed)."""
        start = time.monotonic()
        assert _podman("stop", "--time=10", self.id).returncode == 0
        return time.monotonic() - start

    def exit_status(self) -> int:
        return int(_podman("inspect", "--format={{.State.ExitCode}}", self.id).stdout)


def run_once(name: str, *options: str, command: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs a container of the image `name` to its end; standard error is part of the output."""
    return _podman("run", "--rm", *options, image(name).ref, *command)


@contextmanager
def container(name: str, *options: str, command: tuple[str, ...] = ()) -> Iterator[Container]:
    """A container of the image `name`, removed at the end."""
    started = _podman("run", "--detach", *options, image(name).ref, *command)
    assert started.returncode == 0, started.stdout
    running = Container(started.stdout.split()[-1])
    try:
        yield running
    finally:
        assert _podman("rm", "--force", "--time=0", "--volumes", running.id).returncode == 0


def configuration(name: str) -> dict[str, object]:
    """The image's configuration, as `docker image inspect` names its fields."""
    shown = _podman("image", "inspect", image(name).ref)
    assert shown.returncode == 0, shown.stdout
    config: dict[str, object] = json.loads(shown.stdout)[0]["Config"]
    return config


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Waits until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.1)


def _podman(*argv: str) -> subprocess.CompletedProcess[str]:
    argv_of_podman = podman(*argv)
    pipe, merged, nothing = subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL
    return subprocess.run(argv_of_podman, stdin=nothing, stdout=pipe, stderr=merged, text=True, timeout=120)
