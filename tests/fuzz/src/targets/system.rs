//! What the base system prints, and its files: sshd, ufw, `ss`, systemd, accounts, swap, names.

use tootstrap::facts;
use tootstrap::resource::{Credentials, Firewall, Hostname, SshPolicy, SudoUser, SwapFile, Unit};
use tootstrap::settings::UserName;

use super::super::machine::Machine;
use super::super::wait;
use super::{Trial, converge};

const SLOTS: [&str; 29] = [
    "run sshd",
    "run ufw status",
    "run ufw show added",
    "run ufw",
    "run ss",
    "run systemctl",
    "run nproc",
    "run dpkg",
    "run docker",
    "accounts",
    "hostname",
    "file /etc/os-release",
    "file /proc/meminfo",
    "file /proc/swaps",
    "file /proc/sys/kernel/random/boot_id",
    "file /etc/fstab",
    "file /etc/hosts",
    "file /etc/hostname",
    "file /etc/shadow",
    "file /etc/ssh/sshd_config.d/",
    "list /etc/ssh/sshd_config.d",
    "list /etc/sudoers.d",
    "file /etc/sudoers.d/",
    "file /root/.ssh/authorized_keys",
    "file /home/alice/.credentials",
    "file /sys/class/dmi/id/sys_vendor",
    "file /etc/apt/sources.list.d/docker.list",
    "file /var/lib/tootstrap/stamps/",
    "without",
];

pub fn run(data: &[u8]) {
    let mut trial = Trial::new(data, &SLOTS, 10);
    if let Some(facts) = trial.next().and_then(|machine| wait(facts::gather(&machine)).ok()) {
        let _sizes = tootstrap::sizing::Sizing::of(&facts);
        assert!(facts.notes(true, "2026-11-23".parse().expect("a day")).iter().all(|note| !note.is_empty()));
    }
    let alice: UserName = "alice".parse().expect("a name");
    for disable_root in [false, true] {
        trial.converge(&SshPolicy::new(disable_root, Some(alice.clone())));
    }
    trial.converge(&Firewall::new(&[22]));
    trial.converge(&Unit::running(["docker.service", "fail2ban.service"]));
    trial.converge(&Unit::enabled(["tootstrap-resume.service"]));
    trial.converge(&SwapFile::for_memory(1 << 30).expect("a small machine"));
    trial.converge(&Hostname::new("social.fedi-test.org".parse().expect("a name")));
    trial.converge(&SudoUser::new(alice.clone(), "password".into()));
    if let Some(machine) = trial.next() {
        credentials(&machine, alice);
    }
}

/// What the operator wrote into the file stays, byte for byte and in its order; only our own lines may be others.
fn credentials(machine: &Machine, alice: UserName) {
    use std::path::Path;

    use tootstrap::host::Probe;
    let read = || wait(machine.read(Path::new("/home/alice/.credentials"))).ok().flatten().unwrap_or_default();
    let before = read();
    converge(machine, &Credentials::new("Alice", "a@b.org", "password".into(), Some((alice, "password".into()))));
    let after = read();
    assert!(not_ours(&before).eq(not_ours(&after)), "{} became {}", before.escape_ascii(), after.escape_ascii());
}

/// The lines that do not begin with a label of ours.
fn not_ours(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ours = ["Sudo Username: ", "Sudo Password: ", "Owner Username: ", "Owner Email: ", "Owner Password: "];
    let lines = text.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line));
    lines.filter(move |line| !ours.iter().any(|label| line.starts_with(label.as_bytes())))
}
