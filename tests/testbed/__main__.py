"""The command `tests/testbed/bed`."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

from . import demo, transcript, verify as checked
from .bed import Bed
from .build.run import BuildError
from .layout import GIB
from .sh import BedError

EPILOG = """commands:
  up        a fresh machine with its network and services; an earlier one of that name is removed
  down      removes everything, also what a killed command left
  status    what runs; exit 1 when nothing does
  shell     a shell on the machine
  exec      a command on the machine:  bed exec -- tootstrap status
  client    a command on the client:   bed client -- curl https://social.fedi-test.org/
  console   what the machine's console showed so far
  verify    the demo's checks on a machine that the demo installed
  transcript  writes README.md's and docs/transcript.md's transcripts from a machine that the demo installed
  demo      fresh machine, StackScript, checks; leaves the bed running
"""


def main() -> int:
    options = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        return COMMANDS[options.command](options)
    except (BedError, BuildError, OSError, subprocess.SubprocessError, ValueError) as error:
        print(f"bed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="bed", description="The test bed of tootstrap.", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--name", default="tb", help="the bed's name (default: tb)")
    made.add_argument("command", choices=sorted(COMMANDS))
    made.add_argument("--release", default="bullseye", help="Debian's name of the machine's system (up)")
    made.add_argument("--dist", type=lambda text: Path(text).resolve(), default=demo.REPOSITORY / "dist", help="files of the release host (up, demo)")
    made.add_argument("--memory", type=float, default=4, metavar="GIB", help="RAM of the machine (up)")
    made.add_argument("--force", action="store_true", help="down: also when another process uses the bed")
    made.add_argument("argv", nargs="*", metavar="-- COMMAND")
    return made


def up(options: argparse.Namespace) -> int:
    dist = options.dist if options.dist.is_dir() else None
    Bed(options.name, options.release, dist, memory=int(options.memory * GIB)).up()
    return status(options)


def down(options: argparse.Namespace) -> int:
    Bed(options.name).down(options.force)
    return 0


def status(options: argparse.Namespace) -> int:
    bed = Bed(options.name)
    if not bed.is_up():
        print(f"bed {options.name!r} is not up")
        return 1
    leader = bed.machine.leader()
    print(f"bed {options.name!r}: Debian {bed.state()['release']}, machine {f'on (PID 1 is {leader})' if leader else 'off'}, state in {bed.layout.run}")
    return 0


def shell(options: argparse.Namespace) -> int:
    return Bed.attach(options.name).machine.interactive(["/bin/bash", "-l"])


def execute(options: argparse.Namespace) -> int:
    return Bed.attach(options.name).machine.interactive(_argv(options))


def client(options: argparse.Namespace) -> int:
    return Bed.attach(options.name).client.interactive(_argv(options))


def console(options: argparse.Namespace) -> int:
    print(Bed.attach(options.name).machine.console(), end="")
    return 0


def control(options: argparse.Namespace) -> int:
    """`bed control records fedi-test.org`: one call of the services' control, arguments as JSON or text."""
    name, *arguments = _argv(options)
    value = getattr(Bed.attach(options.name).services.control, name)(*(_value(argument) for argument in arguments))
    print(json.dumps(value, indent=1))
    return 0


def verify(options: argparse.Namespace) -> int:
    return 0 if all(outcome.ok for outcome in checked.verify(Bed.attach(options.name), demo.FORM)) else 1


def write_transcript(options: argparse.Namespace) -> int:
    for path in transcript.write(options.name):
        print(path)
    return 0


def run_demo(options: argparse.Namespace) -> int:
    try:
        return demo.demo(options.name, options.dist)
    except KeyboardInterrupt:
        Bed(options.name).down(force=True)
        raise


def _argv(options: argparse.Namespace) -> list[str]:
    if not options.argv:
        raise BedError(f"`bed {options.command}` needs a command after `--`")
    return list(options.argv)


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


COMMANDS = {
    "up": up,
    "down": down,
    "status": status,
    "shell": shell,
    "exec": execute,
    "client": client,
    "console": console,
    "control": control,
    "transcript": write_transcript,
    "verify": verify,
    "demo": run_demo,
}

if __name__ == "__main__":
    sys.exit(main())
