//! Packages and power cuts.
//!
//! dpkg syncs what it unpacks and its own records, not what the scripts of packages write (by ucf, for instance, `/etc/ufw/before.rules`): after
//! a power cut a package can count as configured and lack such files. So a stamp says, from before packages are installed until all of it is on
//! the disk, in which boot that was and which packages were there before. All others are installed again then.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};

use super::super::stamp;
use super::super::unsynced::Unsynced;
use crate::host::{Cmd, Host, Probe};

/// Where packages write.
const WRITTEN: [&str; 3] = ["/etc", "/usr", "/var"];

/// One transaction, by the name of its stamp.
pub(super) struct Installing(String);

impl Installing {
    pub(super) fn new(group: &str) -> Self {
        Self(format!("{group}/installing"))
    }

    /// Whether not all that was installed is on the disk for certain.
    pub(super) async fn is_begun(&self, host: &dyn Probe) -> anyhow::Result<bool> {
        Ok(Unsynced::read(host, &self.0).await?.is_some())
    }

    /// Packages that were installed in a boot that ended before they were on the disk for certain, and those that it left half installed: no
    /// other is configured before these are unpacked again.
    pub(super) async fn torn(&self, host: &dyn Probe) -> anyhow::Result<Vec<String>> {
        match Unsynced::read(host, &self.0).await? {
            Some(begun) if begun.is_of_another_boot(host).await? => {
                let mut torn = packages(host, HALF_INSTALLED).await?;
                torn.extend(packages(host, INSTALLED).await?.difference(&begun.names).cloned());
                Ok(torn.into_iter().collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// What is torn was installed again.
    pub(super) async fn begin(&self, host: &dyn Host) -> anyhow::Result<()> {
        let names = match Unsynced::read(host.probe(), &self.0).await? {
            Some(begun) => begun.names,
            None => packages(host.probe(), INSTALLED).await?,
        };
        Unsynced { boot: stamp::boot(host.probe()).await?, names }.write(host, &self.0).await
    }

    pub(super) async fn end(&self, host: &dyn Host) -> anyhow::Result<()> {
        host.run(&Cmd::new("sync").arg("--file-system").args(WRITTEN)).await?;
        stamp::remove(host, &self.0).await
    }
}

/// The second letter of dpkg's status abbreviations.
const INSTALLED: char = 'i';
const HALF_INSTALLED: char = 'H';

/// Packages of which dpkg says so.
async fn packages(host: &dyn Probe, status: char) -> anyhow::Result<BTreeSet<String>> {
    let query = Cmd::new("dpkg-query").args(["-W", "-f=${binary:Package}\\t${db:Status-Abbrev}\\n"]);
    let output = host.query(&query).await.context("cannot ask dpkg for its packages")?;
    // Nothing would count as installed before, and so everything as torn.
    ensure!(output.success(), "dpkg does not list its packages: {}", output.stderr.trim());
    let lines = output.stdout.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines.filter(|(_, told)| told.chars().nth(1) == Some(status)).map(|(name, _)| name.to_owned()).collect())
}
