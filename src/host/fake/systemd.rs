//! systemd.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Cmd, Machine, Reply};

/// Units and their states.
#[derive(Clone, Debug, Default)]
pub(crate) struct Systemd {
    pub(crate) units: BTreeMap<String, FakeUnit>,
    /// Times that a unit was started, restarted or reloaded: `reload ssh.service`.
    pub(crate) deeds: Vec<String>,
}

/// One unit.
#[derive(Clone, Debug)]
pub(crate) struct FakeUnit {
    pub(crate) enabled: bool,
    /// `active`, `inactive` or `failed`.
    pub(crate) active: &'static str,
    /// Its file changed since systemd read it.
    pub(crate) stale: bool,
}

impl Systemd {
    /// A unit that is enabled and active, or neither.
    pub(crate) fn add(&mut self, name: &str, on: bool) {
        self.units.insert(name.into(), FakeUnit { enabled: on, active: if on { "active" } else { "inactive" }, stale: false });
    }
}

/// Simulates `systemctl`. A unit exists once its file lies in `/etc/systemd/system`, or a package brought it.
pub(super) fn systemctl(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    match cmd.argv().as_slice() {
        ["systemctl", "show", property, "--", units @ ..] if property.starts_with("--property=") => {
            let blocks: Vec<_> = units.iter().map(|unit| show(machine, unit)).collect();
            Some(Reply::read(blocks.join("\n")))
        }
        ["systemctl", "daemon-reload"] => {
            machine.systemd.units.values_mut().for_each(|unit| unit.stale = false);
            Some(Reply::changed(""))
        }
        ["systemctl", "stop", "docker.socket", units @ ..] => {
            units.iter().map(|unit| change(machine, "stop", false, unit)).last().flatten()
        }
        // It wants containerd, which therefore starts with it.
        ["systemctl", "start", unit @ "docker.service"] if machine.systemd.units.contains_key("containerd.service") => {
            change(machine, "start", false, "containerd.service")?;
            change(machine, "start", false, unit)
        }
        ["systemctl", verb, unit] => Some(change(machine, verb, false, unit)?),
        ["systemctl", "start", "--no-block", unit] => Some(change(machine, "start", false, unit)?),
        ["systemctl", verb, "--now", unit] => Some(change(machine, verb, true, unit)?),
        _ => None,
    }
}

fn show(machine: &Machine, name: &str) -> String {
    let on_disk = machine.nodes.contains_key(&Path::new("/etc/systemd/system").join(name));
    let (load, file, active, stale) = match machine.systemd.units.get(name) {
        Some(unit) => ("loaded", if unit.enabled { "enabled" } else { "disabled" }, unit.active, unit.stale),
        None if on_disk => ("loaded", "disabled", "inactive", false),
        None => ("not-found", "", "inactive", false),
    };
    let stale = if stale { "yes" } else { "no" };
    format!("LoadState={load}\nActiveState={active}\nUnitFileState={file}\nNeedDaemonReload={stale}\n")
}

fn change(machine: &mut Machine, verb: &str, now: bool, name: &str) -> Option<Reply> {
    if !matches!(verb, "enable" | "disable" | "start" | "stop" | "restart" | "reload" | "try-restart" | "try-reload-or-restart") {
        return None;
    }
    // A file that systemd has not yet looked at is loaded when it is named.
    if machine.nodes.contains_key(&Path::new("/etc/systemd/system").join(name)) && !machine.systemd.units.contains_key(name) {
        machine.systemd.add(name, false);
    }
    let Some(unit) = machine.systemd.units.get_mut(name) else {
        return Some(Reply::changed("").status(1, format!("Failed to {verb} unit: Unit file {name} does not exist.")));
    };
    match verb {
        "enable" => unit.enabled = true,
        "disable" => unit.enabled = false,
        _ => {}
    }
    match (verb, now) {
        ("start" | "restart", _) | ("enable", true) => unit.active = "active",
        ("stop", _) | ("disable", true) => unit.active = "inactive",
        _ => {}
    }
    if matches!(verb, "start" | "restart") || now {
        let file = machine.text(Path::new("/etc/systemd/system").join(name));
        machine.netfilter.start(&file);
        if name == "docker.service" {
            machine.docker_starts();
        }
    }
    machine.systemd.deeds.push(format!("{verb} {name}"));
    Some(Reply::changed(""))
}
