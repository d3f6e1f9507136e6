"""`python3 -m testbed.build`: builds what the test bed needs, or one image, or runs a command in one.

    python3 -m testbed.build                      everything; says what was cached and how long the rest took
    python3 -m testbed.build image NAME           one image of tests/testbed/images; prints its name in our storage
    python3 -m testbed.build run NAME [ARG…]      `podman run --rm` with that image; ARG… are podman's options, and
                                                  after `--` the container's command
    python3 -m testbed.build podman ARG…          podman on our storage (ps, inspect, logs, exec, rm …)
"""

from __future__ import annotations

import os
import sys

from . import cache, everything
from .images import image, podman
from .run import BuildError


def main(argv: list[str]) -> int:
    match argv:
        case [] | ["everything"]:
            everything()
        case ["image", name]:
            print(image(name).ref)
        case ["run", name, *rest]:
            options, command = _split(rest)
            _become(podman("run", "--rm", *options, image(name).ref, *command))
        case ["podman", *rest]:
            _become(podman(*rest))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    _print_reports()
    return 0


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What stands before and after `--`."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _become(argv: list[str]) -> None:
    sys.stdout.flush()
    os.execvp(argv[0], argv)


def _print_reports() -> None:
    for report in cache.reports:
        print(f"{report.name:24} {'cached' if report.cached else f'built in {report.seconds:.1f} s'}", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BuildError as error:
        sys.exit(f"testbed: {error}")
