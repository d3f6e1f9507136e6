//! Pulled images and power cuts.
//!
//! Docker syncs its records of an image, not the files in it: after a power cut it takes files that are empty for whole ones, and what it
//! unpacked for an image that never became complete for layers that it need not fetch. So a stamp says, from before the first pull until
//! everything is on the disk, in which boot which images are being pulled. Images that were here before are not in it and are not touched.
//!
//! The same holds where Docker leaves its images to containerd, the default of new installations from Docker 29 on: a layer that was unpacked
//! is never looked at again, nor unpacked anew when its image is removed and pulled once more (containerd/containerd#8973).

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::Context;
use async_trait::async_trait;

use super::super::unsynced::Unsynced;
use super::super::{Drift, Resource, stamp};
use super::{api, digests, installed};
use crate::host::{Cmd, Host, HostError, Kind, Probe};
use crate::report::WithRemedy;

const STAMP: &str = "docker/pulling";
/// Where Docker keeps images and their layers, unless it leaves them to containerd: then these are not there.
const STORE: [&str; 2] = ["/var/lib/docker/image", "/var/lib/docker/overlay2"];
/// Where containerd keeps what it has, for Docker and for others.
const CONTAINERD: &str = "/var/lib/containerd";
/// What Docker calls its own part of containerd, and that of its plugins.
const NAMESPACES: [&str; 2] = ["moby", "plugins.moby"];

/// Nothing is left of pulls that a power cut interrupted, and the pulls that follow are noted.
#[derive(Debug)]
pub struct PullsBegun {
    images: Vec<String>,
    /// Docker is ours, so its store may be emptied while nothing uses it.
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

    async fn missing(&self, host: &dyn Probe) -> anyhow::Result<BTreeSet<String>> {
        let mut missing: BTreeSet<_> = self.images.iter().cloned().collect();
        if installed(host).await {
            for image in &self.images {
                if api::image(host, image).await?.is_some() {
                    missing.remove(image);
                }
            }
        }
        Ok(missing)
    }

    /// Images whose files may be torn go, with the containers made from them; what the containers keep lies outside of them.
    async fn forget(&self, host: &dyn Host, images: &BTreeSet<String>) -> anyhow::Result<()> {
        let mut stuck = None;
        for image in images {
            let all = api::containers(host.probe()).await?;
            let of_it =
                all.iter().filter(|container| container.image == *image && container.label("com.docker.compose.project") == "mastodon");
            let ids: Vec<_> = of_it.map(|container| container.id.clone()).collect();
            if !ids.is_empty() {
                host.run(&Cmd::new("docker").args(["rm", "--force"]).args(ids)).await?;
            }
            // Of one that is torn itself Docker may tell an error, and not be able to remove it.
            if !matches!(api::image(host.probe(), image).await, Ok(None)) {
                match host.run(&Cmd::new("docker").args(["image", "rm", "--force", image])).await {
                    Err(HostError::Stopped) => return Err(HostError::Stopped.into()),
                    Err(error) => stuck = Some(error),
                    Ok(_) => {}
                }
            }
        }
        // Layers of images that never became complete have no name to remove them by.
        if self.ours && is_unused(host.probe(), images).await? {
            return empty_store(host).await;
        }
        match stuck {
            Some(error) => Err(error).remedy("remove it by hand: sudo docker image rm --force NAME; then: sudo tootstrap install"),
            None => Ok(()),
        }
    }
}

/// Docker runs again afterwards, and containerd with it, also if their stores could not be emptied.
async fn empty_store(host: &dyn Host) -> anyhow::Result<()> {
    let mut store = Vec::new();
    for directory in STORE {
        if is_directory(host.probe(), directory).await? {
            store.push(directory);
        }
    }
    let mut units = vec!["docker.socket", "docker.service"];
    if is_dockers_alone(host.probe()).await? {
        store.push(CONTAINERD);
        units.push("containerd.service");
    }
    if store.is_empty() {
        return Ok(());
    }
    let emptied = async {
        host.run(&Cmd::new("systemctl").arg("stop").args(units)).await?;
        host.run(&Cmd::new("find").args(store).args(["-mindepth", "1", "-delete"])).await
    };
    let emptied = emptied.await;
    let started = host.unstoppable().run(&Cmd::new("systemctl").args(["start", "docker.service"])).await;
    emptied.and(started)?;
    Ok(())
}

async fn is_directory(host: &dyn Probe, path: &str) -> anyhow::Result<bool> {
    Ok(host.stat(Path::new(path)).await?.is_some_and(|stat| stat.kind == Kind::Directory))
}

/// containerd has a store, and nobody but Docker keeps anything in it.
async fn is_dockers_alone(host: &dyn Probe) -> anyhow::Result<bool> {
    if host.which("ctr").await.is_none() || !is_directory(host, CONTAINERD).await? {
        return Ok(false);
    }
    let said = host.query(&Cmd::new("ctr").args(["namespaces", "list", "--quiet"])).await?;
    Ok(said.success() && said.stdout.lines().all(|name| NAMESPACES.contains(&name)))
}

/// Docker has no container and no image but these, and no installation was ever completed with it.
async fn is_unused(host: &dyn Probe, images: &BTreeSet<String>) -> anyhow::Result<bool> {
    let others = api::images(host).await?.iter().any(|listed| !listed.is_one_of(images));
    Ok(!others && digests::recorded(host).await?.is_empty() && api::containers(host).await?.is_empty())
}

impl fmt::Display for PullsBegun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("images: none torn by a power cut")
    }
}

#[async_trait]
impl Resource for PullsBegun {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let noted = Unsynced::read(host, STAMP).await?;
        if let Some(noted) = &noted
            && noted.is_of_another_boot(host).await?
        {
            return Ok(Drift::to_do("remove images that the machine was pulling when it stopped"));
        }
        let known = noted.map(|noted| noted.names).unwrap_or_default();
        let is_noted = self.missing(host).await?.is_subset(&known);
        Ok(if is_noted { Drift::none() } else { Drift::to_do("note which images are being pulled") })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let boot = stamp::boot(host.probe()).await?;
        let before = Unsynced::read(host.probe(), STAMP).await?;
        let images = match before {
            Some(noted) if noted.boot == boot => noted.names,
            Some(noted) => {
                self.forget(host, &noted.names).await.context("cannot remove images that a power cut may have torn")?;
                BTreeSet::new()
            }
            None => BTreeSet::new(),
        };
        let missing = self.missing(host.probe()).await?;
        Unsynced { boot, names: images.into_iter().chain(missing).collect() }.write(host, STAMP).await
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
        let root = api::root(host.probe()).await?;
        let sync = Cmd::new("sync").args(["--file-system", &root]);
        let with_containerd = is_directory(host.probe(), CONTAINERD).await?;
        host.run(&if with_containerd { sync.arg(CONTAINERD) } else { sync }).await?;
        stamp::remove(host, STAMP).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, Trouble};
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
        for directory in ["/etc/tootstrap", "/var/lib/tootstrap", "/var/lib/tootstrap/stamps"].into_iter().chain(STORE) {
            host.machine().place(directory, Kind::Directory, "", 0o700);
        }
        host
    }

    fn cut_power(host: &FakeHost) {
        host.machine().place(stamp::BOOT, Kind::File, "second\n", 0o444);
    }

    /// As the disk of a machine that lost its power while it pulled.
    async fn after_a_power_cut() -> FakeHost {
        let host = machine();
        converge(&host, &pulls(true)).await;
        host.machine().docker.images.insert(REDIS.into());
        cut_power(&host);
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
    async fn they_are_synced_where_docker_keeps_them() {
        let host = machine();
        converge(&host, &pulls(false)).await;
        host.machine().docker.root = "/mnt/big disk/docker";
        let log = converge(&host, &PullsSynced).await;
        assert_eq!(log[0], "run sync --file-system '/mnt/big disk/docker'");

        converge(&host, &pulls(false)).await;
        host.machine().docker.root = "--data";
        host.take_log();
        let error = PullsSynced.apply(&host).await.unwrap_err();
        assert!(error.to_string().contains("no absolute path") && host.take_log().is_empty(), "{error:#}");
    }

    #[tokio::test]
    async fn another_image_later_in_the_same_boot_is_noted_too() {
        let host = machine();
        converge(&host, &pulls(true)).await;
        let other = PullsBegun::new(vec!["redis:8-alpine".into()], true);
        assert_eq!(converge(&host, &other).await, [NOTE]);
        let noted: Vec<_> = Unsynced::read(&host, STAMP).await.unwrap().unwrap().names.into_iter().collect();
        assert_eq!(noted, ["caddy:2-alpine", REDIS, "redis:8-alpine"]);
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
    async fn of_the_store_only_what_is_there_is_emptied() {
        let [image, layers] = STORE;
        let find = |paths: &str| format!("run find {paths} -mindepth 1 -delete");
        for (absent, expected) in [(vec![image], vec![find(layers)]), (vec![layers], vec![find(image)]), (STORE.to_vec(), vec![])] {
            let host = after_a_power_cut().await;
            for path in &absent {
                host.machine().nodes.remove(Path::new(path));
            }
            let log = converge(&host, &pulls(true)).await;
            let emptied: Vec<_> = log.iter().filter(|line| line.starts_with("run find")).cloned().collect();
            assert_eq!(emptied, expected, "without {absent:?}");
            assert_eq!(log.iter().any(|line| line.contains("systemctl")), !expected.is_empty(), "{log:?}");
            assert_eq!(host.machine().systemd.units["docker.service"].active, "active");
        }
    }

    /// Docker leaves its images to containerd, in which there are these namespaces.
    async fn with_containerd(namespaces: &'static [&'static str]) -> FakeHost {
        let host = after_a_power_cut().await;
        for path in STORE {
            host.machine().nodes.remove(Path::new(path));
        }
        host.machine().place(CONTAINERD, Kind::Directory, "", 0o711);
        host.machine().docker.namespaces = namespaces;
        host
    }

    #[tokio::test]
    async fn what_docker_left_to_containerd_is_emptied_as_well() {
        for namespaces in [&["moby"][..], &["moby", "plugins.moby"], &[]] {
            let host = with_containerd(namespaces).await;
            let log = converge(&host, &pulls(true)).await;
            let stop = "run systemctl stop docker.socket docker.service containerd.service";
            let empty = "run find /var/lib/containerd -mindepth 1 -delete";
            assert_eq!(log, [&format!("run docker image rm --force {REDIS}"), stop, empty, "run systemctl start docker.service", NOTE]);
            for unit in ["docker.service", "containerd.service"] {
                assert_eq!(host.machine().systemd.units[unit].active, "active", "{unit}");
            }
        }
        let host = with_containerd(&["moby"]).await;
        let sync = "run sync --file-system /var/lib/docker /var/lib/containerd";
        converge(&host, &pulls(true)).await;
        assert_eq!(converge(&host, &PullsSynced).await[0], sync);
    }

    #[tokio::test]
    async fn what_others_keep_in_containerd_stays() {
        let host = with_containerd(&["k8s.io", "moby"]).await;
        assert_eq!(converge(&host, &pulls(true)).await, [&format!("run docker image rm --force {REDIS}"), NOTE]);
        // One without its client cannot be asked whose it is.
        let host = with_containerd(&["moby"]).await;
        host.machine().programs.remove("ctr");
        assert_eq!(converge(&host, &pulls(true)).await, [&format!("run docker image rm --force {REDIS}"), NOTE]);
    }

    #[tokio::test]
    async fn docker_runs_again_when_its_store_cannot_be_emptied() {
        let host = after_a_power_cut().await;
        host.take_log();
        // After the image and the stop.
        host.trouble_at(2, Trouble::Fail);
        let error = pulls(true).apply(&host).await.unwrap_err();
        assert!(format!("{error:#}").contains("find"), "{error:#}");
        assert_eq!(host.machine().systemd.units["docker.service"].active, "active");
        host.trouble_ends();
        assert!(converge(&host, &pulls(true)).await.contains(&EMPTY.to_owned()), "the next run goes on");
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
    async fn what_is_torn_so_that_docker_cannot_remove_it_goes_with_the_store() {
        let host = after_a_power_cut().await;
        host.machine().docker.torn_images.insert(REDIS.into());
        let log = converge(&host, &pulls(true)).await;
        assert!(log.contains(&EMPTY.to_owned()) && host.machine().docker.images.is_empty(), "{log:?}");

        // Somebody else's Docker, and one in which there is somebody else's image.
        for (ours, image) in [(false, REDIS), (true, "their/own:1")] {
            let host = after_a_power_cut().await;
            host.machine().docker.torn_images.insert(REDIS.into());
            host.machine().docker.images.insert(image.into());
            let error = pulls(ours).apply(&host).await.unwrap_err();
            assert!(crate::report::Problem::remedy_of(&error).unwrap().contains("docker image rm"), "{error:#}");
            assert!(host.machine().docker.images.contains(image));
        }
    }

    #[tokio::test]
    async fn the_store_stays_where_there_is_an_image_without_a_name() {
        let host = after_a_power_cut().await;
        host.machine().docker.unnamed_images = 1;
        assert_eq!(converge(&host, &pulls(true)).await, [&format!("run docker image rm --force {REDIS}"), NOTE]);
    }

    #[tokio::test]
    async fn images_that_were_here_before_the_pulls_stay() {
        // One that we use, which the operator may have built, and one of somebody else's.
        for image in [REDIS, "their/own:1"] {
            let host = machine();
            host.machine().docker.images.insert(image.into());
            converge(&host, &pulls(true)).await;
            host.machine().docker.images.insert("caddy:2-alpine".into());
            cut_power(&host);
            assert_eq!(converge(&host, &pulls(true)).await, ["run docker image rm --force caddy:2-alpine", NOTE]);
            assert!(host.machine().docker.images.contains(image), "{image}");
        }
    }
}
