//! Containers that are known to be as the files of the project define them, so that Compose need not be asked again.
//!
//! Asking Compose costs more than everything else that a run without changes does. What it answers depends on its files alone.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::stamp;
use super::PROJECT;
use crate::host::{Host, Probe};

const STAMP: &str = "containers";
/// Files of ours, and of the admin's, that define the containers.
const FILES: [&str; 5] = ["compose.yaml", "env.production", "secrets.env", "custom.env", ".env"];
/// It can refer to any file, so with it Compose is always asked.
const OVERRIDE: &str = "compose.override.yaml";

/// Hash by service, as it stands on a container that was made from the files as they are now. Empty: nothing is known.
pub(super) async fn read(host: &dyn Probe) -> anyhow::Result<BTreeMap<String, String>> {
    let Some(text) = stamp::read(host, STAMP).await? else { return Ok(BTreeMap::new()) };
    let mut lines = text.lines();
    if lines.next() != inputs(host).await?.as_deref() {
        return Ok(BTreeMap::new());
    }
    Ok(lines.filter_map(|line| line.split_once(' ')).map(|(service, hash)| (service.into(), hash.into())).collect())
}

/// Writes down what was found out with Compose. `inputs`: what [`inputs`] told before Compose was asked.
pub(super) async fn write(host: &dyn Host, inputs: &str, hashes: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let lines = hashes.iter().map(|(service, hash)| format!("{service} {hash}"));
    stamp::write(host, STAMP, &std::iter::once(inputs.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")).await
}

/// Whether the operator has a hand in the files.
pub(super) async fn shared(host: &dyn Probe) -> anyhow::Result<bool> {
    for file in [OVERRIDE, "custom.env", ".env"] {
        if host.stat(&Path::new(PROJECT).join(file)).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Fingerprint of all files that define the containers. `None`: they may depend on others.
pub(super) async fn inputs(host: &dyn Probe) -> anyhow::Result<Option<String>> {
    let project = Path::new(PROJECT);
    if host.stat(&project.join(OVERRIDE)).await?.is_some() {
        return Ok(None);
    }
    stamp::fingerprint(host, &FILES.map(|file| project.join(file))).await.map(Some)
}
