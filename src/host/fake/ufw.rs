//! `ufw` and `hostname`.

use super::{Cmd, Machine, Reply};

/// The firewall.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ufw {
    pub(crate) active: bool,
    /// As `ufw show added` tells them, without `ufw`.
    pub(crate) rules: Vec<String>,
    /// `prepend` says yes and changes nothing.
    pub(crate) ignores_prepend: bool,
}

/// Simulates the programs.
pub(super) fn programs(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    match cmd.argv().as_slice() {
        ["ufw", "status"] => Some(Reply::read(if machine.ufw.active { "Status: active\n" } else { "Status: inactive\n" })),
        ["ufw", "show", "added"] => {
            let rules: Vec<_> = machine.ufw.rules.iter().map(|rule| format!("ufw {rule}\n")).collect();
            Some(Reply::read(format!("Added user rules (see 'ufw status' for running firewall):\n{}", rules.concat())))
        }
        ["ufw", "allow", port] => {
            // A rule for the same gets the new action where it stands.
            match machine.ufw.rules.iter_mut().find(|rule| rule.split(' ').nth(1) == Some(port)) {
                Some(rule) => *rule = format!("allow {port}"),
                None => machine.ufw.rules.push(format!("allow {port}")),
            }
            Some(Reply::changed(""))
        }
        ["ufw", "delete", "allow", port] => {
            machine.ufw.rules.retain(|rule| *rule != format!("allow {port}"));
            Some(Reply::changed("Could not delete non-existent rule\n"))
        }
        ["ufw", "prepend", "allow", port] => {
            if !machine.ufw.ignores_prepend {
                machine.ufw.rules.insert(0, format!("allow {port}"));
            }
            Some(Reply::changed(""))
        }
        ["ufw", "--force", "enable"] => {
            machine.ufw.active = true;
            Some(Reply::changed(""))
        }
        ["hostname", name] => {
            machine.hostname = (*name).into();
            Some(Reply::changed(""))
        }
        _ => None,
    }
}
