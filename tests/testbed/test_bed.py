"""The bed itself: it boots a real Debian, keeps the host unharmed, and leaves nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed import clock
from testbed import layout as where
from testbed.bed import Bed
from testbed.layout import GIB
from testbed.sh import BedError, run
from testbed.traces import traces

NAME = "selftest"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    for name in (NAME, "e2e"):
        Bed(name).down()  # what an interrupted run of these tests left; refused while a process uses it
    assert traces(NAME) == {}, "another bed is up: `tests/testbed/bed down`"
    forwarding = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    with Bed(NAME, services=False, memory=2 * GIB) as made:
        yield made
    assert traces(NAME) == {}
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == forwarding


def test_a_real_debian_has_booted(bed: Bed) -> None:
    said = bed.machine.sh(". /etc/os-release; echo $VERSION_CODENAME; cat /proc/1/comm; systemctl is-system-running")
    assert said.split() == ["bullseye", "systemd", "running"]


def test_it_looks_like_a_linode(bed: Bed) -> None:
    assert bed.machine.sh("cat /sys/class/dmi/id/sys_vendor; test -e /sys/class/net/eth0/address; test -w /dev/ttyS0") == "Akamai\n"


def test_memory_is_what_was_asked_for(bed: Bed) -> None:
    assert bed.machine.sh("awk '/MemTotal/ {print $2}' /proc/meminfo").strip() == str(2 * GIB // 1024)


def test_a_command_has_its_input_exit_status_and_environment(bed: Bed) -> None:
    done = bed.machine.run(["sh", "-c", 'cat; echo "$WORD" >&2; exit 3'], input="in", env={"WORD": "a b"}, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"in", b"a b\n")


def test_a_command_that_fails_or_hangs_is_an_error(bed: Bed) -> None:
    with pytest.raises(BedError, match="ended with 1: no such thing"):
        bed.machine.run(["sh", "-c", "echo no such thing >&2; exit 1"])
    with pytest.raises(BedError, match="more than 0.5 s"):
        bed.machine.run(["sleep", "86399"], timeout=0.5)
    assert bed.machine.run(["pgrep", "-f", "sleep 86399"], check=False).returncode == 1


def test_the_hosts_clock_is_out_of_reach(bed: Bed) -> None:
    done = bed.machine.run(["date", "-s", "2001-02-03"], check=False)
    assert done.returncode != 0 and b"not permitted" in done.stderr
    unit = bed.machine.run(["systemd-run", "-q", "--wait", "--pipe", "date", "-s", "2001-02-03"], check=False)
    assert unit.returncode != 0 and b"not permitted" in unit.stderr
    bed.machine.run(["timedatectl", "set-timezone", "Europe/Berlin"])
    bed.machine.run(["timedatectl", "set-timezone", "Etc/UTC"])
    bed.check_clock()


def test_a_moved_clock_is_noticed() -> None:
    before = clock.ClockGuard(clock.ClockGuard.now().offset - 3600)
    with pytest.raises(BedError, match=r"moved by \+3600"):
        before.check()


def test_sysctls_of_the_network_are_the_machines_own_and_the_rest_is_refused(bed: Bed) -> None:
    bed.machine.sh("echo 1 >/proc/sys/net/ipv4/ip_forward")
    assert bed.machine.run(["sysctl", "-w", "vm.swappiness=1"], check=False).returncode != 0


def test_files_come_and_go(bed: Bed) -> None:
    bed.machine.put("/srv/deep/file", b"\0bytes\n", 0o640)
    assert bed.machine.get("/srv/deep/file") == b"\0bytes\n"
    assert bed.machine.sh("stat -c %a:%u /srv/deep/file") == "640:0\n"
    assert bed.machine.exists("/srv/deep") and not bed.machine.exists("/srv/flat")


def test_client_and_machine_reach_each_other_with_true_addresses(bed: Bed) -> None:
    server = "import socket,sys; s=socket.create_server(('::',81),family=socket.AF_INET6,dualstack_ipv6=True); print(flush=True); [print(s.accept()[1][0]) for _ in 'ab']"
    listening = bed.machine.popen(["python3", "-uc", server])
    assert listening.stdout is not None
    listening.stdout.readline()
    for address in (where.MACHINE_V4, where.MACHINE_V6):
        bed.client.run([sys.executable, "-c", f"import socket; socket.create_connection(('{address}', 81), 5)"])
    seen, _ = listening.communicate(timeout=10)
    assert seen.decode().split() == [f"::ffff:{where.CLIENT_V4}", where.CLIENT_V6]


def test_a_reboot_and_its_clean_network(bed: Bed) -> None:
    boot_id = bed.machine.get("/proc/sys/kernel/random/boot_id")
    bed.machine.sh("ip link add leftover type bridge")
    bed.machine.reboot()
    assert bed.machine.get("/proc/sys/kernel/random/boot_id") != boot_id
    assert "leftover" not in bed.machine.sh("ip -o link")
    assert bed.machine.sh("cat /sys/class/dmi/id/sys_vendor") == "Akamai\n"


def test_another_disk_does_not_inherit_the_firewall_of_the_machine_before(bed: Bed) -> None:
    rules = ["ip", "netns", "exec", bed.layout.vm, "iptables"]
    bed.machine.snapshot("without-rules")
    run([*rules, "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "DROP"])
    assert "--dport 22" in run([*rules, "-S"]).stdout
    bed.machine.restore("without-rules")
    assert "--dport 22" not in run([*rules, "-S"]).stdout


def test_a_power_cut_loses_what_was_not_synced(bed: Bed) -> None:
    bed.machine.sh("echo kept >/root/kept; sync /root/kept; echo lost >/root/lost")
    bed.machine.power_cut()
    bed.machine.boot()
    assert bed.machine.get("/root/kept") == b"kept\n"
    assert not bed.machine.exists("/root/lost") or bed.machine.get("/root/lost") == b""


def test_the_machine_may_swap_and_its_fstab_counts_at_boot(bed: Bed) -> None:
    swap = "fallocate -l 32M /swapfile && chmod 600 /swapfile && mkswap /swapfile && swapon /swapfile"
    bed.machine.run(["systemd-run", "-q", "--wait", "--pipe", "sh", "-c", swap])
    bed.machine.sh("echo '/swapfile none swap sw,nofail 0 0' >>/etc/fstab")
    bed.machine.kill()
    assert "/swapfile" not in Path("/proc/swaps").read_text()
    bed.machine.boot()
    assert "/swapfile" in Path("/proc/swaps").read_text()
    bed.machine.swapoff()
    bed.machine.sh("rm /swapfile; : >/etc/fstab")


def test_snapshot_and_restore_with_a_swap_file_in_use(bed: Bed) -> None:
    bed.machine.put("/root/mark", "before")
    bed.machine.snapshot("mark")
    bed.machine.put("/root/mark", "after")
    bed.machine.sh("fallocate -l 32M /swapfile; chmod 600 /swapfile; mkswap /swapfile; swapon /swapfile")
    assert "/swapfile" in Path("/proc/swaps").read_text()
    bed.machine.restore("mark")
    assert bed.machine.get("/root/mark") == b"before"
    assert "/swapfile" not in Path("/proc/swaps").read_text()


SCRIPT = """#!/bin/bash
# <UDF name="domain" label="x" />
env | sort; tty; pwd; id -u
exec > >(tee -a /dev/ttyS0 >/dev/null) 2>&1
echo "said to ttyS0"; sleep 0.3
exit 7
"""


@pytest.mark.parametrize("first_boot", [True, False])
def test_a_stackscript_runs_as_on_linode(bed: Bed, first_boot: bool) -> None:
    if first_boot:
        bed.machine.poweroff()
    done = bed.machine.stackscript(SCRIPT, {"domain": 'a "b" $c', "Token_Password": "x"}, timeout=60)
    lines = [line for line in done.stdout.splitlines() if "[" not in line]
    names = {line.partition("=")[0] for line in lines if "=" in line}
    assert done.returncode == 7
    assert names - {"PWD", "SHLVL", "_"} == {
        "HOME", "PATH", "TERM", "DOMAIN", "TOKEN_PASSWORD", "LINODE_ID", "LINODE_LISHUSERNAME", "LINODE_RAM", "LINODE_DATACENTERID",
    }  # fmt: skip
    assert 'DOMAIN=a "b" $c' in lines and "HOME=/root" in lines
    assert any(line.startswith("/dev/") for line in lines) and "/" in lines and "0" in lines
    assert "said to ttyS0" in lines
    assert not bed.machine.exists("/usr/lib/testbed/form"), "the form's secrets stay on the disk"
