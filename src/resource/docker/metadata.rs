//! The metadata service of the cloud is none of the containers' business: it tells the user data, which may hold the API token.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;

use super::super::{Drift, Resource};
use crate::host::{Cmd, Host, Probe};

/// The unit that sets the rules, also after a restart of the machine.
pub const UNIT: &str = "tootstrap-metadata.service";
/// Where its file stands.
pub const UNIT_PATH: &str = "/etc/systemd/system/tootstrap-metadata.service";
/// What stands in it: the rules of [`RULES`].
pub const UNIT_FILE: &str = include_str!("../../../assets/systemd/tootstrap-metadata.service");

/// There where the machine has IPv6.
const IPV6: &str = "/proc/net/if_inet6";

/// What the containers send through the bridge of `compose.yaml`, and what Caddy sends, which shares the machine's network and is told
/// by its group. They stand in the table `raw`, which neither ufw nor Docker flushes. Addresses: linode.md §4; the first is that of other
/// clouds, too.
const RULES: [(&str, &str); 4] = [
    ("iptables", "PREROUTING -i mastodon0 -d 169.254.169.254 -p tcp ! --dport 53 -j DROP"),
    ("iptables", "OUTPUT -m owner --gid-owner 65080 -d 169.254.169.254 -p tcp ! --dport 53 -j DROP"),
    ("ip6tables", "PREROUTING -i mastodon0 -d fd00:a9fe:a9fe::1 -p tcp ! --dport 53 -j DROP"),
    ("ip6tables", "OUTPUT -m owner --gid-owner 65080 -d fd00:a9fe:a9fe::1 -p tcp ! --dport 53 -j DROP"),
];

/// The rules that keep the containers from the metadata service are in force.
#[derive(Debug)]
pub struct MetadataShut;

impl fmt::Display for MetadataShut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("containers kept from the cloud's metadata service")
    }
}

async fn in_force(host: &dyn Probe) -> anyhow::Result<bool> {
    let has_v6 = host.stat(Path::new(IPV6)).await?.is_some();
    for (program, rule) in RULES.into_iter().filter(|(program, _)| *program == "iptables" || has_v6) {
        if host.which(program).await.is_none() {
            return Ok(false);
        }
        let check = Cmd::new(program).args(["-w", "-t", "raw", "-C"]).args(rule.split(' '));
        if !host.query(&check).await?.success() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[async_trait]
impl Resource for MetadataShut {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        Ok(if in_force(host).await? { Drift::none() } else { Drift::to_do("keep the containers from 169.254.169.254") })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        host.run(&Cmd::new("systemctl").args(["restart", UNIT])).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[test]
    fn the_unit_sets_and_removes_every_rule() {
        for (program, rule) in RULES {
            for (line, verb) in [("ExecStart", "-A"), ("ExecStop", "-D")] {
                let command = format!("/usr/sbin/{program} -w -t raw {verb} {rule}\n");
                assert!(UNIT_FILE.lines().any(|text| text.starts_with(line) && format!("{text}\n").ends_with(&command)), "{command}");
            }
        }
    }

    #[test]
    fn the_project_has_the_bridge_and_the_group_of_the_rules() {
        let compose = include_str!("../../../assets/mastodon/compose.yaml");
        for (rule, project) in
            [("-i mastodon0 ", "com.docker.network.bridge.name: mastodon0\n"), ("--gid-owner 65080 ", "user: \"0:65080\"\n")]
        {
            assert_eq!(RULES.iter().filter(|(_, text)| text.contains(rule)).count(), 2);
            assert!(compose.contains(project), "{project}");
        }
    }

    #[tokio::test]
    async fn set_by_the_unit_and_set_again_when_somebody_removed_them() {
        let host = FakeHost::debian();
        assert!(!MetadataShut.check(&host).await.unwrap().is_empty(), "iptables comes with Docker");
        host.machine().install_docker();
        for v6 in [false, true] {
            if v6 {
                host.machine().place("/proc/net/if_inet6", Kind::File, "", 0o444);
            }
            host.machine().place(UNIT_PATH, Kind::File, UNIT_FILE, 0o644);
            host.machine().systemd.add(UNIT, true);
            host.machine().netfilter.rules.clear();
            assert_eq!(converge(&host, &MetadataShut).await, [format!("run systemctl restart {UNIT}")], "IPv6: {v6}");
            assert!(converge(&host, &MetadataShut).await.is_empty());
            host.machine().netfilter.rules.pop();
            assert_eq!(MetadataShut.check(&host).await.unwrap().is_empty(), !v6, "the last rule is one of IPv6");
        }
    }
}
