//! Images that were pulled.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;

use super::super::{Drift, Resource};
use super::{api, digests};
use crate::host::{Cmd, Host, Probe};
use crate::report::WithRemedy;

/// An image is here. One that is here is not asked for again: a moving tag does not move by itself. One that got lost comes again as the one
/// that was recorded, whatever its tag means by now.
#[derive(Debug)]
pub struct Image {
    reference: String,
}

impl Image {
    /// By reference: `postgres:17-alpine`, with or without digest.
    pub fn new(reference: impl Into<String>) -> Self {
        Self { reference: reference.into() }
    }

    async fn pull(&self, host: &dyn Host, reference: &str) -> anyhow::Result<()> {
        let pull = Cmd::new("docker").args(["pull", reference]).timeout(Duration::from_hours(1));
        match host.run(&pull).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let remedy = remedy(&error.to_string());
                Err(error).with_context(|| format!("cannot pull {self}")).remedy(remedy)
            }
        }
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
        let recorded = digests::recorded(host.probe()).await?.remove(&self.reference);
        self.pull(host, recorded.as_ref().unwrap_or(&self.reference)).await?;
        if let Some(recorded) = recorded.filter(|_| !self.reference.contains('@')) {
            host.run(&Cmd::new("docker").args(["tag", &recorded, &self.reference])).await?;
        }
        Ok(())
    }
}

/// What helps, by what Docker said.
fn remedy(said: &str) -> &'static str {
    let says = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    if says(&["no space left on device", "disk quota exceeded"]) {
        "make room on the disk, which lacks space (`df -h /var/lib/docker`) or inodes (`df -i /var/lib/docker`), then run this again"
    } else if says(&["no matching manifest"]) {
        "the image is not made for this machine's processor: name another one under [images] in /etc/tootstrap/settings.toml, or use \
         another machine"
    } else if says(&["manifest unknown"]) {
        "the registry does not have it: correct its name under [images] in /etc/tootstrap/settings.toml; a recorded build that the registry \
         has no more is replaced by what the tag means now once its line is removed from /etc/tootstrap/images.toml"
    } else if says(&["toomanyrequests", "429 Too Many Requests"]) {
        "the registry limits how often one address may pull: wait some hours, or sign in with `docker login`, then run this again"
    } else if says(&["->["]) {
        // `read tcp [2600:3c00::10]:40000->[2600:9000::1]:443: connection reset by peer`
        "the connection over IPv6 breaks: run this again later, or let the machine use IPv4 alone until its next restart \
         (`sysctl -w net.ipv6.conf.all.disable_ipv6=1`) and run this again"
    } else {
        "the registry or the way to it is in trouble: run this again later"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
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

    #[test]
    fn what_helps_depends_on_what_docker_said() {
        for (said, helps) in [
            ("failed to register layer: write /usr/bin/node: no space left on device", "df -i"),
            ("no matching manifest for linux/riscv64 in the manifest list entries", "processor"),
            ("manifest for redis@sha256:1 not found: manifest unknown: manifest unknown", "images.toml"),
            ("toomanyrequests: You have reached your pull rate limit.", "docker login"),
            ("read tcp [2001:db8::1]:40000->[2001:db8::2]:443: read: connection reset by peer", "disable_ipv6"),
            ("received unexpected HTTP status: 500 Internal Server Error", "later"),
        ] {
            assert!(remedy(said).contains(helps), "{said}");
        }
    }

    #[tokio::test]
    async fn one_that_got_lost_comes_again_as_it_was_recorded() {
        let host = FakeHost::debian();
        host.machine().install_docker();
        let digest = format!("redis@sha256:{}", "1".repeat(64));
        let record = format!("version = 1\n[digests]\n'redis:7-alpine' = '{digest}'\n");
        host.machine().place(digests::IMAGES, Kind::File, &record, 0o644);
        let log = converge(&host, &Image::new("redis:7-alpine")).await;
        assert_eq!(log, [format!("run docker pull {digest}"), format!("run docker tag {digest} redis:7-alpine")]);
        assert_eq!(converge(&host, &Image::new("caddy:2-alpine")).await, ["run docker pull caddy:2-alpine"]);
    }

    #[tokio::test]
    async fn a_daemon_that_does_not_answer_is_an_error_not_a_missing_image() {
        let host = FakeHost::debian();
        host.machine().install_docker();
        host.machine().systemd.add("docker.service", false);
        assert!(Image::new("redis:7-alpine").check(&host).await.is_err());
    }
}
