//! Packages, installed in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Context;
use async_trait::async_trait;

use super::installing::Installing;
use super::{LISTS, apt_get, run_locked, tail};
use crate::host::{Cmd, Host, HostError, Probe};
use crate::report::WithRemedy;
use crate::resource::{Drift, Lock, Resource, is_stop};

/// Packages that shall be installed, whatever their version. Recommended packages are not: what is needed is named.
pub struct Packages {
    names: Vec<String>,
    installing: Installing,
}

impl Packages {
    /// These packages, in one transaction. `group`: of the step, which its stamp is named by.
    pub fn new(group: &str, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), installing: Installing::new(group) }
    }
}

/// Names that are not completely installed, each with dpkg's second status letter if dpkg knows it.
pub(super) async fn missing(host: &dyn Probe, names: &[String]) -> anyhow::Result<Vec<(String, Option<char>)>> {
    let query = Cmd::new("dpkg-query").args(["-W", "-f=${Package}\\t${db:Status-Abbrev}\\n"]).args(names);
    let output = host.query(&query).await.context("cannot ask dpkg for its packages")?;
    // Its exit status is 1 if one of them was never installed.
    let statuses: BTreeMap<_, _> = output.stdout.lines().filter_map(|line| line.split_once('\t')).collect();
    let status = |name: &String| statuses.get(name.as_str()).and_then(|status| status.chars().nth(1));
    let all = names.iter().map(|name| (name.clone(), status(name)));
    Ok(all.filter(|(_, status)| *status != Some('i')).collect())
}

impl fmt::Display for Packages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "packages {}", self.names.join(" "))
    }
}

#[async_trait]
impl Resource for Packages {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        let torn = self.installing.torn(host).await?;
        if !torn.is_empty() {
            drift.push_do(format!("install again what a power cut may have torn: {}", torn.join(" ")));
        } else if self.installing.is_begun(host).await? {
            drift.push_do("write what was installed to the disk");
        }
        let (new, broken): (Vec<_>, Vec<_>) =
            missing(host, &self.names).await?.into_iter().partition(|(_, status)| matches!(status, None | Some('n' | 'c')));
        let names = |packages: Vec<(String, _)>| packages.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ");
        if !new.is_empty() {
            drift.push_do(format!("install {}", names(new)));
        }
        if !broken.is_empty() {
            drift.push_do(format!("finish the installation of {}", names(broken)));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let torn = self.installing.torn(host.probe()).await?;
        if !torn.is_empty() {
            // What ucf put there and dpkg's own configuration files come back only if asked for.
            let again = apt_get().args(["-o", "Dpkg::Options::=--force-confmiss"]).env("UCF_FORCE_CONFFMISS", "1");
            Installation::new(host, again.args(["install", "--reinstall", "--no-install-recommends"]), torn).run().await?;
        }
        self.installing.begin(host).await?;
        let missing: Vec<_> = missing(host.probe(), &self.names).await?.into_iter().map(|(name, _)| name).collect();
        let install = apt_get().args(["install", "--no-install-recommends"]);
        let done = if missing.is_empty() { Ok(()) } else { Installation::new(host, install, missing).run().await };
        if done.as_ref().is_err_and(is_stop) {
            return done;
        }
        // Also after a failure: what others install from here on is none of this.
        let ended = self.installing.end(host).await;
        done.and(ended)
    }

    fn lock(&self) -> Option<Lock> {
        Some(Lock::Apt)
    }
}

/// One attempt after another, each with what the last one taught.
struct Installation<'a> {
    host: &'a dyn Host,
    /// The command without the names.
    install: Cmd,
    names: Vec<String>,
    /// Versions chosen because the newest cannot be fetched.
    versions: BTreeMap<String, String>,
    /// Package and version (without epoch) that the mirror lists but no longer has.
    gone: BTreeSet<(String, String)>,
    updated: bool,
    fetched_anew: bool,
    repaired: bool,
}

/// What apt says when its index lists less than the mirror has: out of date, or torn by a power cut.
const POOR_INDEX: [&str; 2] = ["Unable to locate package", "has no installation candidate"];
/// What it says when a power cut tore the index or what it keeps of it; `update` may take a torn index for a current one.
const TORN_INDEX: [&str; 5] = [
    "needs to be reinstalled, but I can't find an archive for it",
    "The package lists or status file could not be parsed",
    "Problem with MergeList",
    "you have held broken packages",
    "Unable to correct problems",
];

impl<'a> Installation<'a> {
    fn new(host: &'a dyn Host, install: Cmd, names: Vec<String>) -> Self {
        let (versions, gone) = (BTreeMap::new(), BTreeSet::new());
        Self { host, install, names, versions, gone, updated: false, fetched_anew: false, repaired: false }
    }

    async fn run(mut self) -> anyhow::Result<()> {
        while let Err(error) = run_locked(self.host, &self.command()).await {
            self.learn(error).await?;
        }
        Ok(())
    }

    fn command(&self) -> Cmd {
        let newest = self.names.iter().filter(|name| !self.versions.contains_key(*name)).cloned();
        let chosen = self.versions.iter().map(|(name, version)| format!("{name}={version}"));
        self.install.clone().args(newest).args(chosen)
    }

    /// Does something about a failure, or returns it.
    async fn learn(&mut self, error: HostError) -> anyhow::Result<()> {
        let says = |texts: &[&str]| tail(&error).iter().any(|line| texts.iter().any(|text| line.contains(text)));
        if !self.repaired && says(&["dpkg --configure -a", "--fix-broken", "apt --fix-broken install"]) {
            self.repaired = true;
            return repair(self.host).await;
        }
        let lost = lost_files(tail(&error));
        let (poor, torn) = (says(&POOR_INDEX), says(&TORN_INDEX));
        if !self.fetched_anew && (torn || poor && self.updated) {
            self.fetched_anew = true;
            log::warn!("the index of packages is damaged and is fetched anew: {error}");
            return fetch_anew(self.host).await;
        }
        if !self.updated && (!lost.is_empty() || poor) {
            self.updated = true;
            return Ok(update(self.host).await?);
        }
        if lost.is_empty() && says(&["Failed to fetch"]) {
            let remedy = "the mirror or the way to it is in trouble: run this again later, or use another mirror in /etc/apt/sources.list";
            return Err(error).context("packages cannot be fetched").remedy(remedy);
        }
        if lost.is_empty() {
            return Err(error).context("packages cannot be installed").remedy("look at the lines above, put apt in order, run this again");
        }
        let known = self.gone.len();
        self.gone.extend(lost.iter().cloned());
        if self.gone.len() == known {
            let error = anyhow::Error::from(error).context("the mirror lists packages that it does not have, and apt asks for no others");
            return Err(error).remedy("use another mirror in /etc/apt/sources.list, or another Debian release, and run this again");
        }
        for (package, _) in lost {
            let is_it = |name: &String| name.split(':').next() == Some(package.as_str());
            if self.names.iter().any(is_it) && missing(self.host.probe(), std::slice::from_ref(&package)).await?.is_empty() {
                log::warn!("the mirror no longer has {package}, which is installed and stays as it is");
                self.names.retain(|name| !is_it(name));
                continue;
            }
            let next = self.next_version(&package).await?;
            let Some(next) = next else {
                return Err(error)
                    .with_context(|| format!("the mirror lists {package} but has no version of it any more"))
                    .remedy("use another mirror in /etc/apt/sources.list, or another Debian release, and run this again");
            };
            log::warn!("the mirror no longer has the newest version of {package}: {next} is installed instead");
            self.versions.insert(package, next);
        }
        Ok(())
    }

    /// The newest version that is not known to be gone.
    async fn next_version(&self, package: &str) -> anyhow::Result<Option<String>> {
        let output = self.host.query(&Cmd::new("apt-cache").args(["madison", package])).await?;
        let versions = output.stdout.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
        let is_gone = |version: &str| self.gone.contains(&(package.to_owned(), without_epoch(version).to_owned()));
        Ok(versions.into_iter().find(|version| !is_gone(version)).map(str::to_owned))
    }
}

/// A source that fails and is not needed does not matter; one that is needed shows in what follows.
async fn update(host: &dyn Host) -> Result<(), HostError> {
    attempt(host, &apt_get().arg("update")).await
}

/// Runs a command whose failure shows in what follows. Only a stop is an error.
async fn attempt(host: &dyn Host, cmd: &Cmd) -> Result<(), HostError> {
    match run_locked(host, cmd).await {
        Err(HostError::Stopped) => Err(HostError::Stopped),
        Err(error) => {
            log::warn!("{error}");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// Removes the index and what apt made of it, and fetches it: all of it can be had again.
async fn fetch_anew(host: &dyn Host) -> anyhow::Result<()> {
    host.run(&Cmd::new("find").args([LISTS, "-type", "f", "-not", "-name", "lock", "-delete"])).await?;
    run_locked(host, &apt_get().arg("clean")).await?;
    Ok(update(host).await?)
}

/// Finishes what an interrupted dpkg left half done.
async fn repair(host: &dyn Host) -> anyhow::Result<()> {
    let configure = Cmd::new("dpkg").args(["--force-confdef", "--force-confold", "--configure", "-a"]);
    // What this cannot configure may be missing a dependency, which the next command brings.
    attempt(host, &configure).await?;
    run_locked(host, &apt_get().args(["install", "--fix-broken"]))
        .await
        .context("an interrupted installation cannot be finished")
        .remedy("run `dpkg --configure -a` and `apt-get -f install` by hand, remove the package that they name, then run this again")?;
    Ok(())
}

/// Package and version of each file that the mirror did not have: `E: Failed to fetch http://…/sudo_1.9.5p2-3_amd64.deb  404  Not Found`.
fn lost_files(tail: &[String]) -> BTreeSet<(String, String)> {
    let failed = tail.iter().filter(|line| line.contains("Failed to fetch") && line.contains(" 404 "));
    let files = failed.filter_map(|line| line.split_whitespace().find(|word| word.contains(".deb"))?.rsplit('/').next());
    let parts = files.filter_map(|file| {
        let mut parts = file.split('_');
        Some((parts.next()?.replace("%2b", "+"), without_epoch(&parts.next()?.replace("%3a", ":").replace("%2b", "+")).to_owned()))
    });
    parts.collect()
}

fn without_epoch(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, version)| version)
}

#[cfg(test)]
mod tests;
