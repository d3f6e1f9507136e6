//! Which images exactly were pulled.

use std::fmt;
use std::path::Path;

use anyhow::ensure;
use async_trait::async_trait;

use super::super::{Drift, Resource};
use crate::host::{Access, Cmd, Host, Probe};

const PATH: &str = "/etc/tootstrap/images.toml";

/// `/etc/tootstrap/images.toml` says with which digest each image came. A record for people and for moving to another machine; nothing
/// decides by it, and the containers keep naming their images by tag.
#[derive(Debug)]
pub struct Digests {
    images: Vec<String>,
}

impl Digests {
    /// Of these images.
    pub fn new(images: Vec<String>) -> Self {
        Self { images }
    }

    async fn record(&self, host: &dyn Probe) -> anyhow::Result<String> {
        let format = "{{range .RepoDigests}}{{.}} {{end}}";
        let answer = host.query(&Cmd::new("docker").args(["image", "inspect", "--format", format]).args(&self.images)).await?;
        let lines: Vec<_> = answer.stdout.lines().collect();
        let (told, asked) = (lines.len(), self.images.len());
        ensure!(answer.success() && told == asked, "Docker told of {told} images, not {asked}: {}", answer.stderr.trim());
        let mut digests = toml::Table::new();
        for (image, line) in self.images.iter().zip(lines) {
            // An image that was loaded from a file has none.
            if let Some(digest) = line.split_whitespace().find(|word| word.contains("@sha256:")) {
                digests.insert(image.clone(), digest.into());
            }
        }
        let record = toml::Table::from_iter([("version".to_owned(), 1.into()), ("digests".to_owned(), digests.into())]);
        Ok(format!("# Written by tootstrap: the images as they were pulled.\n{}", toml::to_string(&record)?))
    }
}

impl fmt::Display for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("record of the images")
    }
}

#[async_trait]
impl Resource for Digests {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        if !super::installed(host).await {
            return Ok(Drift::to_do("write down the digests of the images"));
        }
        let (present, wanted) = (host.read_text(Path::new(PATH)).await?, self.record(host).await?);
        Ok(match present {
            Some(present) if present == wanted => Drift::none(),
            _ => Drift::to_do("write down the digests of the images"),
        })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let record = self.record(host.probe()).await?;
        Ok(host.write(Path::new(PATH), record.as_bytes(), Access::root(0o644)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[tokio::test]
    async fn written_once_all_images_are_here() {
        let host = FakeHost::debian();
        host.machine().install_docker();
        host.machine().place("/etc/tootstrap", Kind::Directory, "", 0o700);
        let digests = Digests::new(vec!["redis:7-alpine".into(), "caddy:2-alpine".into()]);
        host.machine().docker.images.insert("redis:7-alpine".into());
        assert!(digests.check(&host).await.is_err(), "one is still missing");
        host.machine().docker.images.insert("caddy:2-alpine".into());
        assert_eq!(converge(&host, &digests).await, ["write /etc/tootstrap/images.toml 644"]);
        let record: toml::Table = host.machine().text(PATH).parse().unwrap();
        assert!(record["digests"]["redis:7-alpine"].as_str().unwrap().starts_with("redis@sha256:"));
        assert!(converge(&host, &digests).await.is_empty());
    }
}
