//! Images that were pulled.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;

use super::super::{Drift, Resource};
use super::api;
use crate::host::{Cmd, Host, Probe};
use crate::report::WithRemedy;

/// An image is here. One that is here is not asked for again: a moving tag does not move by itself.
#[derive(Debug)]
pub struct Image {
    reference: String,
}

impl Image {
    /// By reference: `postgres:17-alpine`, with or without digest.
    pub fn new(reference: impl Into<String>) -> Self {
        Self { reference: reference.into() }
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "image {}", self.reference)
    }
}

#[async_trait]
impl Resource for Image {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let to_do = || Drift::to_do(format!("pull {self}"));
        if !super::installed(host).await {
            return Ok(to_do());
        }
        let here = api::image(host, &self.reference).await.with_context(|| format!("cannot look for {self}"))?;
        Ok(if here.is_some() { Drift::none() } else { to_do() })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let pull = Cmd::new("docker").args(["pull", &self.reference]).timeout(Duration::from_hours(1));
        host.run(&pull)
            .await
            .with_context(|| format!("cannot pull {self}"))
            .remedy("if the registry did not answer, run again later; if the disk is full, make room (`df -h /var/lib/docker`)")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[tokio::test]
    async fn pulled_once() {
        let host = FakeHost::debian();
        let image = Image::new("redis:7-alpine");
        assert_eq!(image.check(&host).await.unwrap(), Drift::to_do("pull image redis:7-alpine"));
        host.machine().install_docker();
        assert_eq!(converge(&host, &image).await, ["run docker pull redis:7-alpine"]);
        assert!(converge(&host, &image).await.is_empty());
    }

    #[tokio::test]
    async fn a_daemon_that_does_not_answer_is_an_error_not_a_missing_image() {
        let host = FakeHost::debian();
        host.machine().install_docker();
        host.machine().systemd.add("docker.service", false);
        assert!(Image::new("redis:7-alpine").check(&host).await.is_err());
    }
}
