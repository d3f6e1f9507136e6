"""Secrets do not leak.

Whole installations are watched while they run, and everything that they leave behind is searched.
"""

from __future__ import annotations

import re
import secrets as random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import leaks
import pytest
import tracing
from cases import Case
from endstate import good
from harness import REUSABLE, fresh_world, wait_healthy
from product import DONE, STEP_FAILED, Product, environment
from sampler import Sampler
from testbed import guest
from testbed.bed import Bed
from testbed.demo import FORM
from testbed.machine import Machine
from testbed.services.front.faults import HostFault
from testbed.services.linode.tokens import Token

#: Who may hold secrets, none of it readable for others: ours, and what Docker keeps of the containers' definitions.
HOLDERS = re.compile(
    r"^(/etc/tootstrap/secrets\.toml|/opt/mastodon/(secrets\.env|postgres/secret/password|redis/conf/redis\.conf)|/(home/ada|root)/\.credentials"
    r"|/var/lib/docker/containers/[0-9a-f]{64}/config\.v2\.json|/var/lib/containerd/.*|/run/containerd/.*|/(var/)?run/docker/containerd/.*)$"
)
EVERYWHERE = ("/boot", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var", "/dev/shm")
#: Asked again and again while an installation runs.
MEANWHILE = ("systemctl show (the work)", "systemctl show (the manager)", "systemctl show-environment", "ps with environment", "systemd-cgls")


@dataclass
class Watched:
    """One installation, and what was seen of it from outside while it ran."""

    token: str
    status: int
    output: bytes
    shown: dict[str, bytes]
    answers: dict[str, bytes]
    samples: int
    asked: int


@dataclass
class Asking:
    """Asks the visitor's questions until the end of the block."""

    machine: Machine
    answers: dict[str, bytes] = field(default_factory=dict)
    asked: int = 0

    def __enter__(self) -> "Asking":
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def _ask(self) -> None:
        questions = {title: leaks.QUESTIONS[title] for title in MEANWHILE}
        while not self._end.wait(1.5):
            for title, answer in leaks.asked(self.machine, questions).items():
                self.answers[title] = self.answers.get(title, b"") + answer
                self.asked += 1

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def begin(bed: Bed) -> str:
    """A bare machine, up, with a visitor, and a token that nobody ever used."""
    REUSABLE.clear()
    fresh_world(bed)
    token = random.token_hex(32)
    bed.services.control.set_tokens(Token(secret=token))
    bed.machine.restore("bare")
    bed.machine.run(["useradd", "--create-home", "--uid", str(leaks.VISITOR), "--shell", "/bin/bash", "visitor"])
    bed.machine.sh("command -v ps || { apt-get -q update && apt-get -q install -y --no-install-recommends procps; }", timeout=300)
    return token


def install(machine: Machine, product: Product, token: str, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    """`tootstrap install` with the token in its environment, which the bed itself must not show on a command line."""
    script = 'IFS= read -r LINODE_TOKEN; export LINODE_TOKEN; exec "$0" install'
    return machine.run(["sh", "-c", script, product.program], input=f"{token}\n", env=environment(FORM) | env, check=False, timeout=900)


def searched(bed: Bed, watched: Watched, case: Case) -> leaks.Secrets:
    """Zero hits in everything that was shown, asked or left behind. Returns the secrets."""
    machine = bed.machine
    secrets = leaks.of_machine(machine, watched.token)
    texts = {
        "console": machine.console().encode() + watched.output,
        "journal": leaks.journal(machine),
        **{f"/proc/*/{name}": text for name, text in watched.shown.items()},
        **{f"during: {title}": text for title, text in watched.answers.items()},
        **leaks.asked(machine),
    }
    assert all(texts[place] for place in ("console", "journal", "/proc/*/cmdline", "ps with environment")), "a place gave nothing at all"
    hits = {(name, place) for place, text in texts.items() for name in secrets.inside(text)}
    assert hits == set()
    left = leaks.in_files(machine, leaks.LEFT_BEHIND, secrets)
    assert {(name, path) for name, path in left if not path.startswith("/run/containerd/")} == set()
    holders = leaks.in_files(machine, EVERYWHERE, secrets)
    assert {(name, path) for name, path in holders if not HOLDERS.match(path)} == set()
    assert not [path for name, path in holders if name == "API token"]
    readable = set(leaks.readable_files(machine))
    assert "/etc/passwd" in readable
    assert readable & {path for _, path in holders} == set()
    assert leaks.in_raw_disk(bed, watched.token) == 0
    case.count("places searched for secrets", len(texts) + len(leaks.LEFT_BEHIND) + len(readable) + 1)
    case.count("command lines and environments sampled", watched.samples)
    case.count("forms of secrets searched for", len(secrets.forms()))
    return secrets


# --- the StackScript, from beginning to end


@dataclass(frozen=True)
class Deployed:
    bed: Bed
    watched: Watched


@pytest.fixture(scope="module")
def deployed(bed: Bed, stackscript: str) -> Deployed:
    """The whole way from the form to the server, watched."""
    token = begin(bed)
    # The bed's own copy of the form must not reach the disk, on which the token is searched for.
    bed.machine.run(["ln", "-s", "/run/testbed-form", f"/{guest.DIRECTORY}/form"])
    with Sampler(leaks.VISITOR) as sampler, Asking(bed.machine) as asking:
        done = bed.machine.stackscript(stackscript, FORM | {"token_password": token}, live=sys.stdout)
    bed.machine.run(["rm", "-f", "/run/testbed-form"])
    watched = Watched(token, done.returncode, done.stdout.encode(), sampler.seen, asking.answers, sum(sampler.reads.values()), asking.asked)
    return Deployed(bed, watched)


def test_a_good_installation(deployed: Deployed, case: Case) -> None:
    case.tried = (
        "the StackScript from the form to the server, watched: console, journal, logs, /proc, what others may ask of systemd and Docker, "
        "every file that others may read, and the raw disk for the API token"
    )
    watched = deployed.watched
    assert watched.status == DONE, watched.output.decode(errors="replace")[-3000:]
    assert watched.token == leaks.of_machine(deployed.bed.machine, watched.token).values["API token"]
    secrets = searched(deployed.bed, watched, case)
    case.happened = f"{len(secrets.values)} secrets in {len(secrets.forms())} forms: no hit in {case.counts['places searched for secrets']:,} places"
    case.recovered = "not needed"


def test_the_search_finds_a_canary_everywhere(deployed: Deployed, case: Case) -> None:
    case.tried = "a planted secret in every channel that is searched"
    machine, canary = deployed.bed.machine, leaks.Secrets({"canary": random.token_hex(20)})
    value = canary.values["canary"]
    files = [f"{place}/canary-file" for place in (*leaks.LEFT_BEHIND[:5], "/opt") if machine.exists(place)]
    with Sampler(leaks.VISITOR) as sampler:
        _plant(machine, value, files)
        answers = leaks.asked(machine)
        time.sleep(0.3)
    blind = {title for title, answer in answers.items() if not canary.inside(answer)}
    # There the visitor is turned away, or sees nothing but its own.
    assert blind <= {"docker ps", "docker inspect", "docker compose config", "journalctl"}, blind
    for title in ("docker ps", "docker inspect"):
        assert b"permission denied" in answers[title].lower(), answers[title]
    shown = {"console": machine.console().encode(), "journal": leaks.journal(machine), **sampler.seen}
    assert {place for place, text in shown.items() if canary.inside(text)} == set(shown)
    assert {path for _, path in leaks.in_files(machine, [*leaks.LEFT_BEHIND, "/opt"], canary)} >= set(files)
    # Ours is closed to others as a whole.
    assert set(files) - set(leaks.readable_files(machine)) == {"/var/lib/tootstrap/canary-file"}
    machine.run(["rm", "-f", *files])
    assert leaks.in_raw_disk(deployed.bed, value) >= 1, "the raw disk keeps what was removed"
    channels = len(answers) - len(blind) + len(shown) + len(files) + 1
    case.count("canaries found", channels)
    case.happened = f"found in all {channels}; Docker turns the visitor away"
    case.recovered = "not needed"


def _plant(machine: Machine, value: str, files: list[str]) -> None:
    for path in files:
        machine.put(path, f"password={value}\n", 0o644)
    machine.sh(f"echo {value} >/dev/console; echo {value} | systemd-cat -t canary; systemctl set-environment CANARY={value}")
    unit = ["systemd-run", "--collect", "--unit=tootstrap-work", f"--setenv=CANARY={value}", f"--description={value}", "sleep", "60"]
    machine.run(unit)
    process = ["env", f"CANARY={value}", "sh", "-c", "sleep 60; :", value]
    machine.run(["systemd-run", "--collect", f"--uid={leaks.VISITOR}", "--unit=canary-of-visitor", "--", *process])
    time.sleep(0.5)


CONTAINERS = ("web", "sidekiq", "streaming", "caddy", "db", "redis")
METADATA = ("http://169.254.169.254/v1/token", "http://[fd00:a9fe:a9fe::1]/v1/token")
#: 0: it answered. Caddy's image has wget only; to it any answer is a success or status 8.
ASK = """
if command -v curl >/dev/null; then curl -g -s -m 2 -o /dev/null -X PUT -H "Metadata-Token-Expiry-Seconds: 60" "$1"; exit; fi
wget -q -T 2 -t 1 -O /dev/null "$1"; status=$?; [ $status = 0 ] || [ $status = 8 ]
"""


def reaches(machine: Machine, service: str, url: str) -> bool:
    """From inside the container; from its network alone where the image has no program to try it with."""
    if service in ("db", "redis"):
        pid = machine.sh(f"docker inspect -f '{{{{.State.Pid}}}}' mastodon-{service}-1").strip()
        argv = ["nsenter", "-t", pid, "-n", "sh", "-c", ASK, "ask", url]
    else:
        argv = ["docker", "exec", f"mastodon-{service}-1", "sh", "-c", ASK, "ask", url]
    done = machine.run(argv, check=False)
    assert done.returncode not in (126, 127) and b"not found" not in done.stderr, f"{service} has nothing to try it with: {done}"
    return done.returncode == 0


def test_containers_cannot_reach_the_metadata_service(deployed: Deployed, case: Case) -> None:
    case.tried = "169.254.169.254 and fd00:a9fe:a9fe::1 from inside every container, also after `ufw reload` and a restart of Docker"
    machine = deployed.bed.machine
    tries = 0
    for disturb in (None, "ufw reload", "systemctl restart docker"):
        if disturb:
            machine.sh(disturb, timeout=180)
            wait_healthy(deployed.bed)
        for url in METADATA:
            assert machine.run(["sh", "-c", ASK, "ask", url], check=False).returncode == 0, f"the machine itself must reach {url}"
        there = [f"{service} reaches {url}" for service in CONTAINERS for url in METADATA if reaches(machine, service, url)]
        assert there == [], disturb
        tries += len(CONTAINERS) * len(METADATA)
    case.count("tries to reach the metadata service", tries)
    case.happened = f"the machine reaches both, no container does in {tries} tries"
    case.recovered = "not needed"


# --- a failing one, with everything logged that can be


@dataclass
class Disturbed:
    bed: Bed
    product: Product
    watched: Watched


@pytest.fixture(scope="module")
def disturbed(bed: Bed, dist) -> Iterator[Disturbed]:
    """An installation whose last image cannot be had, logged and traced as much as possible."""
    token = begin(bed)
    product = Product.uploaded(bed.machine, dist)
    tracing.prepare(bed.machine, product.program)
    bed.services.control.add_host_fault(HostFault(host="ghcr.io", path="mastodon-streaming", status=500, body="internal error"))
    with Sampler(leaks.VISITOR) as sampler, Asking(bed.machine) as asking:
        run = install(bed.machine, product, token, {"TOOTSTRAP_LOG": "trace", "RUST_LOG": "trace"})
    watched = Watched(token, run.returncode, run.stdout + run.stderr, sampler.seen, asking.answers, sum(sampler.reads.values()), asking.asked)
    bed.services.control.clear_host_faults()
    yield Disturbed(bed, product, watched)
    tracing.end(bed.machine)


def test_a_failing_installation_that_logs_everything(disturbed: Disturbed, case: Case) -> None:
    case.tried = "an installation that fails (the registry answers 500), with TOOTSTRAP_LOG=trace: the same places"
    machine, watched = disturbed.bed.machine, disturbed.watched
    assert watched.status == STEP_FAILED, watched.output.decode(errors="replace")[-3000:]
    assert b"docker/image-streaming" in watched.output
    log = machine.get("/var/log/tootstrap.log")
    assert b" TRACE " in log or b" DEBUG " in log, "nothing of what was asked for was logged"
    secrets = searched(disturbed.bed, watched, case)
    case.happened = f"no hit in {case.counts['places searched for secrets']:,} places, {len(log) >> 10} KiB of log among them"
    assert secrets.inside(log) == set()
    case.recovered = "not needed"


def test_no_core_dump_has_them(disturbed: Disturbed, case: Case) -> None:
    case.tried = "SIGABRT for `tootstrap install` and for the process that does the work, core dumps allowed without limit"
    machine, product, watched = disturbed.bed.machine, disturbed.product, disturbed.watched
    assert tracing.cores(machine) == []
    machine.run(["sh", "-c", "ulimit -c unlimited; cd /; kill -ABRT $$"], check=False)
    assert tracing.cores(machine), "a crash of something else leaves a core dump here"
    tracing.remove_cores(machine)

    front = machine.popen(["sh", "-c", f"ulimit -c unlimited; cd /; exec {product.program} install"], env=environment(FORM))
    worker = tracing.worker(machine, product.program)
    machine.run(["pkill", "--signal", "ABRT", "--full", "--exact", f"{product.program} install"])
    front.communicate(timeout=60)
    assert front.returncode != 0
    machine.run(["kill", "-ABRT", str(worker)])
    tracing.wait_gone(machine, worker)
    assert tracing.cores(machine) == []
    case.count("kills", 2)
    case.happened = "no core dump of either; that of another program was there"
    with case.timed():
        run = install(machine, product, watched.token, {})
    assert run.returncode == DONE, run.stdout.decode(errors="replace")[-3000:]
    good(disturbed.bed)
    left = Product(machine).plan(token=None)
    assert (left.status, left.differing()) == (DONE, set()), left.explained()
    case.recovered = "`tootstrap install` completes the installation"


def test_modes_at_creation(disturbed: Disturbed, case: Case) -> None:
    case.tried = "every file and command of all those runs, traced (strace): modes at creation, arguments"
    machine, watched = disturbed.bed.machine, disturbed.watched
    secrets = leaks.of_machine(machine, watched.token)
    trace = tracing.Trace.of(machine)
    holders = {path for _, path in leaks.in_files(machine, EVERYWHERE, secrets)}
    ours = {path for path in holders if not path.startswith(("/var/lib/docker", "/var/lib/containerd", "/run/containerd"))}
    assert {"/etc/tootstrap/secrets.toml", "/opt/mastodon/secrets.env", "/home/ada/.credentials"} <= ours
    for path in ours:
        made = trace.creations(path)
        assert made, f"nobody was seen creating {path}:\n" + "\n".join(trace.about(path))
        assert [creation for creation in made if creation.mode & 0o177] == [], f"{path} was open to others for a moment"
    # What Docker keeps lies below directories that nobody else can enter.
    for path in holders - ours:
        assert tracing.is_out_of_reach(machine, path), path
    # The trace can tell: what everybody may read is seen with its mode.
    assert any(creation.mode & 0o044 for creation in trace.creations("/etc/systemd/system/tootstrap-resume.service"))
    assert {name for argv in trace.arguments for name in secrets.inside(argv)} == set()
    assert any(b"docker" in argv for argv in trace.arguments)
    case.count("files traced at creation", trace.created)
    case.count("command lines traced", len(trace.arguments))
    case.happened = f"{trace.created:,} creations and {len(trace.arguments):,} commands: no secret in a file of more than 0600, none among arguments"
    case.recovered = "not needed"
