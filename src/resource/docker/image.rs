//! Images that were pulled.

use std::fmt;
use std::ops::ControlFlow;

use anyhow::Context;
use async_trait::async_trait;
use secrecy::SecretString;
use tokio::time::Instant;

use super::super::{Drift, Resource};
use super::pull::Pull;
use super::registry::{login_of, name_and_version};
use super::{api, digests, login};
use crate::host::{Cmd, Host, News, Probe};
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
        let login = login_for(host, reference).await;
        let mut pull = Pull::default();
        let mut tell = |bytes: &[u8]| {
            let now = Instant::now();
            pull.feed(bytes, now).iter().for_each(|line| host.tell(News::Line(line)));
            if let Some(progress) = pull.due(now) {
                host.tell(News::Progress(progress));
            }
            if pull.has_failed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let pulled = api::pull(host, reference, login, &mut tell).await;
        if let Some(progress) = pull.untold() {
            host.tell(News::Progress(progress));
        }
        pulled.and_then(|()| pull.end()).or_else(|error| {
            let remedy = remedy(&format!("{error:#}"));
            Err(error).with_context(|| format!("cannot pull {self}")).remedy(remedy)
        })
    }
}

/// What `docker login` has kept for where the image is. What cannot be used is told and left out, as Docker's client does.
async fn login_for(host: &dyn Host, reference: &str) -> Option<SecretString> {
    let (name, _) = name_and_version(reference);
    let found = login::header(host.probe(), login_of(name)).await;
    found.unwrap_or_else(|error| {
        host.tell(News::Line(&format!("pulled without a login: {error:#}")));
        None
    })
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
    } else if says(&["manifest unknown", "HTTP 404"]) || says(&["failed to resolve reference"]) && says(&[": not found"]) {
        "the registry does not have it: correct its name under [images] in /etc/tootstrap/settings.toml; a recorded build that the registry \
         has no more is replaced by what the tag means now once its line is removed from /etc/tootstrap/images.toml"
    } else if says(&["toomanyrequests", "429 Too Many Requests"]) {
        "the registry limits how often one address may pull: wait some hours, or sign in with `docker login`, then run this again"
    } else if says(&["unauthorized", "denied: denied", "access denied", "authentication required", "insufficient_scope"]) {
        "the registry refuses the login that `docker login` has kept, or wants one: sign in again, or forget it (`docker logout` with the \
         registry's name), then run this again"
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
    use crate::host::fake::FakeHost;
    use crate::host::{Kind, Phase, Progress};
    use crate::report::Problem;
    use crate::resource::testing::converge;

    fn pull_of(name: &str, version: &str) -> String {
        format!("POST http://docker/v1.41/images/create?fromImage={name}&tag={version}")
    }

    #[tokio::test]
    async fn pulled_once() {
        let host = FakeHost::debian();
        let image = Image::new("redis:7-alpine");
        assert_eq!(image.check(&host).await.unwrap(), Drift::to_do("pull image redis:7-alpine"));
        host.machine().install_docker();
        assert_eq!(converge(&host, &image).await, [pull_of("redis", "7-alpine")]);
        let begun = Progress { phase: Phase::Download, bytes: 0, total: None };
        let ended = Progress { phase: Phase::Unpack, bytes: 1000, total: Some(1000) };
        assert_eq!(host.machine().progress, [begun, ended], "what comes within a second is not told");
        assert!(converge(&host, &image).await.is_empty());
    }

    #[test]
    fn what_helps_depends_on_what_docker_said() {
        for (said, helps) in [
            ("failed to register layer: write /usr/bin/node: no space left on device", "df -i"),
            ("no matching manifest for linux/riscv64 in the manifest list entries", "processor"),
            ("manifest for redis@sha256:1 not found: manifest unknown: manifest unknown", "images.toml"),
            ("failed to resolve reference \"ghcr.io/a/b:1\": ghcr.io/a/b:1: not found", "images.toml"),
            ("Head \"https://ghcr.io/v2/a/b/manifests/1\": denied: denied", "docker logout"),
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
        let (name, version) = digest.split_once('@').unwrap();
        assert_eq!(log, [pull_of(name, version), format!("run docker tag {digest} redis:7-alpine")]);
        assert_eq!(converge(&host, &Image::new("caddy:2-alpine")).await, [pull_of("caddy", "2-alpine")]);
    }

    #[tokio::test]
    async fn what_goes_wrong_before_and_after_it_began_is_told_with_what_helps() {
        for (image, why, helps) in [
            ("absent:1", "cannot pull image absent:1: Error response from daemon: manifest unknown", "images.toml"),
            ("large:1", "cannot pull image large:1: Error response from daemon: write /usr/bin/node: no space left on device", "df -i"),
            ("no#name", "cannot pull image no#name: Error response from daemon: invalid reference format", "later"),
        ] {
            let host = FakeHost::debian();
            host.machine().install_docker();
            let error = Image::new(image).apply(&host).await.unwrap_err();
            assert_eq!(format!("{error:#}"), why);
            assert!(Problem::remedy_of(&error).unwrap().contains(helps), "{image}");
        }
    }

    #[tokio::test]
    async fn a_login_that_cannot_be_used_does_not_keep_the_image_away() {
        let host = FakeHost::debian();
        host.machine().install_docker();
        host.machine().place("/root/.docker", Kind::Directory, "", 0o700);
        host.machine().place("/root/.docker/config.json", Kind::File, "{", 0o600);
        let said = "say pulled without a login: /root/.docker/config.json is not as Docker writes it";
        assert_eq!(converge(&host, &Image::new("redis:7-alpine")).await, [said.to_owned(), pull_of("redis", "7-alpine")]);
    }

    #[tokio::test]
    async fn a_daemon_that_does_not_answer_is_an_error_not_a_missing_image() {
        let host = FakeHost::debian();
        host.machine().install_docker();
        host.machine().systemd.add("docker.service", false);
        assert!(Image::new("redis:7-alpine").check(&host).await.is_err());
    }
}
