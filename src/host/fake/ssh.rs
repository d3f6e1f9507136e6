//! `sshd`, the sockets that listen, and what else tells of the machine.

use super::{Cmd, Machine, Reply};

/// The SSH server.
#[derive(Clone, Debug)]
pub(crate) struct Ssh {
    /// Ports of its configuration.
    pub(crate) ports: Vec<u16>,
    /// Listening sockets as `ss` tells of them: `0.0.0.0:22 users:(("sshd"))`.
    pub(crate) listening: Vec<String>,
}

impl Default for Ssh {
    fn default() -> Self {
        Self { ports: vec![22], listening: vec!["0.0.0.0:22 users:((\"sshd\"))".into()] }
    }
}

/// Simulates `sshd`, `ss` and `nproc`.
pub(super) fn programs(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    match cmd.argv().as_slice() {
        ["sshd", "-T"] => {
            let ports: String = machine.ssh.ports.iter().map(|port| format!("port {port}\n")).collect();
            Some(Reply::read(ports))
        }
        ["ss", "-H", "-l", "-t", "-n", "-p"] => {
            let line = |socket: &String| socket.replacen(' ', " 0.0.0.0:* ", 1);
            let lines: Vec<_> = machine.ssh.listening.iter().map(line).collect();
            Some(Reply::read(lines.iter().map(|line| format!("LISTEN 0 128 {line}\n")).collect::<String>()))
        }
        ["nproc"] => Some(Reply::read("1\n")),
        _ => None,
    }
}
