//! `iptables` and `ip6tables`.

use super::{Cmd, Machine, Reply};

/// The packet filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Netfilter {
    /// `iptables -t raw PREROUTING …`.
    pub(crate) rules: Vec<String>,
}

impl Netfilter {
    /// What the commands of a unit's `ExecStart` lines add.
    pub(super) fn start(&mut self, unit: &str) {
        let commands = unit.lines().filter_map(|line| line.strip_prefix("ExecStart=")).map(|line| line.trim_start_matches('-'));
        let added = commands.filter_map(|command| command.strip_prefix("/usr/sbin/")?.split_once(" -w -t raw -A "));
        self.rules.extend(added.map(|(program, rule)| format!("{program} -t raw {rule}")));
    }
}

/// Simulates the programs.
pub(super) fn programs(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    match cmd.argv().as_slice() {
        [program @ ("iptables" | "ip6tables"), "-w", "-t", "raw", "-C", rule @ ..] => {
            let wanted = format!("{program} -t raw {}", rule.join(" "));
            Some(if machine.netfilter.rules.contains(&wanted) {
                Reply::read("")
            } else {
                Reply::read("").status(1, format!("{program}: Bad rule (does a matching rule exist in that chain?)."))
            })
        }
        _ => None,
    }
}
