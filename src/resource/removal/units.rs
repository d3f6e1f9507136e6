//! Units of ours.

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::super::{Drift, Resource};
use crate::host::{Cmd, Host, Probe};

/// None of these units: stopped, disabled, their files removed.
#[derive(Debug)]
pub struct NoUnits {
    names: &'static [&'static str],
}

impl NoUnits {
    /// By full names, timers before what they start.
    pub const fn new(names: &'static [&'static str]) -> Self {
        Self { names }
    }

    async fn there(&self, host: &dyn Probe) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
        let mut there = Vec::new();
        for name in self.names {
            let path = Path::new("/etc/systemd/system").join(name);
            if host.stat(&path).await?.is_some() {
                there.push((*name, path));
            }
        }
        Ok(there)
    }
}

impl fmt::Display for NoUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no units {}", self.names.join(", "))
    }
}

#[async_trait]
impl Resource for NoUnits {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        for (name, _) in self.there(host).await? {
            drift.push_do(format!("stop and remove unit {name}"));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        for (name, path) in self.there(host.probe()).await? {
            host.run(&Cmd::new("systemctl").args(["disable", "--now", name])).await?;
            host.remove(&path).await?;
        }
        host.run(&Cmd::new("systemctl").arg("daemon-reload")).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[tokio::test]
    async fn stopped_then_removed() {
        let host = FakeHost::debian();
        host.machine().place("/etc/systemd/system/a.timer", Kind::File, "", 0o644);
        let expected = ["run systemctl disable --now a.timer", "remove /etc/systemd/system/a.timer", "run systemctl daemon-reload"];
        assert_eq!(converge(&host, &NoUnits::new(&["a.timer", "a.service"])).await, expected);
        assert!(converge(&host, &NoUnits::new(&["a.timer", "a.service"])).await.is_empty());
    }
}
