//! The swap file that was made.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use async_trait::async_trait;

use super::super::{Drift, Resource};
use crate::host::{Access, Cmd, Host, Probe};
use crate::report::WithRemedy;

const PATH: &str = "/swapfile";
const FSTAB: &str = "/etc/fstab";

/// No swap file of ours; other swap stays.
#[derive(Debug)]
pub struct NoSwap;

async fn is_active(host: &dyn Probe) -> anyhow::Result<bool> {
    let swaps = host.read_text(Path::new("/proc/swaps")).await?.unwrap_or_default();
    Ok(swaps.lines().any(|line| line.split_whitespace().next() == Some(PATH)))
}

/// The file without our line. `None`: it has none.
async fn fstab_without(host: &dyn Probe) -> anyhow::Result<Option<String>> {
    let fstab = host.read_text(Path::new(FSTAB)).await?.unwrap_or_default();
    let without: String = fstab.split_inclusive('\n').filter(|line| line.split_whitespace().next() != Some(PATH)).collect();
    Ok((without != fstab).then_some(without))
}

impl fmt::Display for NoSwap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no swap file {PATH}")
    }
}

#[async_trait]
impl Resource for NoSwap {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        if fstab_without(host).await?.is_some() {
            drift.push_do(format!("use {PATH} no more after a boot ({FSTAB})"));
        }
        if is_active(host).await? || host.stat(Path::new(PATH)).await?.is_some() {
            drift.push_do(format!("stop using {PATH} and remove it"));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        if let Some(fstab) = fstab_without(host.probe()).await? {
            host.write(Path::new(FSTAB), fstab.as_bytes(), Access::root(0o644)).await?;
        }
        if is_active(host.probe()).await? {
            let off = host.run(&Cmd::new("swapoff").arg(PATH)).await.context("the swap file is still needed");
            off.remedy("stop what uses so much memory, or restart the machine; then run it again")?;
        }
        Ok(host.remove(Path::new(PATH)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[tokio::test]
    async fn ours_goes_and_the_providers_stays() {
        let host = FakeHost::debian();
        assert!(converge(&host, &NoSwap).await.is_empty());
        {
            let mut machine = host.machine();
            machine.place(PATH, Kind::File, "", 0o600);
            let fstab = machine.text(FSTAB) + "/swapfile none swap sw,nofail 0 0\n";
            machine.place(FSTAB, Kind::File, &fstab, 0o644);
            machine.swap.active.push((PATH.into(), 2048));
            machine.tell_swaps();
        }
        assert_eq!(converge(&host, &NoSwap).await, ["write /etc/fstab 644", "run swapoff /swapfile", "remove /swapfile"]);
        assert!(host.machine().text(FSTAB).starts_with("/dev/sda ") && host.machine().text("/proc/swaps").contains("/dev/sda2"));
    }
}
