//! The machine's name.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use async_trait::async_trait;

use super::{Drift, Resource};
use crate::host::{Access, Cmd, Host, Probe};
use crate::settings::DomainName;

const HOSTNAME: &str = "/etc/hostname";
const HOSTS: &str = "/etc/hosts";

/// The first label of a name as hostname, and a line in `/etc/hosts` that knows both; every other line is kept.
pub struct Hostname {
    name: DomainName,
}

impl Hostname {
    /// Named after the site.
    pub fn new(name: DomainName) -> Self {
        Self { name }
    }

    fn short(&self) -> &str {
        self.name.as_str().split('.').next().unwrap_or_default()
    }

    /// `/etc/hosts` as it is and as it shall be.
    async fn hosts(&self, host: &dyn Probe) -> anyhow::Result<(String, String)> {
        let present = host.read_text(Path::new(HOSTS)).await?.unwrap_or_default();
        let knows_both = |line: &str| {
            let names: Vec<_> = line.split('#').next().unwrap_or_default().split_whitespace().skip(1).collect();
            names.contains(&self.name.as_str()) && names.contains(&self.short())
        };
        if present.lines().any(knows_both) {
            return Ok((present.clone(), present));
        }
        let start = if present.is_empty() { "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" } else { present.as_str() };
        let end = if start.ends_with('\n') { "" } else { "\n" };
        // Debian's own convention: an address that no change of network invalidates.
        let wanted = format!("{start}{end}127.0.1.1\t{} {}\n", self.name, self.short());
        Ok((present, wanted))
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hostname {}", self.short())
    }
}

#[async_trait]
impl Resource for Hostname {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        let at_boot = host.read_text(Path::new(HOSTNAME)).await?.unwrap_or_default();
        drift.push_set(HOSTNAME, at_boot.trim(), self.short());
        drift.push_set("hostname", host.hostname().await?, self.short());
        let (present, wanted) = self.hosts(host).await?;
        drift.push_text(HOSTS, &present, &wanted);
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let (present, wanted) = self.hosts(host.probe()).await?;
        if present != wanted {
            // First: sudo complains when the hostname is one that cannot be resolved.
            host.write(Path::new(HOSTS), wanted.as_bytes(), Access::root(0o644)).await?;
        }
        if host.read_text(Path::new(HOSTNAME)).await?.unwrap_or_default().trim() != self.short() {
            host.write(Path::new(HOSTNAME), format!("{}\n", self.short()).as_bytes(), Access::root(0o644)).await?;
        }
        if host.hostname().await? != self.short() {
            host.run(&Cmd::new("hostname").arg(self.short())).await.context("cannot set the hostname")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    fn site() -> Hostname {
        Hostname::new("social.fedi-test.org".parse().unwrap())
    }

    #[tokio::test]
    async fn set_once_and_other_lines_stay() {
        let host = FakeHost::debian();
        host.machine().place(HOSTS, Kind::File, "127.0.0.1 localhost\n192.0.2.7 printer # mine", 0o644);
        assert_eq!(converge(&host, &site()).await, ["write /etc/hosts 644", "write /etc/hostname 644", "run hostname social"]);
        let hosts = "127.0.0.1 localhost\n192.0.2.7 printer # mine\n127.0.1.1\tsocial.fedi-test.org social\n";
        assert_eq!(host.machine().text(HOSTS), hosts);
        assert!(converge(&host, &site()).await.is_empty());
    }

    #[tokio::test]
    async fn a_line_that_knows_the_name_is_enough_and_a_missing_file_is_made() {
        let host = FakeHost::debian();
        host.machine().place(HOSTS, Kind::File, "203.0.113.10 social social.fedi-test.org\n", 0o644);
        host.machine().place(HOSTNAME, Kind::File, "social\n", 0o644);
        assert_eq!(converge(&host, &site()).await, ["run hostname social"]);
        host.machine().nodes.remove(Path::new(HOSTS));
        converge(&host, &site()).await;
        assert!(host.machine().text(HOSTS).starts_with("127.0.0.1\tlocalhost\n"));
    }
}
