//! Caddy runs with the files that are there now.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use async_trait::async_trait;
use serde_json::Value;

use super::super::docker::{self, PROJECT, installed};
use super::super::{Drift, Resource};
use super::{CONFIG, reload};
use crate::host::{Cmd, Host, Output, Probe};
use crate::report::WithRemedy;

/// The file as this machine sees it.
const CADDYFILE: &str = "/opt/mastodon/caddy/conf/Caddyfile";

/// Caddy runs with its Caddyfile and the admin's sites in `caddy/custom`: what its admin socket says it runs with equals what the files
/// mean. A change of words that means the same is no difference.
#[derive(Debug)]
pub struct CaddyLoaded;

/// What the files mean. `None`: Caddy does not run, or refuses them.
async fn wanted(host: &dyn Probe) -> anyhow::Result<Option<Value>> {
    let Some(container) = docker::running(host, "caddy").await? else { return Ok(None) };
    let adapt = Cmd::new("docker").args(["exec", &container, "caddy", "adapt"]).args(CONFIG);
    let answer = host.query(&adapt).await?;
    Ok(json(&answer))
}

/// What Caddy runs with. `None`: it does not answer.
async fn running(host: &dyn Probe) -> anyhow::Result<Option<Value>> {
    let socket = format!("{PROJECT}/caddy/run/admin.sock");
    // On its socket Caddy 2.6 takes no other Host than an empty one.
    let ask = ["--silent", "--fail", "--max-time", "10", "--header", "Host;", "--unix-socket", &socket, "http://localhost/config/"];
    let answer = host.query(&Cmd::new("curl").args(ask)).await?;
    Ok(json(&answer))
}

fn json(answer: &Output) -> Option<Value> {
    if answer.success() { serde_json::from_str(&answer.stdout).ok() } else { None }
}

impl fmt::Display for CaddyLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caddy's configuration")
    }
}

#[async_trait]
impl Resource for CaddyLoaded {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let to_do = Drift::to_do("make Caddy load its configuration");
        if !installed(host).await || host.which("curl").await.is_none() {
            return Ok(to_do);
        }
        if host.stat(Path::new(CADDYFILE)).await?.is_none() && docker::running(host, "caddy").await?.is_some() {
            // The step that writes the file tells that it is missing.
            return Ok(Drift::none());
        }
        let (wanted, running) = tokio::try_join!(wanted(host), running(host))?;
        Ok(if wanted.is_some() && wanted == running { Drift::none() } else { to_do })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let loaded = host.run(&reload(false)).await.context("Caddy refuses its configuration and keeps the former one");
        loaded.remedy(format!("look at your files in {PROJECT}/caddy/custom, if there are any"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[tokio::test]
    async fn loaded_again_after_a_change_of_any_file_of_its_own() {
        let host = FakeHost::debian();
        host.machine().run_mastodon_containers();
        for directory in ["/opt/mastodon/caddy", "/opt/mastodon/caddy/conf", "/opt/mastodon/caddy/custom"] {
            host.machine().place(directory, Kind::Directory, "", 0o755);
        }
        let reload = "run docker compose --project-directory /opt/mastodon exec -T caddy caddy reload --config /etc/caddy/Caddyfile \
                      --adapter caddyfile --address unix//run/caddy/admin.sock";
        assert!(converge(&host, &CaddyLoaded).await.is_empty(), "it has loaded its files when it started");
        for (file, counts) in [("conf/Caddyfile", true), ("custom/blog.caddy", true), ("custom/blog.caddy.bak", false)] {
            host.machine().place(Path::new("/opt/mastodon/caddy").join(file), Kind::File, "x", 0o644);
            assert_eq!(converge(&host, &CaddyLoaded).await == [reload], counts, "{file}");
        }
        host.machine().nodes.remove(Path::new(CADDYFILE));
        assert!(CaddyLoaded.check(&host).await.unwrap().is_empty(), "what is missing is the file");
    }
}
