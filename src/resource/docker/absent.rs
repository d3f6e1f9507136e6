//! Containers of the project that shall not be there.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::super::{Drift, Resource};
use super::{api, installed};
use crate::host::{Cmd, Host, Probe};

const OURS: &str = "label=com.docker.compose.project=mastodon";

/// No such container of the project. Told by Docker's labels: the project's files may be gone already.
#[derive(Debug)]
pub struct Absent {
    /// `None`: all, also those of single commands, and the project's networks.
    services: Option<&'static [&'static str]>,
}

impl Absent {
    /// Of these services.
    pub const fn services(names: &'static [&'static str]) -> Self {
        Self { services: Some(names) }
    }

    /// The whole project.
    pub const fn project() -> Self {
        Self { services: None }
    }

    async fn containers(&self, host: &dyn Probe) -> anyhow::Result<Vec<api::Container>> {
        if !installed(host).await {
            return Ok(Vec::new());
        }
        let meant = |container: &api::Container| match self.services {
            Some(names) => container.service().is_some_and(|service| names.contains(&service)),
            None => container.is_ours(),
        };
        Ok(api::containers(host).await?.into_iter().filter(meant).collect())
    }

    async fn networks(&self, host: &dyn Probe) -> anyhow::Result<Vec<String>> {
        if self.services.is_some() || !installed(host).await {
            return Ok(Vec::new());
        }
        // Networks do not tell their project's directory: somebody else's of the same name may use them.
        let same_name = |container: &api::Container| container.label("com.docker.compose.project") == "mastodon" && !container.is_ours();
        if api::containers(host).await?.iter().any(same_name) {
            return Ok(Vec::new());
        }
        let list = Cmd::new("docker").args(["network", "ls", "--filter", OURS, "--format", "{{.Name}}"]);
        Ok(host.query(&list).await?.stdout.lines().map(str::to_owned).collect())
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.services {
            Some(names) => write!(f, "no container {}", names.join(", ")),
            None => f.write_str("no containers and networks of Mastodon"),
        }
    }
}

#[async_trait]
impl Resource for Absent {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        for container in self.containers(host).await? {
            drift.push_do(format!("stop and remove container {}", container.name()));
        }
        for network in self.networks(host).await? {
            drift.push_do(format!("remove network {network}"));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let containers = self.containers(host.probe()).await?;
        let ids = || containers.iter().map(|container| container.id.as_str());
        if !containers.is_empty() {
            host.run(&Cmd::new("docker").args(["stop", "--time", "60"]).args(ids()).timeout(Duration::from_mins(15))).await?;
            // With the volumes that nobody named; data lies in directories.
            host.run(&Cmd::new("docker").args(["rm", "--volumes"]).args(ids())).await?;
        }
        for network in self.networks(host.probe()).await? {
            host.run(&Cmd::new("docker").args(["network", "rm", &network])).await?;
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
    async fn stopped_removed_and_nothing_left_to_do() {
        let host = FakeHost::debian();
        assert!(converge(&host, &Absent::project()).await.is_empty(), "without Docker there is nothing");
        host.machine().run_mastodon_containers();
        host.machine().docker.networks = vec!["mastodon_inside".into()];
        host.machine().docker.published.push((8080, "blog".into()));

        let log = converge(&host, &Absent::services(&["caddy"])).await;
        assert_eq!(log, ["run docker stop --time 60 caddy-id", "run docker rm --volumes caddy-id"]);
        assert!(host.machine().docker.containers.contains_key("web"));

        let log = converge(&host, &Absent::project()).await;
        assert!(log[0].starts_with("run docker stop --time 60 db-id redis-id") && !log[0].contains("blog"), "{log:?}");
        assert_eq!(log[2], "run docker network rm mastodon_inside");
        assert!(host.machine().docker.containers.is_empty());
    }
}
