//! A repository of packages besides Debian's: its key and its source.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use async_trait::async_trait;

use super::key::fingerprint;
use super::sources;
use crate::host::{Access, Host, Probe};
use crate::report::WithRemedy;
use crate::resource::{Directory, Drift, File, Lock, Resource};

/// Where keys of repositories lie (Debian's own convention since Debian 12; Debian 11 has no such directory).
const KEYRINGS: &str = "/etc/apt/keyrings";

/// A repository with its own key, which must have a known fingerprint. If the machine has another source of the same repository, that
/// one is used: apt refuses two with different keys.
pub struct Repository {
    /// Short name: `docker`.
    pub name: &'static str,
    /// First line of the source file, a comment that says what it is for.
    pub comment: String,
    /// Base URL.
    pub url: String,
    /// dpkg's name of the architecture.
    pub architecture: String,
    /// Suite and component: `bullseye stable`.
    pub suite: String,
    /// The armored key, or the file that holds it.
    pub key: Key,
    /// 40 hexadecimal digits that the key must have.
    pub fingerprint: String,
}

/// Where a repository's key comes from.
pub enum Key {
    /// This program carries it.
    Bundled(&'static str),
    /// A file of the operator's.
    File(PathBuf),
}

impl Repository {
    fn key_path(&self) -> PathBuf {
        Path::new(KEYRINGS).join(format!("{}.asc", self.name))
    }

    fn source_path(&self) -> PathBuf {
        Path::new("/etc/apt/sources.list.d").join(format!("{}.list", self.name))
    }

    async fn parts(&self, host: &dyn Probe) -> anyhow::Result<Vec<Box<dyn Resource>>> {
        let key = match &self.key {
            Key::Bundled(key) => (*key).to_owned(),
            Key::File(path) => host.read_text(path).await?.with_context(|| format!("the key file {} does not exist", path.display()))?,
        };
        let found = fingerprint(&key).with_context(|| format!("the key of {} cannot be used", self.url))?;
        if !found.eq_ignore_ascii_case(&self.fingerprint) {
            return Err(anyhow::anyhow!("the key of {} has the fingerprint {found}, not {}", self.url, self.fingerprint))
                .remedy("do not go on before you know whose key this is; then put the right file or fingerprint into the settings");
        }
        let (key_path, access) = (self.key_path(), Access::root(0o644));
        let options = format!("[arch={} signed-by={}]", self.architecture, key_path.display());
        let source = format!("{}\ndeb {options} {} {}\n", self.comment, self.url, self.suite);
        Ok(vec![
            Box::new(Directory::new(KEYRINGS, Access::root(0o755))),
            Box::new(File::text(key_path, key, access)),
            Box::new(File::text(self.source_path(), source, access)),
        ])
    }

    /// The file of another source of the same repository.
    async fn other_source(&self, host: &dyn Probe) -> anyhow::Result<Option<PathBuf>> {
        let files = sources::read(host).await?;
        let others = files.into_iter().filter(|file| file.path != self.source_path());
        let url = self.url.trim_end_matches('/');
        let names_it = |line: &str| !line.trim_start().starts_with('#') && line.split_whitespace().any(|w| w.trim_end_matches('/') == url);
        Ok(others.into_iter().find(|file| file.text.lines().any(names_it)).map(|file| file.path))
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repository {} ({})", self.name, self.url)
    }
}

#[async_trait]
impl Resource for Repository {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        if self.other_source(host).await?.is_some() {
            return Ok(drift);
        }
        for part in self.parts(host).await? {
            drift.merge(part.check(host).await?);
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        ensure!(!self.url.contains(char::is_whitespace), "the URL of a repository has no spaces");
        for part in self.parts(host.probe()).await? {
            if !part.check(host.probe()).await?.is_empty() {
                part.apply(host).await?;
            }
        }
        Ok(())
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

    const KEY: &str = include_str!("../../../assets/docker-apt-key.asc");

    fn docker() -> Repository {
        Repository {
            name: "docker",
            comment: "# ours".into(),
            url: "https://download.docker.com/linux/debian".into(),
            architecture: "amd64".into(),
            suite: "bullseye stable".into(),
            key: Key::Bundled(KEY),
            fingerprint: "9DC858229FC7DD38854AE2D88D81803C0EBFCD88".into(),
        }
    }

    #[tokio::test]
    async fn key_and_source_are_written_once() {
        let host = FakeHost::debian();
        let log = [
            "make_dir /etc/apt/keyrings 755 0:0",
            "write /etc/apt/keyrings/docker.asc 644",
            "write /etc/apt/sources.list.d/docker.list 644",
        ];
        assert_eq!(but_stamps(converge(&host, &docker()).await), log);
        let source =
            "# ours\ndeb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian bullseye stable\n";
        assert_eq!(host.machine().text("/etc/apt/sources.list.d/docker.list"), source);
        assert!(converge(&host, &docker()).await.is_empty());
    }

    #[tokio::test]
    async fn another_source_of_the_same_repository_is_used() {
        let host = FakeHost::debian();
        let source = "Types: deb\nURIs: https://download.docker.com/linux/debian/\nSuites: bullseye\nComponents: stable\n";
        host.machine().place("/etc/apt/sources.list.d/docker-ce.sources", Kind::File, source, 0o644);
        assert!(docker().check(&host).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_wrong_key_is_refused() {
        let host = FakeHost::debian();
        let repository = Repository { fingerprint: "0".repeat(40), ..docker() };
        let error = repository.check(&host).await.unwrap_err();
        assert!(error.to_string().contains("has the fingerprint 9DC858229FC7DD38854AE2D88D81803C0EBFCD88, not 0000"), "{error}");
        assert!(repository.apply(&host).await.is_err());
        assert!(host.take_log().is_empty());
    }
}
