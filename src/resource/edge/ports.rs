//! Nobody else listens where Caddy must.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{anyhow, ensure};
use async_trait::async_trait;

use super::super::docker::{api, installed};
use super::super::{Drift, Resource};
use crate::host::{Cmd, Probe};
use crate::report::WithRemedy;

/// Ports 80 and 443 are free, or Caddy's of our project.
#[derive(Debug)]
pub struct Ports;

/// A port with somebody who has it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Taken {
    port: String,
    by: Taker,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Taker {
    /// Publishes the port; `docker-proxy`, which listens for it, says nothing to its owner.
    Container(String),
    Process {
        program: String,
        id: String,
    },
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ports 80 and 443")
    }
}

impl fmt::Display for Taker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(name) => write!(f, "the container {name}"),
            Self::Process { program, id } => write!(f, "{program} (process {id})"),
        }
    }
}

impl Taker {
    fn remedy(&self) -> String {
        match self {
            Self::Container(name) => {
                format!("publish another port of the container {name}, or end it (`docker update --restart=no {name}; docker stop {name}`)")
            }
            Self::Process { program, id } => format!(
                "stop {program} for good (`systemctl status {id}` names its service, `systemctl disable --now SERVICE` ends it), or have it \
                 listen elsewhere"
            ),
        }
    }
}

#[async_trait]
impl Resource for Ports {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut taken = by_containers(host).await;
        let published: BTreeSet<_> = taken.iter().map(|taken| taken.port.clone()).collect();
        for Taken { port, by } in by_processes(host).await? {
            match &by {
                Taker::Process { program, .. } if program == "docker-proxy" && published.contains(&port) => {}
                Taker::Process { program, .. } if program == "caddy" && our_caddy_is_up(host).await? => {}
                _ => taken.push(Taken { port, by }),
            }
        }
        if taken.is_empty() {
            return Ok(Drift::none());
        }
        let who: Vec<_> = taken.iter().map(|taken| format!("port {} is taken by {}", taken.port, taken.by)).collect();
        let remedies: BTreeSet<_> = taken.iter().map(|taken| taken.by.remedy()).collect();
        let remedies: Vec<_> = remedies.into_iter().collect();
        Err(anyhow!("{}; Mastodon's web server needs ports 80 and 443", who.join(", ")))
            .remedy(format!("{}; or use a machine without another web server", remedies.join("; ")))
    }
}

/// Containers that publish one of the ports, also where no `docker-proxy` shows it. Ours publish neither: Caddy is on the host network.
async fn by_containers(host: &dyn Probe) -> Vec<Taken> {
    let mut taken = Vec::new();
    if !installed(host).await {
        return taken;
    }
    // A daemon that does not run publishes nothing.
    let Ok(containers) = api::containers(host).await else { return taken };
    for port in [80, 443] {
        let names = containers.iter().filter(|container| container.publishes(port)).map(|container| container.name().to_owned());
        taken.extend(names.map(|name| Taken { port: port.to_string(), by: Taker::Container(name) }));
    }
    taken
}

/// Whoever listens on one of the ports; a program once for each.
async fn by_processes(host: &dyn Probe) -> anyhow::Result<Vec<Taken>> {
    let filter = "( sport = :80 or sport = :443 )";
    let answer = host.query(&Cmd::new("ss").args(["-H", "-ltnp", filter])).await?;
    ensure!(answer.success(), "ss does not list who listens: {}", answer.stderr.trim());
    let mut all: Vec<_> = answer.stdout.lines().filter_map(listener).collect();
    all.sort();
    all.dedup();
    Ok(all)
}

/// A line of `ss`: `LISTEN 0 511 *:80 *:* users:(("nginx",pid=7,fd=6))`.
fn listener(line: &str) -> Option<Taken> {
    let port = line.split_whitespace().nth(3)?.rsplit_once(':')?.1.to_owned();
    let program = line.split('"').nth(1).unwrap_or("an unknown program").to_owned();
    let id = line.split("pid=").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect());
    Some(Taken { port, by: Taker::Process { program, id: id.unwrap_or_else(|| "unknown".into()) } })
}

/// One that is paused keeps the ports.
async fn our_caddy_is_up(host: &dyn Probe) -> anyhow::Result<bool> {
    if !installed(host).await {
        return Ok(false);
    }
    let is_up = |container: &api::Container| matches!(container.state.as_str(), "running" | "paused");
    Ok(api::containers(host).await?.iter().any(|container| container.service() == Some("caddy") && is_up(container)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::report::Problem;

    #[tokio::test]
    async fn free_ours_and_taken() {
        let host = FakeHost::debian();
        assert!(Ports.check(&host).await.unwrap().is_empty());
        let nginx = r#"users:(("nginx",pid=712,fd=6),("nginx",pid=713,fd=6))"#;
        host.machine().docker.listeners = format!("LISTEN 0 511 0.0.0.0:80 0.0.0.0:* {nginx}\nLISTEN 0 511 [::]:80 [::]:* {nginx}\n");
        let error = Ports.check(&host).await.unwrap_err();
        assert_eq!(error.to_string(), "port 80 is taken by nginx (process 712); Mastodon's web server needs ports 80 and 443");
        assert!(Problem::remedy_of(&error).unwrap().contains("systemctl status 712"));

        host.machine().docker.listeners = r#"LISTEN 0 4096 *:443 *:* users:(("caddy",pid=9,fd=6))"#.into();
        assert!(Ports.check(&host).await.is_err(), "a caddy of somebody else");
        host.machine().run_mastodon_containers();
        assert!(Ports.check(&host).await.unwrap().is_empty());
        host.machine().docker.containers.get_mut("caddy").unwrap().state = "paused";
        assert!(Ports.check(&host).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_container_is_named_and_everybody_at_once() {
        let host = FakeHost::debian();
        host.machine().install_docker();
        host.machine().docker.published = vec![(80, "shop".into())];
        host.machine().docker.listeners = "LISTEN 0 4096 0.0.0.0:80 0.0.0.0:* users:((\"docker-proxy\",pid=5,fd=4))\n\
             LISTEN 0 511 0.0.0.0:443 0.0.0.0:* users:((\"nginx\",pid=712,fd=6))\n"
            .into();
        let error = Ports.check(&host).await.unwrap_err();
        let wanted = "port 80 is taken by the container shop, port 443 is taken by nginx (process 712); ";
        assert!(error.to_string().starts_with(wanted), "{error}");
        let remedy = Problem::remedy_of(&error).unwrap();
        assert!(
            remedy.contains("docker stop shop") && remedy.contains("systemctl status 712") && !remedy.contains("docker-proxy"),
            "{remedy}"
        );
    }
}
