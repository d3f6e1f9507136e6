//! Images that were pulled.

use std::fmt;

use async_trait::async_trait;

use super::super::docker::{api, installed};
use super::super::{Drift, Resource};
use crate::host::{Cmd, Host, Probe};

/// None of these images, except those that somebody else's containers use.
#[derive(Debug)]
pub struct NoImages {
    references: Vec<String>,
}

impl NoImages {
    /// As they were recorded when they were pulled.
    pub fn new(references: Vec<String>) -> Self {
        Self { references }
    }

    async fn unused(&self, host: &dyn Probe) -> anyhow::Result<Vec<&String>> {
        if !installed(host).await {
            return Ok(Vec::new());
        }
        // Our own containers are on their way out.
        let others = |container: &api::Container| !container.is_ours();
        let used: Vec<_> = api::containers(host).await?.into_iter().filter(others).map(|container| container.image).collect();
        let mut unused = Vec::new();
        for reference in self.references.iter().filter(|reference| !used.contains(reference)) {
            if api::image(host, reference).await?.is_some() {
                unused.push(reference);
            }
        }
        Ok(unused)
    }
}

impl fmt::Display for NoImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no images that only this server used")
    }
}

#[async_trait]
impl Resource for NoImages {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        for reference in self.unused(host).await? {
            drift.push_do(format!("remove image {reference}"));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        for reference in self.unused(host.probe()).await? {
            host.run(&Cmd::new("docker").args(["image", "rm", reference])).await?;
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
    async fn ours_go_and_what_others_use_stays() {
        let host = FakeHost::debian();
        let images = NoImages::new(vec!["redis:7-alpine".into(), "an-image".into()]);
        assert!(converge(&host, &images).await.is_empty(), "without Docker there is nothing");
        host.machine().install_docker();
        host.machine().docker.images.extend(["redis:7-alpine".to_owned(), "an-image".into()]);
        host.machine().docker.published.push((8080, "blog".into()));
        assert_eq!(converge(&host, &images).await, ["run docker image rm redis:7-alpine"]);
        assert_eq!(host.machine().docker.images.iter().collect::<Vec<_>>(), ["an-image"]);
    }
}
