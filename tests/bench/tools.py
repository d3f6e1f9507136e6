"""The tools that tootstrap is compared with, each installed beside the system, in the machine, from wheels that were fetched once."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from testbed import layout as where
from testbed.build import cache
from testbed.machine import Machine

from . import state
from .measuring import Meter, Sample

HERE = Path(__file__).parent

TOOLCHAIN, FIRST, SECOND = "toolchain", "first run", "second run"


@dataclass(frozen=True)
class Tool:
    name: str
    #: Pinned, from PyPI; the newest for Debian 11's Python 3.9. None: it needs nothing.
    wheels: tuple[str, ...]
    #: What these need on Python 3.9 only: pip judges that by the Python it runs on.
    besides: tuple[str, ...]
    #: In this directory; goes to /opt/bench.
    program: str
    #: What is called, in the machine.
    argv: tuple[str, ...]
    #: Its second run works.
    again: bool
    #: It starts the containers too.
    containers: bool
    covers: str
    #: Where its last lines say how many changes it made; a dash is none.
    counts: str = ""

    @property
    def venv(self) -> str:
        return f"{state.DIRECTORY}/{self.name}"


ANSIBLE = Tool(
    "ansible",
    ("ansible-core==2.15.13", "ansible==8.7.0"),
    ("importlib-resources>=5.0,<5.1",),
    "ansible/site.yml",
    (f"{state.DIRECTORY}/ansible/bin/ansible-playbook", "-i", "localhost,", "-e", "ansible_python_interpreter=/usr/bin/python3"),
    True,
    True,
    "the whole server; not: status and the message of the day, resuming after a restart, doctor, asking the zone's own name servers, the certificate's "
    "arrival, refusing a machine that is in use, the judgement whether passwords and root may be refused, first values of settings, a record of what was made",
    r"changed=(\d+)",
)
PYINFRA = Tool(
    "pyinfra",
    ("pyinfra==3.5",),
    ("importlib-metadata>=3.6",),
    "pyinfra/deploy.py",
    (f"{state.DIRECTORY}/pyinfra/bin/pyinfra", "-y", "@local"),
    True,
    False,
    "the host part of the playbook: packages and their upgrade, files, user, services, firewall; no DNS, no containers. The rules of the firewall and "
    "the owners that have no name count as changed each time, because it compares neither",
    r"Grand total +\d+ +(\d+|-)",
)
SHELL = Tool(
    "shell",
    (),
    (),
    "shell/install.sh",
    ("sh",),
    False,
    True,
    "the same as the playbook, once, without looking at anything first: the floor",
)
TOOLS = (ANSIBLE, PYINFRA, SHELL)


def fetch(tool: Tool) -> Path:
    """The wheels for the machine's Python, from PyPI, or from the last time."""
    return cache.entry("bench-wheels", cache.key(*tool.wheels, *tool.besides), lambda at: _download(tool, at))


def _download(tool: Tool, directory: Path) -> None:
    if tool.wheels:
        platforms = [f"--platform={name}" for name in ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")]
        abis = ["--implementation=cp", "--python-version=3.9", "--abi=cp39", "--abi=abi3", "--abi=none"]
        argv = ["/usr/bin/python3", "-m", "pip", "download", "--quiet", "--only-binary=:all:", *platforms, *abis, "--dest", str(directory)]
        subprocess.run([*argv, *tool.wheels, *tool.besides], check=True)


def prepare(tool: Tool, meter: Meter, archive: bytes, run: int) -> list[Sample]:
    """The state, the program, and the toolchain; measured: what must be installed before its first step. Download of the wheels not counted."""
    machine = meter.machine
    state.place(machine, archive)
    program = HERE / tool.program
    machine.put(f"{state.DIRECTORY}/{program.name}", program.read_bytes())
    if not tool.wheels:
        return []
    wheels = subprocess.run(["tar", "-cf", "-", "-C", str(fetch(tool)), "."], capture_output=True, check=True).stdout
    machine.run(["mkdir", "-p", f"{state.DIRECTORY}/wheels"])
    machine.run(["tar", "-xf", "-", "-C", f"{state.DIRECTORY}/wheels"], input=wheels)
    script = f"""
        apt-get -q update
        apt-get -q -y -o DPkg::Lock::Timeout=60 install --no-install-recommends python3-venv python3-apt
        python3 -m venv --system-site-packages {tool.venv}
        {tool.venv}/bin/pip install --quiet --no-index --find-links {state.DIRECTORY}/wheels {" ".join(tool.wheels)}
    """
    return [meter.call(tool.name, TOOLCHAIN, run, ["sh", "-ec", script], env={"DEBIAN_FRONTEND": "noninteractive"})]


def call(tool: Tool, meter: Meter, variant: str, run: int) -> Sample:
    """One run of its program."""
    argv: Sequence[str] = [*tool.argv, f"{state.DIRECTORY}/{Path(tool.program).name}"]
    env = {"LINODE_TOKEN": where.TOKEN, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1", "LC_ALL": "C.UTF-8"}
    sample = meter.call(tool.name, variant, run, argv, env=env)
    counted = re.findall(tool.counts, meter.said) if tool.counts else []
    return replace(sample, changed=int(counted[-1].replace("-", "0")) if counted else None)


def size(tool: Tool, machine: Machine) -> int:
    """Bytes that the toolchain takes, Debian's packages not counted."""
    return int(machine.sh(f"du -sb {tool.venv}").split()[0])
