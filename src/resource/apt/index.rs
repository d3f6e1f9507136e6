//! The index of packages.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use async_trait::async_trait;

use super::sources::{self, SourceFile};
use super::{LISTS, apt_get, run_locked};
use crate::facts::Release;
use crate::host::{Access, Cmd, Host, HostError, Probe};
use crate::report::WithRemedy;
use crate::resource::{Drift, File, Lock, Resource, stamp};

const STAMP: &str = "apt/index";

/// The index of packages, fetched since the sources last changed. A source that fails and is not needed is a warning. A suite of Debian's
/// that is no longer served where the sources say is looked for in Debian's archive and snapshots.
pub struct Index {
    release: Release,
    /// URLs of further repositories that are needed.
    needed: Vec<String>,
}

impl Index {
    /// The index of this release and of these repositories.
    pub fn new(release: Release, needed: impl IntoIterator<Item = String>) -> Self {
        Self { release, needed: needed.into_iter().collect() }
    }

    /// Names of needed repositories whose index is not there.
    async fn absent(&self, host: &dyn Probe) -> anyhow::Result<Vec<String>> {
        let lists = host.list(Path::new(LISTS)).await?;
        let has = |start: &str| {
            let ends = [format!("_dists_{}_InRelease", self.release.codename()), format!("_dists_{}_Release", self.release.codename())];
            lists.iter().any(|list| list.starts_with(start) && ends.iter().any(|end| list.ends_with(end)))
        };
        let further = self.needed.iter().map(|url| (url.clone(), list_name(url)));
        // Debian's own mirror can have any name; every other repository that is needed has a known one.
        let others: Vec<_> = further.clone().map(|(_, name)| name).collect();
        let debians = lists.iter().filter(|list| !others.iter().any(|name| list.starts_with(name.as_str())));
        let suite = format!("_dists_{}_", self.release.codename());
        let has_debian = debians.into_iter().any(|list| list.contains(&suite));
        let debian = (!has_debian).then(|| format!("Debian {}", self.release.version()));
        Ok(debian.into_iter().chain(further.filter(|(_, name)| !has(name)).map(|(url, _)| url)).collect())
    }

    async fn is_current(&self, host: &dyn Probe, files: &[SourceFile]) -> anyhow::Result<bool> {
        let known = stamp::read(host, STAMP).await?;
        Ok(known == Some(fingerprint(host, files).await?) && self.absent(host).await?.is_empty())
    }

    fn is_past_its_end(&self) -> bool {
        self.release.end_of_life(jiff::Zoned::now().date()).is_some()
    }

    /// Writes the sources that must change; whether there were any.
    async fn follow_the_archive(&self, host: &dyn Host) -> anyhow::Result<bool> {
        let moved = sources::moved(host.probe(), self.release, &sources::read(host.probe()).await?).await;
        for (file, text) in &moved {
            File::text(&file.path, text, Access::root(0o644)).apply(host).await?;
        }
        Ok(!moved.is_empty())
    }

    async fn update(&self, host: &dyn Host) -> anyhow::Result<()> {
        let past_its_end = self.is_past_its_end();
        if past_its_end {
            self.follow_the_archive(host).await?;
        }
        let mut failed = run_locked(host, &fetch()).await.err();
        if matches!(failed, Some(HostError::Failed { .. })) && !past_its_end && self.follow_the_archive(host).await? {
            failed = run_locked(host, &fetch()).await.err();
        }
        let absent = self.absent(host.probe()).await?;
        match failed {
            Some(error @ HostError::Failed { .. }) if absent.is_empty() => {
                log::warn!("a source of packages fails, which is not needed: {error}");
            }
            Some(error) => {
                let error = anyhow!(error).context(format!("the index of packages cannot be fetched: {}", absent.join(", ")));
                return Err(error).remedy("check the network and the sources in /etc/apt, then run this again");
            }
            None if absent.is_empty() => {}
            // apt itself calls it a success when a mirror cannot be reached.
            None => {
                return Err(anyhow!("the index of packages could not be fetched: {}", absent.join(", ")))
                    .remedy("see in the lines above whether the network is down or a source is missing in /etc/apt, then run this again");
            }
        }
        Ok(())
    }
}

/// Without translations of descriptions, which nothing here reads: the first packages wait for this.
fn fetch() -> Cmd {
    apt_get().args(["-o", "Acquire::Languages=none", "update"])
}

async fn fingerprint(host: &dyn Probe, files: &[SourceFile]) -> anyhow::Result<String> {
    stamp::fingerprint(host, &files.iter().map(|file| file.path.clone()).collect::<Vec<PathBuf>>()).await
}

/// How apt names the lists of a repository: the URL without scheme and user, `/` as `_`, special characters as `%5f` (apt's
/// `URItoFileName`).
fn list_name(url: &str) -> String {
    let name = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    let (host, path) = name.split_once('/').unwrap_or((name, ""));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let quoted = |c: char| match c {
        '/' => "_".to_owned(),
        c if "\\|{}[]<>\"^~_=!@#$%&*".contains(c) => format!("%{:02x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("{host}/{path}").trim_end_matches('/').chars().map(quoted).collect()
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "index of Debian {}'s packages", self.release.version())
    }
}

#[async_trait]
impl Resource for Index {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let files = sources::read(host).await?;
        if self.is_current(host, &files).await? {
            return Ok(Drift::none());
        }
        let mut drift = Drift::to_do(format!("fetch the {self}"));
        if self.is_past_its_end() {
            for (file, text) in sources::moved(host, self.release, &files).await {
                drift.push_text(file.path.display().to_string(), &file.text, &text);
            }
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        self.update(host).await?;
        let now = fingerprint(host.probe(), &sources::read(host.probe()).await?).await?;
        stamp::write(host, STAMP, &now).await
    }

    fn lock(&self) -> Option<Lock> {
        Some(Lock::Apt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::{but_stamps, converge};

    const DOCKER: &str = "https://download.docker.com/linux/debian";

    fn index() -> Index {
        Index::new(Release::Bullseye, [DOCKER.to_owned()])
    }

    fn machine() -> FakeHost {
        let host = FakeHost::debian();
        host.machine().place("/etc/apt/sources.list.d/docker.list", Kind::File, &format!("deb {DOCKER} bullseye stable\n"), 0o644);
        host
    }

    fn kinds(log: &[String]) -> Vec<&str> {
        log.iter().filter(|line| !line.contains("/var/lib/tootstrap")).map(|line| line.rsplit(' ').next().unwrap_or(line)).collect()
    }

    #[tokio::test]
    async fn fetched_once_and_again_when_the_sources_change() {
        let host = machine();
        assert_eq!(kinds(&converge(&host, &index()).await), ["update"]);
        assert!(converge(&host, &index()).await.is_empty());
        host.machine().place(
            "/etc/apt/sources.list.d/x.list",
            Kind::File,
            "deb http://deb.debian.org/debian bullseye-updates main\n",
            0o644,
        );
        assert_eq!(kinds(&converge(&host, &index()).await), ["update"]);
    }

    #[tokio::test]
    async fn a_source_that_is_not_needed_may_fail() {
        let host = machine();
        host.machine().place("/etc/apt/sources.list.d/x.list", Kind::File, "deb http://ppa.example.org/x bullseye main\n", 0o644);
        host.machine().apt.unreachable.insert("ppa.example.org".into());
        host.machine().apt.unreachable.insert("archive.debian.org".into());
        host.machine().apt.unreachable.insert("snapshot.debian.org".into());
        assert_eq!(kinds(&converge(&host, &index()).await), ["update"]);
    }

    #[tokio::test]
    async fn dockers_repository_is_needed() {
        let host = machine();
        host.machine().apt.unreachable.insert("download.docker.com".into());
        let error = format!("{:#}", index().apply(&host).await.unwrap_err());
        assert!(error.contains("cannot be fetched: https://download.docker.com/linux/debian"), "{error}");
    }

    #[tokio::test]
    async fn past_the_end_of_a_release_the_change_of_sources_is_shown() {
        let host = machine();
        host.machine().apt.unreachable.insert("deb.debian.org/debian-security".into());
        let drift: Vec<_> = index().check(&host).await.unwrap().changes.iter().map(ToString::to_string).collect();
        assert_eq!(drift[0], "fetch the index of Debian 11's packages");
        assert!(drift[1].contains("+deb http://archive.debian.org/debian-security bullseye-security main"), "{drift:?}");
        let log = but_stamps(converge(&host, &index()).await);
        assert_eq!(log[..2], ["write /etc/apt/sources.list.former 644", "write /etc/apt/sources.list 644"]);
    }
}
