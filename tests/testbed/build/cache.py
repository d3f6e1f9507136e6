"""The artifact cache: entries keyed by their recipe, complete or absent.

An entry is a directory `<cache>/<kind>/<key>`. The key is a hash of everything the content depends on (recipe
files, parameters, keys of other entries), so an edited recipe gets another directory. An entry is built under
another name and renamed when complete; two processes that want the same one build it once (flock).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Report:
    """How one artifact came to be. `seconds` is wall clock, 0 for a cached one."""

    name: str
    cached: bool
    seconds: float


reports: list[Report] = []
"""What this process asked for, in order of completion; each artifact once."""


def root() -> Path:
    """`$TOOTSTRAP_CACHE`, else `~/.cache/tootstrap`; made if missing."""
    path = Path(os.environ.get("TOOTSTRAP_CACHE") or Path.home() / ".cache" / "tootstrap").absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def key(*parts: object) -> str:
    """A short hash of `parts`: a Path counts by the names, modes and bytes of its files, all else by `str`."""
    digest = hashlib.sha256()
    for part in parts:
        for chunk in _chunks(part):
            digest.update(len(chunk).to_bytes(8, "big") + chunk)
    return digest.hexdigest()[:16]


def _chunks(part: object) -> Iterator[bytes]:
    if not isinstance(part, Path):
        yield str(part).encode()
    elif part.is_dir():
        for file in sorted(p for p in part.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            yield str(file.relative_to(part)).encode()
            yield from _chunks(file)
    else:
        yield b"x" if os.access(part, os.X_OK) else b"-"
        yield part.read_bytes()


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Holds the lock `name` of the cache against all processes; the kernel releases it if we die."""
    lock = root() / "locks" / name.replace("/", "-")
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def entry(kind: str, entry_key: str, build: Callable[[Path], None], report: bool = True) -> Path:
    """The directory of an entry; `build` fills an empty one when there is none yet."""
    path = root() / kind / entry_key
    if not path.is_dir():
        with locked(f"{kind}-{entry_key}"):
            if not path.is_dir():
                with timed(kind) if report else nullcontext():
                    _build(path, build)
    if report:
        record(kind, cached=True, seconds=0)
    return path


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Says on stderr that `name` is being built, and records how long it took."""
    print(f"testbed: building {name} …", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    record(name, cached=False, seconds=time.monotonic() - start)


def record(name: str, cached: bool, seconds: float) -> None:
    """Adds to `reports`, unless `name` is there already: what was just built is not reported as cached too."""
    if all(known.name != name for known in reports):
        reports.append(Report(name, cached, seconds))


def _build(path: Path, build: Callable[[Path], None]) -> None:
    """Only called with the entry's lock held: what is found under the temporary name is a dead process's."""
    temporary = path.with_name(path.name + ".part")
    if temporary.exists():
        shutil.rmtree(temporary)
    temporary.mkdir(parents=True)
    try:
        build(temporary)
        temporary.rename(path)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)
