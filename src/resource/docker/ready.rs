//! Docker answers, and is new enough.

use std::fmt;
use std::path::Path;

use anyhow::{Context, anyhow};
use async_trait::async_trait;

use super::super::{Drift, Resource};
use super::api;
use crate::host::{Cmd, Host, Probe};
use crate::report::WithRemedy;

/// Debian 11's own; what this program uses is in it (debian.md, Docker).
const OLDEST_ENGINE: (u32, u32) = (20, 10);
/// The first whose `env_file` may name a file that need not exist.
const OLDEST_COMPOSE: (u32, u32) = (2, 24);

/// Where the package puts Compose.
const PLUGIN: &str = "/usr/libexec/docker/cli-plugins/docker-compose";

/// Docker's daemon answers; it and Compose are new enough.
#[derive(Debug)]
pub struct DockerReady;

impl fmt::Display for DockerReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Docker")
    }
}

#[async_trait]
impl Resource for DockerReady {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        if !super::installed(host).await {
            return Ok(Drift::to_do("start Docker"));
        }
        let Ok(engine) = api::version(host).await else { return Ok(Drift::to_do("start Docker")) };
        demand("Docker", &engine.version, OLDEST_ENGINE)?;
        demand("Docker Compose", &compose(host).await?, OLDEST_COMPOSE)?;
        Ok(Drift::none())
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        host.run(&Cmd::new("systemctl").args(["enable", "--now", "docker.service"])).await?;
        Ok(())
    }
}

/// The version of Compose. Where it came as a package dpkg knows it, which takes a tenth of the time that the plugin needs to say it.
async fn compose(host: &dyn Probe) -> anyhow::Result<String> {
    let packaged = Cmd::new("dpkg-query").args(["-W", "-f=${db:Status-Abbrev}${Version}", "docker-compose-plugin"]);
    if host.stat(Path::new(PLUGIN)).await?.is_some()
        && let Some(version) = host.query(&packaged).await?.stdout.strip_prefix("ii ")
    {
        // Without the epoch.
        return Ok(version.split_once(':').map_or(version, |(_, version)| version).to_owned());
    }
    let said = host.query(&Cmd::new("docker").args(["compose", "version", "--short"])).await?;
    if !said.success() {
        return Err(anyhow!("Docker has no Compose v2")).remedy("install it: apt-get install docker-compose-plugin");
    }
    Ok(said.stdout)
}

fn demand(what: &str, version: &str, oldest: (u32, u32)) -> anyhow::Result<()> {
    let version = version.trim();
    let number = major_minor(version).with_context(|| format!("{what} says it is version `{version}`, which is no version"))?;
    if number < oldest {
        let (major, minor) = oldest;
        return Err(anyhow!("{what} is version {version}; at least {major}.{minor} is needed"))
            .remedy(format!("upgrade {what} (https://docs.docker.com/engine/install/debian/)"));
    }
    Ok(())
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::report::Problem;
    use crate::resource::testing::converge;

    #[test]
    fn versions() {
        assert_eq!(major_minor("20.10.5+dfsg1"), Some((20, 10)));
        assert_eq!(major_minor("v2.26.1-4"), Some((2, 26)));
        assert_eq!(major_minor("dev"), None);
    }

    #[tokio::test]
    async fn missing_stopped_running() {
        let host = FakeHost::debian();
        assert_eq!(DockerReady.check(&host).await.unwrap(), Drift::to_do("start Docker"));
        host.machine().install_docker();
        assert_eq!(converge(&host, &DockerReady).await, Vec::<String>::new());
        host.machine().systemd.add("docker.service", false);
        assert_eq!(converge(&host, &DockerReady).await, ["run systemctl enable --now docker.service"]);
    }

    #[tokio::test]
    async fn a_packaged_compose_is_not_started_to_tell_its_version() {
        let host = FakeHost::debian();
        host.machine().install_docker();
        host.machine().place(PLUGIN, Kind::File, "", 0o755);
        for (version, fine) in [("5:2.40.3-1~debian.11~bullseye", true), ("2.26.1-4", true), ("2.23.3-1", false)] {
            host.machine().docker.compose = version;
            assert_eq!(DockerReady.check(&host).await.is_ok(), fine, "{version}");
        }
        host.machine().apt.installed.remove("docker-compose-plugin");
        let error = DockerReady.check(&host).await.unwrap_err();
        assert_eq!(error.to_string(), "Docker has no Compose v2", "a file that no package owns is asked itself");
    }

    #[tokio::test]
    async fn too_old() {
        for (engine, compose) in [("19.03.15", "2.26.1-4"), ("20.10.5+dfsg1", "2.23.3"), ("28.0.1", "")] {
            let host = FakeHost::debian();
            host.machine().install_docker();
            host.machine().docker.engine = engine;
            host.machine().docker.compose = compose;
            let error = DockerReady.check(&host).await.unwrap_err();
            assert!(Problem::remedy_of(&error).is_some(), "{error:#}");
        }
    }
}
