//! What everything else stands on: this program, its records, packages, swap, the sudo user.

use std::time::Duration;

use super::{Inputs, Patience, Plan, StepRef};
use crate::facts::{DOCKER_IS_OURS, Release};
use crate::host::Access;
use crate::resource::apt::{Index, Key, Packages, Repository};
use crate::resource::{Agent, Directory, File, SudoUser, SwapFile, Unit};
use crate::{resume, settings};

/// Docker's own key, with the fingerprint that [`crate::settings::DockerRepository`] has by default.
const DOCKER_KEY: &str = include_str!("../../assets/docker-apt-key.asc");

/// Mirrors hiccup, and apt itself takes a 503 for final.
pub(super) const MIRRORS: Patience = Patience::settle(Duration::ZERO, Duration::from_secs(5)).tries(3);

/// Steps that others name.
#[derive(Clone, Copy, Debug)]
pub struct Base {
    /// The program is installed and has written down what was asked for.
    pub records: StepRef,
    /// Docker and the tools that this program uses are installed.
    pub packages: StepRef,
    /// There is enough swap. `None`: enough memory.
    pub swap: Option<StepRef>,
    /// The sudo user exists. `None`: none was asked for.
    pub user: Option<StepRef>,
}

/// Adds the steps.
pub fn add(plan: &mut Plan, with: &Inputs) -> Base {
    let records = records(plan, with);
    let packages = packages(plan, with, records);
    let swap = SwapFile::for_memory(with.facts.memory).map(|swap| plan.step("base/swap", swap).add());
    let user = with.sudo().map(|(name, password)| plan.step("base/user", SudoUser::new(name, password)).add());
    Base { records, packages, swap, user }
}

fn records(plan: &mut Plan, with: &Inputs) -> StepRef {
    let agent = plan.step("base/agent", Agent).add();
    let directory = plan.step("base/directory", Directory::new("/etc/tootstrap", Access::root(0o700))).add();
    let settings = File::text(settings::RECORDED, settings::record(&with.settings), Access::root(0o600));
    let records = plan.step("base/settings", settings).needs([agent, directory]).add();
    let unit = File::text(resume::UNIT_PATH, resume::UNIT_FILE, Access::root(0o644));
    let unit = plan.step("base/resume-unit", unit).needs([records]).add();
    plan.step("base/resume", Unit::enabled([resume::UNIT])).needs([unit]).add();
    records
}

fn packages(plan: &mut Plan, with: &Inputs, records: StepRef) -> StepRef {
    let mut needs = vec![records];
    let mut repositories = Vec::new();
    if !with.facts.docker_packages.is_empty() {
        needs.push(plan.step("base/docker-source", docker_repository(with)).needs([records]).add());
        repositories.push(with.settings.docker_repository.url.clone());
    }
    let index = plan.step("base/index", Index::new(with.facts.release, repositories)).needs(needs).patience(MIRRORS).add();
    plan.step("base/packages", Packages::new("base", needed(with))).needs([index]).patience(MIRRORS).add()
}

fn docker_repository(with: &Inputs) -> Repository {
    let wanted = &with.settings.docker_repository;
    let plugin_only = "# tootstrap installs Docker's Compose plugin from here";
    Repository {
        name: "docker",
        comment: if with.facts.foreign_docker { plugin_only } else { DOCKER_IS_OURS }.into(),
        url: wanted.url.clone(),
        architecture: with.facts.architecture.clone(),
        suite: format!("{} stable", with.facts.release.codename()),
        key: wanted.key_file.clone().map_or(Key::Bundled(DOCKER_KEY), Key::File),
        fingerprint: wanted.fingerprint.clone(),
    }
}

/// Every package.
pub(crate) fn package_names(with: &Inputs) -> Vec<String> {
    needed(with).into_iter().chain(hardening(with)).collect()
}

/// What Mastodon waits for: Docker, and no more. The pulls begin as soon as it is there.
fn needed(with: &Inputs) -> Vec<String> {
    let (facts, settings) = (&with.facts, &with.settings);
    let mut names = vec!["ca-certificates"];
    if settings.sudo_user.is_some() {
        names.push("sudo");
    }
    if !facts.foreign_docker {
        // Images unpack faster with it.
        names.push("pigz");
    }
    names.into_iter().map(String::from).chain(facts.docker_packages.iter().cloned()).collect()
}

/// What guards the machine. It is unpacked while images are pulled.
pub(super) fn hardening(with: &Inputs) -> Vec<String> {
    if !with.settings.harden {
        return Vec::new();
    }
    let mut names = vec!["fail2ban", "python3-systemd", "unattended-upgrades"];
    if with.facts.release == Release::Trixie {
        // fail2ban's way to ban there, which it only recommends.
        names.push("nftables");
    }
    if with.facts.foreign_firewall.is_none() {
        names.push("ufw");
    }
    names.into_iter().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(with: &Inputs) -> Vec<String> {
        let mut plan = Plan::default();
        add(&mut plan, with);
        plan.steps().iter().map(|step| format!("{}: {}", step.id, step.resource)).collect()
    }

    #[test]
    fn a_small_fresh_machine() {
        let expected = [
            "base/agent: program /usr/local/bin/tootstrap",
            "base/directory: directory /etc/tootstrap",
            "base/settings: file /etc/tootstrap/settings.toml",
            "base/resume-unit: file /etc/systemd/system/tootstrap-resume.service",
            "base/resume: unit tootstrap-resume.service",
            "base/docker-source: repository docker (https://download.docker.com/linux/debian)",
            "base/index: index of Debian 11's packages",
            "base/packages: packages ca-certificates sudo pigz docker-ce docker-ce-cli containerd.io docker-compose-plugin",
            "base/swap: swap of 2048 MB",
            "base/user: sudo user alice",
        ];
        assert_eq!(ids(&Inputs::sample()), expected);
    }

    #[test]
    fn a_big_machine_with_docker_and_firewall_of_its_owner() {
        let mut with = Inputs::sample();
        with.facts.memory = 16 << 30;
        with.facts.foreign_docker = true;
        with.facts.docker_packages.clear();
        with.facts.foreign_firewall = Some("firewalld".into());
        with.settings.sudo_user = None;
        let expected = [
            "base/agent: program /usr/local/bin/tootstrap",
            "base/directory: directory /etc/tootstrap",
            "base/settings: file /etc/tootstrap/settings.toml",
            "base/resume-unit: file /etc/systemd/system/tootstrap-resume.service",
            "base/resume: unit tootstrap-resume.service",
            "base/index: index of Debian 11's packages",
            "base/packages: packages ca-certificates",
        ];
        assert_eq!(ids(&with), expected);
    }
}
