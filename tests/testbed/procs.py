"""Processes that outlive the command that started them: remembered by pid *and* start time, so a reused pid is never killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path


def start_time(pid: int) -> str | None:
    """Clock ticks since boot at which `pid` started; None when it does not run (a zombie does not)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def record(path: Path, pid: int) -> None:
    path.write_text(f"{pid} {start_time(pid)}\n")


def recorded(path: Path) -> int | None:
    """The pid that `record` wrote, when that very process still runs."""
    try:
        pid, _, started = path.read_text().strip().partition(" ")
    except FileNotFoundError:
        return None
    return int(pid) if pid and started and start_time(int(pid)) == started else None


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def end(pids: Iterable[int], grace: float) -> list[int]:
    """SIGTERM, then after `grace` seconds SIGKILL; returns what is left even so."""
    known = {pid: start_time(pid) for pid in pids}
    alive = [pid for pid, started in known.items() if started]
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        if number == signal.SIGTERM and grace <= 0:
            continue
        send(alive, number)
        limit = time.monotonic() + patience
        while alive and time.monotonic() < limit:
            alive = [pid for pid in alive if start_time(pid) == known[pid]]
            time.sleep(0.02 if alive else 0)
    return alive

