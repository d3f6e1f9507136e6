//! Caddy runs with the files that are there now.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use async_trait::async_trait;

use super::super::docker::PROJECT;
use super::super::{Drift, Resource, stamp};
use super::reload;
use crate::host::{Host, Probe};
use crate::report::WithRemedy;

const STAMP: &str = "edge/loaded";

/// Caddy has loaded its Caddyfile and the admin's sites in `caddy/custom`.
#[derive(Debug)]
pub struct CaddyLoaded;

async fn fingerprint(host: &dyn Probe) -> anyhow::Result<String> {
    let caddy = Path::new(PROJECT).join("caddy");
    let custom = caddy.join("custom");
    let sites = host.list(&custom).await?.into_iter().filter(|name| name.ends_with(".caddy")).map(|name| custom.join(name));
    let files: Vec<PathBuf> = std::iter::once(caddy.join("conf/Caddyfile")).chain(sites).collect();
    stamp::fingerprint(host, &files).await
}

impl fmt::Display for CaddyLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caddy's configuration")
    }
}

#[async_trait]
impl Resource for CaddyLoaded {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let current = stamp::read(host, STAMP).await? == Some(fingerprint(host).await?);
        Ok(if current { Drift::none() } else { Drift::to_do("make Caddy load its configuration") })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        // Taken before: a file that changes meanwhile is noticed by the next check.
        let now = fingerprint(host.probe()).await?;
        let loaded = host.run(&reload(false)).await.context("Caddy refuses its configuration and keeps the former one");
        loaded.remedy(format!("look at your files in {PROJECT}/caddy/custom, if there are any"))?;
        stamp::write(host, STAMP, &now).await
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
        assert!(converge(&host, &CaddyLoaded).await.iter().any(|line| line == reload));
        assert!(converge(&host, &CaddyLoaded).await.is_empty());
        for (file, counts) in [("conf/Caddyfile", true), ("custom/blog.caddy", true), ("custom/blog.caddy.bak", false)] {
            host.machine().place(Path::new("/opt/mastodon/caddy").join(file), Kind::File, "x", 0o644);
            assert_eq!(converge(&host, &CaddyLoaded).await.iter().any(|line| line == reload), counts, "{file}");
        }
    }
}
