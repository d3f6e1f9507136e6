//! Pulled images and power cuts.
//!
//! Docker syncs its records of an image, not the files in it: after a power cut it takes files that are empty for whole ones, and what it
//! unpacked for an image that never became complete for layers that it need not fetch. So a stamp says, from before the first pull until
//! everything is on the disk, in which boot images are being pulled.

use std::fmt;

use anyhow::Context;
use async_trait::async_trait;

use super::super::{Drift, Resource, stamp};
use super::{api, digests, installed};
use crate::host::{Cmd, Host, Probe};

/// Holds the boot in which images are being pulled.
const STAMP: &str = "docker/pulling";
/// Where Docker keeps images and their layers.
const STORE: [&str; 2] = ["/var/lib/docker/image", "/var/lib/docker/overlay2"];

/// Nothing is left of pulls that a power cut interrupted, and the pulls that follow are noted.
#[derive(Debug)]
pub struct PullsBegun {
    images: Vec<String>,
    /// Docker is ours, so its store may be emptied before the first installation is complete.
    ours: bool,
}

/// Images that were pulled are on the disk.
#[derive(Debug)]
pub struct PullsSynced;

impl PullsBegun {
    /// `images`: every reference that will be pulled. `ours`: this program installed Docker.
    pub fn new(images: Vec<String>, ours: bool) -> Self {
        Self { images, ours }
    }

    /// Images that no finished run has recorded.
    async fn unrecorded(&self, host: &dyn Probe) -> anyhow::Result<Vec<&String>> {
        let recorded = digests::recorded(host).await?;
        Ok(self.images.iter().filter(|image| !recorded.contains_key(*image)).collect())
    }

    async fn is_missing(&self, host: &dyn Probe) -> anyhow::Result<bool> {
        if !installed(host).await {
            return Ok(true);
        }
        for image in &self.images {
            if api::image(host, image).await?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Images whose files may be torn go, with the containers made from them; what the containers keep lies outside of them.
    async fn forget(&self, host: &dyn Host) -> anyhow::Result<()> {
        for image in self.unrecorded(host.probe()).await? {
            let all = api::containers(host.probe()).await?;
            let of_it =
                all.iter().filter(|container| container.image == *image && container.label("com.docker.compose.project") == "mastodon");
            let ids: Vec<_> = of_it.map(|container| container.id.clone()).collect();
            if !ids.is_empty() {
                host.run(&Cmd::new("docker").args(["rm", "--force"]).args(ids)).await?;
            }
            if api::image(host.probe(), image).await?.is_some() {
                host.run(&Cmd::new("docker").args(["image", "rm", "--force", image])).await?;
            }
        }
        // Layers of images that never became complete have no name to remove them by.
        if self.ours && digests::recorded(host.probe()).await?.is_empty() && api::containers(host.probe()).await?.is_empty() {
            host.run(&Cmd::new("systemctl").args(["stop", "docker.socket", "docker.service"])).await?;
            host.run(&Cmd::new("find").args(STORE).args(["-mindepth", "1", "-delete"])).await?;
            host.run(&Cmd::new("systemctl").args(["start", "docker.service"])).await?;
        }
        Ok(())
    }
}

impl fmt::Display for PullsBegun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("images: none torn by a power cut")
    }
}

#[async_trait]
impl Resource for PullsBegun {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        Ok(match stamp::read(host, STAMP).await? {
            Some(boot) if boot == stamp::boot(host).await? => Drift::none(),
            Some(_) => Drift::to_do("remove images that the machine was pulling when it stopped"),
            None if self.is_missing(host).await? => Drift::to_do("note that images are being pulled"),
            None => Drift::none(),
        })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        if stamp::read(host, STAMP).await?.is_some() {
            self.forget(host).await.context("cannot remove images that a power cut may have torn")?;
        }
        stamp::write(host, STAMP, &stamp::boot(host.probe()).await?).await
    }
}

impl fmt::Display for PullsSynced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("images: safe from a power cut")
    }
}

#[async_trait]
impl Resource for PullsSynced {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let pulling = stamp::read(host, STAMP).await?.is_some();
        Ok(if pulling { Drift::to_do("write all that was pulled to the disk") } else { Drift::none() })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        host.run(&Cmd::new("sync").args(["--file-system", "/var/lib/docker"])).await?;
        stamp::remove(host, STAMP).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    const REDIS: &str = "redis:7-alpine";
    const NOTE: &str = "write /var/lib/tootstrap/stamps/docker-pulling 644";
    const EMPTY: &str = "run find /var/lib/docker/image /var/lib/docker/overlay2 -mindepth 1 -delete";

    fn pulls(ours: bool) -> PullsBegun {
        PullsBegun::new(vec![REDIS.into(), "caddy:2-alpine".into()], ours)
    }

    fn machine() -> FakeHost {
        let host = FakeHost::debian();
        host.machine().install_docker();
        for directory in ["/etc/tootstrap", "/var/lib/tootstrap", "/var/lib/tootstrap/stamps"] {
            host.machine().place(directory, Kind::Directory, "", 0o700);
        }
        host
    }

    /// As the disk of a machine that lost its power while it pulled.
    async fn after_a_power_cut() -> FakeHost {
        let host = machine();
        converge(&host, &pulls(true)).await;
        host.machine().docker.images.insert(REDIS.into());
        host.machine().place(stamp::BOOT, Kind::File, "second\n", 0o444);
        host
    }

    #[tokio::test]
    async fn pulls_are_noted_and_then_synced() {
        let host = machine();
        assert_eq!(converge(&host, &pulls(true)).await, [NOTE]);
        host.machine().docker.images.extend([REDIS.to_owned(), "caddy:2-alpine".into()]);
        assert!(converge(&host, &pulls(true)).await.is_empty(), "another run in the same boot");
        assert_eq!(
            converge(&host, &PullsSynced).await,
            ["run sync --file-system /var/lib/docker", "remove /var/lib/tootstrap/stamps/docker-pulling"]
        );
        assert!(converge(&host, &pulls(true)).await.is_empty());
        assert!(converge(&host, &PullsSynced).await.is_empty());
    }

    #[tokio::test]
    async fn after_a_power_cut_nothing_that_was_pulled_is_used() {
        let host = after_a_power_cut().await;
        let log = converge(&host, &pulls(true)).await;
        let stop = "run systemctl stop docker.socket docker.service";
        assert_eq!(log, [&format!("run docker image rm --force {REDIS}"), stop, EMPTY, "run systemctl start docker.service", NOTE]);
        assert!(host.machine().docker.images.is_empty());
    }

    #[tokio::test]
    async fn containers_made_from_them_go_and_those_of_others_stay() {
        let host = after_a_power_cut().await;
        host.machine().start_service("redis");
        let log = converge(&host, &pulls(true)).await;
        assert!(log.contains(&"run docker rm --force redis-id".to_owned()) && log.contains(&EMPTY.to_owned()), "{log:?}");

        // Somebody else's Docker.
        let host = after_a_power_cut().await;
        assert_eq!(converge(&host, &pulls(false)).await, [&format!("run docker image rm --force {REDIS}"), NOTE]);
    }

    #[tokio::test]
    async fn an_image_that_an_earlier_installation_recorded_stays() {
        let host = after_a_power_cut().await;
        let record = format!("version = 1\n[digests]\n\"{REDIS}\" = \"redis@sha256:0\"\n");
        host.machine().place(digests::IMAGES, Kind::File, &record, 0o644);
        assert_eq!(converge(&host, &pulls(true)).await, [NOTE]);
        assert!(host.machine().docker.images.contains(REDIS));
    }
}
