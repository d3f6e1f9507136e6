//! A stamp for work that is on the disk for certain only after its end: what a power cut meanwhile may have torn is known by it.

use std::collections::BTreeSet;

use super::stamp;
use crate::host::{Host, Probe};

/// What such a stamp says: the boot in which the work was begun, then a line for each name.
#[derive(Debug)]
pub(super) struct Unsynced {
    pub(super) boot: String,
    pub(super) names: BTreeSet<String>,
}

impl Unsynced {
    /// `None`: no such work was begun, or all of it is on the disk.
    pub(super) async fn read(host: &dyn Probe, stamp: &str) -> anyhow::Result<Option<Self>> {
        let Some(text) = stamp::read(host, stamp).await? else { return Ok(None) };
        let mut lines = text.lines().map(str::to_owned);
        Ok(Some(Self { boot: lines.next().unwrap_or_default(), names: lines.collect() }))
    }

    pub(super) async fn write(&self, host: &dyn Host, stamp: &str) -> anyhow::Result<()> {
        let lines: Vec<_> = std::iter::once(&self.boot).chain(&self.names).map(String::as_str).collect();
        stamp::write(host, stamp, &lines.join("\n")).await
    }

    /// Whether the machine has been restarted since, so that what was not on the disk may be lost.
    pub(super) async fn is_of_another_boot(&self, host: &dyn Probe) -> anyhow::Result<bool> {
        Ok(self.boot != stamp::boot(host).await?)
    }
}
