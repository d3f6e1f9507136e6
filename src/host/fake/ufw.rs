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
    /// Why it comes into force only in part, so that nothing is let in.
    pub(crate) refusal: Option<&'static str>,
    /// Its rules for IPv6 are not loaded.
    pub(crate) only_ipv4: bool,
}

fn chain(exists: bool) -> Reply {
    if exists { Reply::read("Chain\n") } else { Reply::read("").status(1, "No chain/target/match by that name.") }
}

/// Simulates the programs.
pub(super) fn programs(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    match cmd.argv().as_slice() {
        ["iptables", "-w", "-n", "-L", "ufw-user-input"] => Some(chain(machine.ufw.active)),
        ["ip6tables", "-w", "-n", "-L", "ufw6-user-input"] => Some(chain(machine.ufw.active && !machine.ufw.only_ipv4)),
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
        ["ufw", "--force", "disable"] => {
            machine.ufw.active = false;
            Some(Reply::changed(""))
        }
        ["ufw", "--force", "enable"] => {
            machine.ufw.active = true;
            Some(machine.ufw.refusal.map_or(Reply::changed(""), |text| Reply::changed("").status(1, text)))
        }
        ["hostname", name] => {
            machine.hostname = (*name).into();
            Some(Reply::changed(""))
        }
        _ => None,
    }
}
