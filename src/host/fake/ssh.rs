//! `sshd`, the sockets that listen, and what else tells of the machine.

use std::path::Path;

use super::{Cmd, Machine, Reply};

/// The SSH server.
#[derive(Clone, Debug)]
pub(crate) struct Ssh {
    /// Ports of its configuration.
    pub(crate) ports: Vec<u16>,
    /// Listening sockets as `ss` tells of them: `tcp 0.0.0.0:22 users:(("sshd"))`.
    pub(crate) listening: Vec<String>,
    /// The main file includes `/etc/ssh/sshd_config.d`.
    pub(crate) reads_drop_ins: bool,
    /// Something in its configuration is wrong.
    pub(crate) broken: bool,
}

impl Default for Ssh {
    fn default() -> Self {
        Self { ports: vec![22], listening: vec!["tcp 0.0.0.0:22 users:((\"sshd\"))".into()], reads_drop_ins: true, broken: false }
    }
}

/// Simulates `sshd`, `ss` and `nproc`.
pub(super) fn programs(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    match cmd.argv().as_slice() {
        ["sshd", "-t"] if machine.ssh.broken => {
            Some(Reply::changed("").status(255, "/etc/ssh/sshd_config: line 7: Bad configuration option"))
        }
        ["sshd", "-t"] => Some(Reply::changed("")),
        ["sshd", "-T"] => Some(Reply::read(effective(machine, None))),
        ["sshd", "-T", "-C", connection] => {
            let user = connection.split(',').find_map(|part| part.strip_prefix("user="));
            Some(Reply::read(effective(machine, user)))
        }
        ["ss", "-H", "-l", "-t", "-n", "-p"] => {
            let tcp = machine.ssh.listening.iter().filter_map(|socket| socket.strip_prefix("tcp "));
            let lines: Vec<_> = tcp.map(|socket| format!("LISTEN 0 128 {}\n", peer(socket))).collect();
            Some(Reply::read(lines.concat()))
        }
        ["ss", "-H", "-l", "-t", "-u", "-n", "-p"] => {
            let line = |socket: &String| {
                let (kind, socket) = socket.split_once(' ').unwrap_or(("tcp", socket));
                format!("{kind} LISTEN 0 128 {}\n", peer(socket))
            };
            Some(Reply::read(machine.ssh.listening.iter().map(line).collect::<Vec<_>>().concat()))
        }
        ["nproc"] => Some(Reply::read("1\n")),
        _ => None,
    }
}

/// `ss` shows the peer between address and process.
fn peer(socket: &str) -> String {
    socket.replacen(' ', " 0.0.0.0:* ", 1)
}

/// What is in a `Match User` block of that user wins, then the first value of each key; drop-ins come first. Of `Match` only that is known.
fn effective(machine: &Machine, user: Option<&str>) -> String {
    let directory = Path::new("/etc/ssh/sshd_config.d");
    let names = if machine.ssh.reads_drop_ins { machine.children(directory) } else { Vec::new() };
    let drop_ins = names
        .iter()
        .filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "conf"))
        .map(|name| machine.text(directory.join(name)));
    let defaults = "PasswordAuthentication yes\nChallengeResponseAuthentication no\nPermitRootLogin yes\nPubkeyAuthentication yes\n\
                    AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys2\n";
    let files: Vec<_> = drop_ins.chain([defaults.to_owned()]).collect();
    let (mut matched, mut general) = (Vec::new(), Vec::new());
    for file in &files {
        let mut block = None;
        for line in file.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let Some((key, value)) = line.split_once(' ') else { continue };
            match (key, block) {
                ("Match", _) => block = Some(user.is_some_and(|user| value == format!("User {user}"))),
                (_, None) => general.push((key, value)),
                (_, Some(true)) => matched.push((key, value)),
                (_, Some(false)) => {}
            }
        }
    }
    let mut seen = Vec::new();
    let mut lines: Vec<_> = machine.ssh.ports.iter().map(|port| format!("port {port}\n")).collect();
    for (key, value) in matched.into_iter().chain(general) {
        let key = key.to_lowercase();
        if !seen.contains(&key) {
            lines.push(format!("{key} {value}\n"));
            seen.push(key);
        }
    }
    lines.concat()
}
