//! Ports of the web that were opened in the firewall.

use std::fmt;

use async_trait::async_trait;

use super::super::{Drift, Resource};
use crate::host::{Cmd, Host, Probe};

/// ufw lets these ports in no more. sshd's port is never among them.
#[derive(Debug)]
pub struct ClosedPorts {
    ports: Vec<String>,
}

impl ClosedPorts {
    /// As ufw writes them: `80/tcp`.
    pub fn new(ports: Vec<String>) -> Self {
        Self { ports }
    }

    async fn open(&self, host: &dyn Probe) -> anyhow::Result<Vec<&String>> {
        if host.which("ufw").await.is_none() {
            return Ok(Vec::new());
        }
        let added = host.query(&Cmd::new("ufw").args(["show", "added"])).await?;
        let is_open = |port: &&String| added.stdout.lines().any(|line| line.trim() == format!("ufw allow {port}"));
        Ok(self.ports.iter().filter(is_open).collect())
    }
}

impl fmt::Display for ClosedPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no open {}", self.ports.join(", "))
    }
}

#[async_trait]
impl Resource for ClosedPorts {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        for port in self.open(host).await? {
            drift.push_do(format!("close {port}"));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        for port in self.open(host.probe()).await? {
            host.run(&Cmd::new("ufw").args(["delete", "allow", port])).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[tokio::test]
    async fn only_the_named_ports_are_closed() {
        let host = FakeHost::debian();
        let closed = ClosedPorts::new(["80/tcp", "443/udp"].map(String::from).to_vec());
        assert!(converge(&host, &closed).await.is_empty(), "there is no ufw");
        host.machine().install("ufw");
        host.machine().ufw.rules = ["allow 22/tcp", "allow 80/tcp"].map(String::from).to_vec();
        assert_eq!(converge(&host, &closed).await, ["run ufw delete allow 80/tcp"]);
        assert_eq!(host.machine().ufw.rules, ["allow 22/tcp"]);
    }
}
