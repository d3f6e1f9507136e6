//! The hardening group: on for fresh machines, asked for elsewhere.

use askama::Template;

use super::base::{self, Base};
use super::{Inputs, Patience, Plan, StepRef};
use crate::host::{Access, Cmd};
use crate::resource::apt::{Packages, Upgrade};
use crate::resource::{DROP_IN, File, Firewall, Hostname, Reload, SshPolicy, Unit};

const JAIL: &str = "/etc/fail2ban/jail.d/tootstrap.conf";

#[derive(Template)]
#[template(path = "hardening/fail2ban.conf", escape = "none")]
struct Jail {
    ports: String,
}

/// Adds the steps, if the settings ask for them. Nothing of Mastodon's waits for any of them.
pub fn add(plan: &mut Plan, with: &Inputs, base: &Base) {
    if !with.settings.harden {
        return;
    }
    plan.step("host/name", Hostname::new(with.settings.site.clone())).add();
    let packages = Packages::new("host", base::hardening(with));
    let packages = plan.step("host/packages", packages).needs([base.packages]).patience(base::MIRRORS).add();
    upgrades(plan, with, packages);
    if !with.facts.ssh_ports.is_empty() {
        ssh(plan, with, base);
        fail2ban(plan, with, packages);
    }
    if with.facts.foreign_firewall.is_none() {
        plan.step("firewall/ufw", Firewall::new(&with.facts.ssh_ports)).needs([packages]).add();
    }
    motd(plan, base);
}

fn upgrades(plan: &mut Plan, with: &Inputs, packages: StepRef) {
    let periodic = include_str!("../../assets/hardening/20auto-upgrades");
    let file = File::text("/etc/apt/apt.conf.d/20auto-upgrades", periodic, Access::root(0o644));
    plan.step("host/unattended-upgrades", file).needs([packages]).add();
    if !with.facts.foreign_docker {
        // An upgrade of somebody else's Docker would restart their containers.
        plan.step("host/upgrade", Upgrade).needs([packages]).add();
    }
}

fn ssh(plan: &mut Plan, with: &Inputs, base: &Base) {
    // Twice: what sshd then really does can change the judgement once.
    let policy = plan.step("ssh/policy", SshPolicy::new(with.settings.disable_root, with.settings.sudo_user.clone())).needs(base.user);
    let policy = policy.patience(Patience::default().tries(2)).add();
    let reload = Reload::new("ssh/reload", "sshd", [DROP_IN])
        .run(Cmd::new("sshd").arg("-t"))
        .run(Cmd::new("systemctl").args(["try-reload-or-restart", "ssh.service"]));
    plan.step("ssh/reload", reload).needs([policy]).add();
}

fn fail2ban(plan: &mut Plan, with: &Inputs, packages: StepRef) {
    let ports: Vec<_> = with.facts.ssh_ports.iter().map(ToString::to_string).collect();
    let jail = Jail { ports: ports.join(",") }.render().expect("a template of numbers");
    let file = plan.step("fail2ban/jail", File::text(JAIL, jail, Access::root(0o644))).needs([packages]).add();
    let restart = Reload::new("fail2ban/restart", "fail2ban", [JAIL]).run(Cmd::new("systemctl").args(["restart", "fail2ban.service"]));
    let restarted = plan.step("fail2ban/restart", restart).needs([file]).add();
    plan.step("fail2ban/service", Unit::running(["fail2ban.service"])).needs([restarted]).patience(super::STARTS).add();
}

/// The message of the day is written by a timer: logging in runs nothing.
fn motd(plan: &mut Plan, base: &Base) {
    let units = Access::root(0o644);
    let service = include_str!("../../assets/systemd/tootstrap-status.service");
    let timer = include_str!("../../assets/systemd/tootstrap-status.timer");
    let service = File::text("/etc/systemd/system/tootstrap-status.service", service, units);
    let timer = File::text("/etc/systemd/system/tootstrap-status.timer", timer, units);
    let service = plan.step("motd/service", service).needs([base.records]).add();
    let timer = plan.step("motd/timer", timer).needs([service]).add();
    plan.step("motd/hourly", Unit::running(["tootstrap-status.timer"])).needs([timer]).patience(super::STARTS).add();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::base;

    fn ids(with: &Inputs) -> Vec<String> {
        let mut plan = Plan::default();
        let base = base::add(&mut plan, with);
        let before = plan.steps().len();
        add(&mut plan, with, &base);
        plan.steps()[before..].iter().map(|step| format!("{}: {}", step.id, step.resource)).collect()
    }

    #[test]
    fn a_fresh_machine() {
        let mut with = Inputs::sample();
        with.facts.ssh_ports = vec![22, 2222];
        let expected = [
            "host/name: hostname social",
            "host/packages: packages fail2ban python3-systemd unattended-upgrades ufw",
            "host/unattended-upgrades: file /etc/apt/apt.conf.d/20auto-upgrades",
            "host/upgrade: once: upgrade of all packages",
            "ssh/policy: who may log in over SSH (/etc/ssh/sshd_config.d/00-tootstrap.conf)",
            "ssh/reload: reload of sshd",
            "fail2ban/jail: file /etc/fail2ban/jail.d/tootstrap.conf",
            "fail2ban/restart: reload of fail2ban",
            "fail2ban/service: unit fail2ban.service",
            "firewall/ufw: firewall with 22/tcp, 2222/tcp, 80/tcp, 443/tcp, 443/udp open",
            "motd/service: file /etc/systemd/system/tootstrap-status.service",
            "motd/timer: file /etc/systemd/system/tootstrap-status.timer",
            "motd/hourly: unit tootstrap-status.timer",
        ];
        assert_eq!(ids(&with), expected);
    }

    #[test]
    fn what_belongs_to_the_owner_is_left() {
        let mut with = Inputs::sample();
        with.facts.foreign_docker = true;
        with.facts.foreign_firewall = Some("nftables".into());
        with.facts.ssh_ports.clear();
        let expected = ["host/name", "host/packages", "host/unattended-upgrades", "motd/service", "motd/timer", "motd/hourly"];
        let found = ids(&with);
        assert_eq!(found.iter().filter_map(|id| id.split(':').next()).collect::<Vec<_>>(), expected);
        with.settings.harden = false;
        assert!(ids(&with).is_empty());
    }

    #[test]
    fn the_jail_guards_the_ports_of_sshd() {
        let jail = Jail { ports: "22,2222".into() }.render().unwrap();
        assert!(jail.contains("\n[sshd]\nenabled = true\nbackend = systemd\nport = 22,2222\nignoreip = 127.0.0.1/8 ::1"), "{jail}");
    }
}
