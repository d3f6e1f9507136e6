//! Which images exactly were pulled.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::super::{Drift, Resource};
use super::api;
use crate::host::{Access, Host, Probe};
use crate::report::WithRemedy;

/// The record of the images.
pub const IMAGES: &str = "/etc/tootstrap/images.toml";
const VERSION: u32 = 1;

/// `/etc/tootstrap/images.toml` says with which digest each image came first. A reference whose tag means another image by now is told, and
/// the record keeps what it had (docs/decisions/0010).
#[derive(Debug)]
pub struct Digests {
    images: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    /// By reference: `name@sha256:…`.
    digests: BTreeMap<String, String>,
}

/// The digests as recorded, by reference. Empty: none are recorded yet.
///
/// # Errors
/// A record that cannot be understood.
pub async fn recorded(host: &dyn Probe) -> anyhow::Result<BTreeMap<String, String>> {
    let remedy = "put it back from a backup, or remove it: the next run writes it again from the images that are here";
    let Some(text) = host.read_text(Path::new(IMAGES)).await.remedy(remedy)? else { return Ok(BTreeMap::new()) };
    let record: Record = toml::from_str(&text).with_context(|| format!("cannot understand {IMAGES}")).remedy(remedy)?;
    if record.version > VERSION {
        return Err(anyhow!("{IMAGES} has version {}, this program knows {VERSION}", record.version))
            .remedy("use the newer tootstrap that wrote it");
    }
    Ok(record.digests)
}

impl Digests {
    /// Of these images.
    pub fn new(images: Vec<String>) -> Self {
        Self { images }
    }

    /// Digests of each image that is here; none, if it was built here or loaded from a file.
    async fn here(&self, host: &dyn Probe) -> anyhow::Result<Vec<(&String, Vec<String>)>> {
        let mut found = Vec::new();
        for image in &self.images {
            let here = api::image(host, image).await?.with_context(|| format!("the image {image} is not here"))?;
            found.push((image, here.repo_digests.unwrap_or_default()));
        }
        Ok(found)
    }

    /// What the record should be: what it says already about these images, and what is here for the others.
    async fn wanted(&self, host: &dyn Probe) -> anyhow::Result<BTreeMap<String, String>> {
        let (here, mut recorded) = (self.here(host).await?, recorded(host).await?);
        let digest = |(image, digests): (&String, Vec<String>)| {
            Some((image.clone(), recorded.remove(image).or_else(|| digests.into_iter().next())?))
        };
        Ok(here.into_iter().filter_map(digest).collect())
    }

    /// Adds to the drift what is another image than the recorded one.
    async fn moved(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let recorded = recorded(host).await?;
        let mut drift = Drift::none();
        for (image, digests) in self.here(host).await? {
            let Some(recorded) = recorded.get(image).filter(|recorded| !digests.contains(recorded)) else { continue };
            let here = digests.first().map_or("an image without digest", String::as_str);
            drift.merge(Drift::stuck(
                format!("{image} to be the image that was recorded: it was {recorded}, and is {here}"),
                format!("get the recorded one (docker pull {recorded} && docker tag {recorded} {image}), or, if the other is wanted, remove its line from {IMAGES}; then: sudo tootstrap install"),
            ));
        }
        Ok(drift)
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
        let mut drift = self.moved(host).await?;
        if self.wanted(host).await? != recorded(host).await? || host.stat(Path::new(IMAGES)).await?.is_none() {
            drift.push_do("write down the digests of the images");
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let record = Record { version: VERSION, digests: self.wanted(host.probe()).await? };
        let text = format!("# Written by tootstrap: the images as they were pulled first.\n{}", toml::to_string(&record)?);
        Ok(host.write(Path::new(IMAGES), text.as_bytes(), Access::root(0o644)).await?)
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
        let record: toml::Table = host.machine().text(IMAGES).parse().unwrap();
        assert!(record["digests"]["redis:7-alpine"].as_str().unwrap().starts_with("redis@sha256:"));
        assert!(converge(&host, &digests).await.is_empty());
    }

    #[tokio::test]
    async fn a_tag_that_means_another_image_now_is_told_and_not_taken() {
        let host = FakeHost::debian();
        host.machine().install_docker();
        host.machine().place("/etc/tootstrap", Kind::Directory, "", 0o700);
        host.machine().docker.images.extend(["redis:7-alpine".to_owned(), "caddy:2-alpine".into(), "caddy:3".into()]);
        converge(&host, &Digests::new(vec!["redis:7-alpine".into(), "caddy:2-alpine".into()])).await;
        let (first, other) = (host.machine().text(IMAGES), format!("redis@sha256:{}", "1".repeat(64)));
        host.machine().docker.digests.insert("redis:7-alpine".into(), other.clone());

        let digests = Digests::new(vec!["redis:7-alpine".into(), "caddy:2-alpine".into()]);
        let drift = digests.check(&host).await.unwrap();
        assert!(drift.changes.is_empty(), "{drift:?}");
        let wait = drift.wait.unwrap();
        assert!(!wait.soon && wait.what.starts_with("redis:7-alpine to be") && wait.what.ends_with(&other), "{wait:?}");

        // Another reference is recorded, what moved stays as it was, and what is no longer used goes.
        let digests = Digests::new(vec!["redis:7-alpine".into(), "caddy:3".into()]);
        digests.apply(&host).await.unwrap();
        let line = |text: &str| text.lines().find(|line| line.contains("redis")).unwrap().to_owned();
        let second = host.machine().text(IMAGES);
        assert_eq!(line(&second), line(&first));
        assert!(second.contains("caddy:3") && !second.contains("caddy:2"), "{second}");
        assert!(digests.check(&host).await.unwrap().changes.is_empty());

        // The operator takes the other image.
        host.machine().nodes.remove(Path::new(IMAGES));
        converge(&host, &digests).await;
        assert!(host.machine().text(IMAGES).contains(&other));
    }

    #[tokio::test]
    async fn a_damaged_record_is_an_error() {
        for text in ["no toml", "version = 2\n[digests]\n"] {
            let host = FakeHost::debian();
            host.machine().place(IMAGES, Kind::File, text, 0o644);
            assert!(recorded(&host).await.is_err(), "{text}");
        }
    }
}
