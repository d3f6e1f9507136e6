"""Starts the services of one bed inside its router namespace, until SIGTERM.

Prints `ready` and writes RUN_DIR/ready when every port answers.
"""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from .. import build
from . import addresses, namespace
from .calls import Calls
from .control_server import ControlServer
from .dns.recursor import Upstream
from .internet import Internet, Sources, host_resolver

LOOK_SECONDS = 0.5


def main() -> int:
    """Runs until SIGTERM or SIGINT; 1 if a child process ends before that."""
    options = _options()
    options.run_dir.mkdir(parents=True, exist_ok=True)
    ready = options.run_dir / "ready"
    ready.unlink(missing_ok=True)
    logging.basicConfig(
        filename=options.run_dir / "services.log",
        level=logging.INFO,
        format="%(asctime)s %(name)s %(levelname)s %(message)s",
    )
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        _serve(options, ready, ended)
    finally:
        ready.unlink(missing_ok=True)
        (options.run_dir / "control.sock").unlink(missing_ok=True)
    return 0


def _serve(options: argparse.Namespace, ready: Path, ended: threading.Event) -> None:
    world = Internet(_sources(options), options.run_dir)
    with world.running() as children:
        ControlServer(options.run_dir / "control.sock", Calls(world)).start()
        ready.write_text("ready\n")
        print("ready", flush=True)
        while not ended.wait(LOOK_SECONDS):
            for child in children:
                child.check()


def _sources(options: argparse.Namespace) -> Sources:
    leaf = build.ca().leaf(list(addresses.CERTIFIED_NAMES))
    return Sources(
        chain=leaf.chain,
        key=leaf.key,
        dist=options.dist,
        docker_repository=options.docker_repository or build.docker_repository(options.release),
        registry=options.registry or build.registry(),
        upstream=_upstream(options.upstream or host_resolver()),
    )


def _upstream(text: str) -> Upstream:
    address, _, port = text.partition("#")
    return Upstream(address, int(port or 53), namespace.of_parent())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="testbed.services", description=__doc__)
    parser.add_argument("--bed", default="tb", help="name of the bed, for messages and the process list")
    parser.add_argument("--run-dir", type=Path, required=True, help="logs, `ready` and control.sock")
    parser.add_argument("--dist", type=Path, required=True, help=f"files of https://{addresses.RELEASES}/")
    parser.add_argument("--release", default="bullseye", help="Debian release of the machine")
    parser.add_argument("--docker-repository", type=Path, help=f"files of https://{addresses.DOCKER_APT}/")
    parser.add_argument("--registry", type=Path, help="storage of docker-registry")
    parser.add_argument("--upstream", help="resolver for all other names, ADDRESS[#PORT] in the host's namespace")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, ChildProcessError, TimeoutError) as error:
        sys.exit(f"testbed.services: {error}")
