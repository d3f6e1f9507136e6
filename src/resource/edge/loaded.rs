//! Caddy runs with the files that are there now.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use async_trait::async_trait;

use super::super::docker::PROJECT;
use super::super::{Drift, Resource};
use super::admin::{self, CADDYFILE};
use crate::host::{Host, Probe};
use crate::report::WithRemedy;

/// Caddy runs with its Caddyfile and the admin's sites in `caddy/custom`: what its admin socket says it runs with equals what the files
/// mean. A change of words that means the same is no difference.
#[derive(Debug)]
pub struct CaddyLoaded;

impl fmt::Display for CaddyLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caddy's configuration")
    }
}

#[async_trait]
impl Resource for CaddyLoaded {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let to_do = Drift::to_do("make Caddy load its configuration");
        let running = admin::running(host).await?;
        let Some(caddyfile) = host.read_text(Path::new(CADDYFILE)).await? else {
            // The step that writes the file tells that it is missing.
            return Ok(if running.is_some() { Drift::none() } else { to_do });
        };
        let is_loaded = running.is_some() && running == admin::meaning(host, &caddyfile).await?;
        Ok(if is_loaded { Drift::none() } else { to_do })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let loaded = admin::load(host, false).await.context("Caddy does not take its configuration and keeps the former one");
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
        host.machine().place_caddyfile("");
        assert!(converge(&host, &CaddyLoaded).await.is_empty(), "it has loaded its files when it started");
        for (file, counts) in [("conf/Caddyfile", true), ("custom/blog.caddy", true), ("custom/blog.caddy.bak", false)] {
            host.machine().place(Path::new("/opt/mastodon/caddy").join(file), Kind::File, "x", 0o644);
            assert_eq!(converge(&host, &CaddyLoaded).await == ["POST http://caddy/load"], counts, "{file}");
        }
        host.machine().nodes.remove(Path::new(CADDYFILE));
        assert!(CaddyLoaded.check(&host).await.unwrap().is_empty(), "what is missing is the file");
    }
}
