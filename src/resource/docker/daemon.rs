//! The running daemon follows `daemon.json`.

use std::fmt;

use anyhow::ensure;
use async_trait::async_trait;

use super::super::{Drift, Resource};
use crate::host::{Cmd, Host, Probe};

/// Containers keep running while Docker restarts (`live-restore`). The daemon takes this from `daemon.json` without a restart.
#[derive(Debug)]
pub struct LiveRestore;

impl fmt::Display for LiveRestore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Docker's live-restore")
    }
}

#[async_trait]
impl Resource for LiveRestore {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let to_do = || Drift::to_do("keep containers running while Docker restarts");
        if !super::installed(host).await {
            return Ok(to_do());
        }
        let answer = host.query(&Cmd::new("docker").args(["info", "--format", "{{.LiveRestoreEnabled}}"])).await?;
        ensure!(answer.success(), "Docker does not answer: {}", answer.stderr.trim());
        Ok(if answer.stdout.trim() == "true" { Drift::none() } else { to_do() })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        host.run(&Cmd::new("systemctl").args(["reload", "docker.service"])).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::DAEMON_JSON;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[tokio::test]
    async fn reloaded_only_while_the_daemon_does_not_know() {
        let host = FakeHost::debian();
        assert!(!LiveRestore.check(&host).await.unwrap().is_empty());
        host.machine().install_docker();
        host.machine().place("/etc/docker", Kind::Directory, "", 0o755);
        host.machine().place("/etc/docker/daemon.json", Kind::File, DAEMON_JSON, 0o644);
        assert_eq!(converge(&host, &LiveRestore).await, ["run systemctl reload docker.service"]);
        assert!(converge(&host, &LiveRestore).await.is_empty());
    }
}
