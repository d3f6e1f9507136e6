//! Networks and power cuts.
//!
//! Docker notes a new network with its driver first and then among its own (libnetwork, `local-kv.db`). A power cut in between leaves one that has
//! our bridge, that Docker neither lists nor removes, and beside which no other can have the bridge: "networks have same bridge name".

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use async_trait::async_trait;

use super::super::{Drift, Resource};
use super::{api, compose, installed};
use crate::host::{Cmd, Host, Probe};
use crate::report::WithRemedy;

/// The bridge of our network, as compose.yaml calls it, and where the kernel tells of it.
pub(crate) const BRIDGE: &str = "mastodon0";
const DEVICE: &str = "/sys/class/net/mastodon0";
/// Networks that every Docker has, and how ours begin.
const BUILT_IN: [&str; 3] = ["bridge", "host", "none"];
const OURS: &str = "mastodon_";

/// Docker knows the network that has our bridge.
#[derive(Debug)]
pub struct Networks;

async fn records(host: &dyn Probe) -> anyhow::Result<PathBuf> {
    Ok(Path::new(&api::root(host).await?).join("network/files/local-kv.db"))
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Docker's networks: none torn by a power cut")
    }
}

#[async_trait]
impl Resource for Networks {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        if !installed(host).await || host.stat(Path::new(DEVICE)).await?.is_none() {
            return Ok(Drift::none());
        }
        let known = api::networks(host).await?.iter().any(|network| network.bridge() == BRIDGE);
        Ok(if known {
            Drift::none()
        } else {
            Drift::to_do(format!("make Docker's networks anew: it has lost the one with the bridge {BRIDGE}"))
        })
    }

    /// Containers of ours go with their networks and come again with the steps that follow; what they keep lies outside of them.
    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let records = records(host.probe()).await?;
        if let Some(others) = others(host.probe()).await? {
            let remedy = format!(
                "if it may be stopped for a moment, and its network be made again: sudo systemctl stop docker; sudo rm {}; sudo systemctl start docker",
                records.display()
            );
            return Err(anyhow!("Docker's record of its networks is torn, and it serves {others}, which is not ours")).remedy(remedy);
        }
        host.run(&compose().arg("down")).await?;
        let removed = async {
            host.run(&Cmd::new("systemctl").args(["stop", "docker.socket", "docker.service"])).await?;
            host.remove(&records).await
        };
        let removed = removed.await;
        let started = host.unstoppable().run(&Cmd::new("systemctl").args(["start", "docker.service"])).await;
        removed?;
        started?;
        Ok(())
    }
}

/// A network of somebody else's, or a container that runs.
async fn others(host: &dyn Probe) -> anyhow::Result<Option<String>> {
    let is_anothers = |network: &api::Network| !BUILT_IN.contains(&network.name.as_str()) && !network.name.starts_with(OURS);
    if let Some(network) = api::networks(host).await?.into_iter().find(is_anothers) {
        return Ok(Some(format!("the network {}", network.name)));
    }
    let runs = |container: &api::Container| container.state == "running" && !container.is_ours();
    Ok(api::containers(host).await?.iter().find(|container| runs(container)).map(|container| format!("the container {}", container.name())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    const RECORDS: &str = "/var/lib/docker/network/files/local-kv.db";

    fn machine(networks: &[&str]) -> FakeHost {
        let host = FakeHost::debian();
        host.machine().install_docker();
        host.machine().docker.networks = networks.iter().copied().map(String::from).collect();
        host.machine().place(DEVICE, Kind::Link, "", 0o777);
        host.machine().place(RECORDS, Kind::File, "", 0o644);
        host
    }

    #[tokio::test]
    async fn a_bridge_that_no_network_has_makes_docker_begin_anew() {
        let host = machine(&["mastodon_inside"]);
        let expected = [
            "run docker compose --project-directory /opt/mastodon down".to_owned(),
            "run systemctl stop docker.socket docker.service".into(),
            format!("remove {RECORDS}"),
            "run systemctl start docker.service".into(),
        ];
        assert_eq!(converge(&host, &Networks).await, expected);
        assert_eq!(host.machine().systemd.units["docker.service"].active, "active");
    }

    #[tokio::test]
    async fn what_docker_knows_stays() {
        assert!(converge(&machine(&["mastodon_inside", "mastodon_outside"]), &Networks).await.is_empty());
        assert!(converge(&FakeHost::debian(), &Networks).await.is_empty());
    }

    #[tokio::test]
    async fn a_network_of_somebody_elses_is_not_thrown_away() {
        let host = machine(&["theirs"]);
        let with_a_container = machine(&[]);
        with_a_container.machine().docker.published.push((8080, "theirs".into()));
        for host in [host, with_a_container] {
            let error = Networks.apply(&host).await.unwrap_err();
            assert!(crate::report::Problem::remedy_of(&error).unwrap().contains(RECORDS) && host.take_log().is_empty(), "{error:#}");
        }
    }
}
