//! Nobody else listens where Caddy must.

use std::fmt;

use anyhow::{anyhow, ensure};
use async_trait::async_trait;

use super::super::docker::{installed, running};
use super::super::{Drift, Resource};
use crate::host::{Cmd, Probe};
use crate::report::WithRemedy;

/// Ports 80 and 443 are free, or Caddy's of our project.
#[derive(Debug)]
pub struct Ports;

/// Somebody who listens.
#[derive(Debug, PartialEq, Eq)]
struct Listener {
    port: String,
    program: String,
    process: String,
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ports 80 and 443")
    }
}

#[async_trait]
impl Resource for Ports {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let filter = "( sport = :80 or sport = :443 )";
        let answer = host.query(&Cmd::new("ss").args(["-H", "-ltnp", filter])).await?;
        ensure!(answer.success(), "ss does not list who listens: {}", answer.stderr.trim());
        let Some(listener) = answer.stdout.lines().find_map(listener) else { return Ok(Drift::none()) };
        if listener.program == "caddy" && our_caddy_runs(host).await? {
            return Ok(Drift::none());
        }
        let Listener { port, program, process } = listener;
        let error = anyhow!("port {port} is taken by {program} (process {process}); Mastodon's web server needs ports 80 and 443");
        Err(error).remedy(format!(
            "stop {program} for good (`systemctl status {process}` names its service, `systemctl disable --now SERVICE` ends it), or use a \
             machine without another web server"
        ))
    }
}

/// A line of `ss`: `LISTEN 0 511 *:80 *:* users:(("nginx",pid=7,fd=6))`.
fn listener(line: &str) -> Option<Listener> {
    let port = line.split_whitespace().nth(3)?.rsplit_once(':')?.1.to_owned();
    let program = line.split('"').nth(1).unwrap_or("an unknown program").to_owned();
    let process = line.split("pid=").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect());
    Some(Listener { port, program, process: process.unwrap_or_else(|| "unknown".into()) })
}

async fn our_caddy_runs(host: &dyn Probe) -> anyhow::Result<bool> {
    if !installed(host).await {
        return Ok(false);
    }
    Ok(running(host, "caddy").await?.is_some())
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
        host.machine().docker.listeners =
            r#"LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=712,fd=6),("nginx",pid=713,fd=6))"#.into();
        let error = Ports.check(&host).await.unwrap_err();
        assert!(error.to_string().starts_with("port 80 is taken by nginx (process 712)"), "{error}");
        assert!(Problem::remedy_of(&error).unwrap().contains("systemctl status 712"));

        host.machine().docker.listeners = r#"LISTEN 0 4096 *:443 *:* users:(("caddy",pid=9,fd=6))"#.into();
        assert!(Ports.check(&host).await.is_err(), "a caddy of somebody else");
        host.machine().run_mastodon_containers();
        assert!(Ports.check(&host).await.unwrap().is_empty());
    }
}
