//! This program itself.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use async_trait::async_trait;

use super::{Drift, Resource};
use crate::host::{Access, Host, Probe};

/// Where the program stays.
pub const AGENT: &str = "/usr/local/bin/tootstrap";
/// The program that runs now, also after its file was removed.
const RUNNING: &str = "/proc/self/exe";

/// The program that runs now stays on the machine as [`AGENT`].
pub struct Agent;

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "program {AGENT}")
    }
}

#[async_trait]
impl Resource for Agent {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let Some(stat) = host.stat(Path::new(AGENT)).await? else {
            return Ok(Drift::to_do(format!("install {self}")));
        };
        let same = host.same_content(Path::new(RUNNING), Path::new(AGENT)).await?;
        let mut drift = if same { Drift::none() } else { Drift::to_do(format!("replace {self} by version {}", env!("CARGO_PKG_VERSION"))) };
        drift.merge(super::file::access_drift(&stat, Access::root(0o755)));
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let running = host.read(Path::new(RUNNING)).await?.context("the program that runs now cannot be read")?;
        Ok(host.write(Path::new(AGENT), &running, Access::root(0o755)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[tokio::test]
    async fn installed_and_replaced_when_another_one_runs() {
        let host = FakeHost::debian();
        assert_eq!(converge(&host, &Agent).await, ["write /usr/local/bin/tootstrap 755"]);
        assert!(converge(&host, &Agent).await.is_empty());
        host.machine().place("/proc/self/exe", Kind::File, "newer", 0o755);
        assert_eq!(converge(&host, &Agent).await, ["write /usr/local/bin/tootstrap 755"]);
        assert_eq!(host.machine().text(AGENT), "newer");
    }
}
