//! How much packages that are not installed yet weigh.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::packages::missing;
use crate::host::{Cmd, Method, Output, Probe, Request};

/// For one answer: nothing waits for it but a reader.
const PATIENCE: Duration = Duration::from_secs(5);

/// A repository that apt does not know yet: its sources come with the installation.
#[derive(Clone, Debug)]
pub(crate) struct Unknown {
    /// Base URL.
    pub(crate) url: String,
    /// Suite: `bullseye`. Its component is `stable`.
    pub(crate) suite: String,
    /// dpkg's name of the architecture.
    pub(crate) architecture: String,
}

/// Packed bytes of what is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Bytes of those known.
    pub(crate) bytes: u64,
    /// Packages of which nobody here or at the repository knows.
    pub(crate) unknown: Vec<String>,
}

/// How much is to be fetched for those of these packages that are not installed, and for what they depend on. Packages that apt has not
/// heard of are looked up in the repository, without what they depend on. `None`: all are installed.
///
/// # Errors
/// dpkg or apt do not answer.
pub(crate) async fn size(host: &dyn Probe, names: &[String], repository: &Unknown) -> anyhow::Result<Option<Size>> {
    let missing: Vec<_> = missing(host, names).await?.into_iter().map(|(name, _)| name).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let strange = strangers(&uris(host, &missing).await?);
    let (strange, known): (Vec<_>, Vec<_>) = missing.into_iter().partition(|name| strange.contains(name));
    let mut bytes = 0;
    if !known.is_empty() {
        let output = uris(host, &known).await?;
        ensure!(output.success(), "apt-get does not say what it would fetch: {}", output.stderr.trim());
        bytes = output.stdout.lines().filter_map(bytes_of).sum();
    }
    let mut unknown = Vec::new();
    if !strange.is_empty() {
        let index = index(host, repository).await;
        for name in strange {
            match index.as_ref().ok().and_then(|index| heaviest(index, &name)) {
                Some(more) => bytes += more,
                None => unknown.push(name),
            }
        }
        if let Err(error) = index {
            log::warn!("{error:#}");
        }
    }
    Ok(Some(Size { bytes, unknown }))
}

/// Changes nothing and takes no lock.
async fn uris(host: &dyn Probe, names: &[String]) -> anyhow::Result<Output> {
    let command = Cmd::new("apt-get").args(["-q", "-y", "-o", "Debug::NoLocking=1", "--print-uris"]);
    host.query(&command.args(["install", "--no-install-recommends"]).args(names)).await.context("cannot ask apt-get")
}

/// `E: Unable to locate package docker-ce`, `E: Package 'pigz' has no installation candidate`.
fn strangers(output: &Output) -> Vec<String> {
    let name = |line: &str| {
        let rest = line
            .strip_prefix("E: Unable to locate package ")
            .or_else(|| line.strip_prefix("E: Package '")?.strip_suffix("' has no installation candidate"))?;
        Some(rest.trim().to_owned())
    };
    output.stderr.lines().filter_map(name).collect()
}

/// `'http://deb.debian.org/debian/pool/main/p/pigz/pigz_2.6-1_amd64.deb' pigz_2.6-1_amd64.deb 64212 SHA256:…`
fn bytes_of(line: &str) -> Option<u64> {
    line.strip_prefix('\'')?.split_whitespace().nth(2)?.parse().ok()
}

async fn index(host: &dyn Probe, repository: &Unknown) -> anyhow::Result<String> {
    let Unknown { url, suite, architecture } = repository;
    let url = format!("{}/dists/{suite}/stable/binary-{architecture}/Packages", url.trim_end_matches('/'));
    let answer =
        host.get(&Request::new(Method::Get, &url).timeout(PATIENCE)).await.context("the size of Docker's packages is not known")?;
    ensure!(answer.success(), "{url} answers with status {}", answer.status);
    Ok(answer.text())
}

/// Bytes of the package's largest version: near enough, and never too few.
fn heaviest(index: &str, name: &str) -> Option<u64> {
    let field = |stanza: &str, field: &str| stanza.lines().find_map(|line| Some(line.strip_prefix(field)?.trim().to_owned()));
    let stanzas = index.split("\n\n").filter(|stanza| field(stanza, "Package:").as_deref() == Some(name));
    stanzas.filter_map(|stanza| field(stanza, "Size:")?.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;

    fn docker() -> Unknown {
        Unknown { url: "https://download.docker.com/linux/debian".into(), suite: "bullseye".into(), architecture: "amd64".into() }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(String::from).collect()
    }

    #[tokio::test]
    async fn apt_knows_some_and_the_repository_the_others() {
        let host = FakeHost::debian();
        let wanted = names(&["sudo", "ufw", "docker-ce", "docker-compose-plugin"]);
        host.machine().place("/var/lib/apt/lists/deb.debian.org_debian_dists_bullseye_InRelease", Kind::File, "", 0o644);
        host.machine().install("sudo");
        let known = size(&host, &wanted, &docker()).await.unwrap().unwrap();
        // One from Debian, the larger version of one from Docker; the fake repository lists no plugin.
        assert_eq!(known, Size { bytes: 50_000 + 25_000_000, unknown: names(&["docker-compose-plugin"]) });
        host.machine().apt.unreachable.insert("download.docker.com".into());
        let known = size(&host, &wanted, &docker()).await.unwrap().unwrap();
        assert_eq!(known, Size { bytes: 50_000, unknown: names(&["docker-ce", "docker-compose-plugin"]) });
        for name in &wanted {
            host.machine().install(name);
        }
        assert_eq!(size(&host, &wanted, &docker()).await.unwrap(), None);
        assert!(host.take_log().is_empty());
    }

    #[test]
    fn what_apt_prints() {
        let line = "'http://deb.debian.org/debian/pool/main/p/pigz/pigz_2.6-1_amd64.deb' pigz_2.6-1_amd64.deb 64212 SHA256:1b2";
        assert_eq!((bytes_of(line), bytes_of("Reading package lists...")), (Some(64212), None));
    }
}
