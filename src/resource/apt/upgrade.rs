//! One full upgrade.

use std::fmt;

use anyhow::Context;
use async_trait::async_trait;

use super::{apt_get, run_locked, tail};
use crate::host::{Host, Probe};
use crate::report::WithRemedy;
use crate::resource::{Drift, Lock, Resource, stamp};

const STAMP: &str = "apt/upgrade";

/// Every package upgraded, once: later upgrades are unattended-upgrades'. What the mirror lists but no longer has is left out.
pub struct Upgrade;

impl fmt::Display for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("once: upgrade of all packages")
    }
}

#[async_trait]
impl Resource for Upgrade {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let done = stamp::read(host, STAMP).await?.is_some();
        Ok(if done { Drift::none() } else { Drift::to_do("upgrade all packages") })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let upgrade = apt_get().arg("full-upgrade");
        if let Err(error) = run_locked(host, &upgrade).await {
            if !tail(&error).iter().any(|line| line.contains("Failed to fetch") || line.contains("Unable to fetch")) {
                return Err(error).context("packages cannot be upgraded").remedy("run `apt-get full-upgrade` by hand, then run this again");
            }
            log::warn!("some upgrades cannot be fetched and are left out: {error}");
            run_locked(host, &upgrade.arg("--fix-missing")).await.context("packages cannot be upgraded")?;
        }
        stamp::write(host, STAMP, "done").await
    }

    fn lock(&self) -> Option<Lock> {
        Some(Lock::Apt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    fn upgrades(log: &[String]) -> Vec<&str> {
        log.iter().filter_map(|line| line.split_once("full-upgrade").map(|(_, options)| options.trim())).collect()
    }

    #[tokio::test]
    async fn once() {
        let host = FakeHost::debian();
        assert_eq!(upgrades(&converge(&host, &Upgrade).await), [""]);
        assert!(converge(&host, &Upgrade).await.is_empty());
    }

    #[tokio::test]
    async fn what_is_gone_is_left_out() {
        let host = FakeHost::debian();
        host.machine().apt.gone.insert("linux-image-cloud-amd64=5.10".into());
        assert_eq!(upgrades(&converge(&host, &Upgrade).await), ["", "--fix-missing"]);
    }
}
