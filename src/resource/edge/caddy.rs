//! Caddy, and its store after a power cut.
//!
//! Caddy does not sync what it keeps, and up to 2.8 wrote over the old file (caddyserver/caddy#6481): a power cut can leave empty files. With
//! such a certificate Caddy never starts again ("decoding certificate metadata: unexpected end of JSON input"), with such an account it never
//! gets another certificate. Both come anew from the authority once what was torn is out of the way.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use async_trait::async_trait;

use super::super::docker::{Services, compose};
use super::super::{Drift, Resource};
use crate::host::{Host, Probe};

/// What Caddy calls its storage. Below each of [`KEPT`] a directory for each authority has one for each certificate, or account.
const STORE: &str = "/opt/mastodon/caddy/data/caddy";
/// Where certificates and accounts lie, as seen from an authority's directory.
const KEPT: [(&str, &str); 2] = [("certificates", ""), ("acme", "users")];
/// Where torn ones go, with a number if one of that name is there already.
const ASIDE: &str = "/opt/mastodon/caddy/data/torn";

const SERVICES: Services = Services::new(&["caddy"]);

/// Caddy runs, is healthy, and can read what it keeps.
#[derive(Debug)]
pub struct Caddy;

/// Directories of certificates and accounts that have a file that cannot be read.
async fn torn(host: &dyn Probe) -> anyhow::Result<Vec<PathBuf>> {
    let mut torn = Vec::new();
    for (kept, below) in KEPT {
        let authorities = Path::new(STORE).join(kept);
        for authority in host.list(&authorities).await? {
            let directory = authorities.join(authority).join(below);
            for name in host.list(&directory).await? {
                let one = directory.join(name);
                if holds_a_torn_file(host, &one).await? {
                    torn.push(one);
                }
            }
        }
    }
    Ok(torn)
}

async fn holds_a_torn_file(host: &dyn Probe, directory: &Path) -> anyhow::Result<bool> {
    for name in host.list(directory).await? {
        let path = directory.join(name);
        if host.read(&path).await?.is_some_and(|content| is_torn(&path, &content)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// By the ends of its own format: JSON, or PEM.
fn is_torn(path: &Path, content: &[u8]) -> bool {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::from_slice::<serde::de::IgnoredAny>(content).is_err(),
        Some("crt" | "key") => !content.trim_ascii_end().ends_with(b"-----"),
        _ => false,
    }
}

/// Caddy is ended first: what it was just writing is whole then.
async fn put_aside(host: &dyn Host) -> anyhow::Result<()> {
    host.run(&compose().args(["stop", "caddy"])).await?;
    for directory in torn(host.probe()).await? {
        let aside = free_name(host.probe(), &directory).await?;
        host.rename(&directory, &aside).await?;
        log::warn!("{} could not be read, as after a power cut, and is {} now; Caddy gets it anew", directory.display(), aside.display());
    }
    Ok(())
}

async fn free_name(host: &dyn Probe, directory: &Path) -> anyhow::Result<PathBuf> {
    let name = directory.file_name().context("a directory in Caddy's store has no name")?.to_string_lossy();
    let first = format!("{ASIDE}-{name}");
    let names = std::iter::once(first.clone()).chain((2..).map(|number: u64| format!("{first}-{number}")));
    for name in names {
        if host.stat(Path::new(&name)).await?.is_none() {
            return Ok(name.into());
        }
    }
    anyhow::bail!("no name is free beside {first}")
}

impl fmt::Display for Caddy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SERVICES.fmt(f)
    }
}

#[async_trait]
impl Resource for Caddy {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = SERVICES.check(host).await?;
        for directory in torn(host).await? {
            drift.push_do(format!("put {} aside, which cannot be read", directory.display()));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        if !torn(host.probe()).await?.is_empty() {
            put_aside(host).await.context("cannot put aside what Caddy cannot read in its store")?;
        }
        SERVICES.apply(host).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::{but_stamps, converge};

    const SITE: &str = "/opt/mastodon/caddy/data/caddy/certificates/acme-v02/social.example.org";
    const ACCOUNT: &str = "/opt/mastodon/caddy/data/caddy/acme/acme-v02/users/admin@example.org";
    const PEM: &str = "-----BEGIN X-----\nMA==\n-----END X-----\n";
    const STOP: &str = "run docker compose --project-directory /opt/mastodon stop caddy";

    /// Caddy runs with a whole certificate and a whole account.
    fn machine() -> FakeHost {
        let host = FakeHost::debian();
        host.machine().run_mastodon_containers();
        for file in ["compose.yaml", "env.production", "secrets.env"] {
            host.machine().place(format!("/opt/mastodon/{file}"), Kind::File, "", 0o600);
        }
        for directory in Path::new(SITE).ancestors().chain(Path::new(ACCOUNT).ancestors()) {
            host.machine().place(directory, Kind::Directory, "", 0o700);
        }
        for directory in ["/var/lib/tootstrap", "/var/lib/tootstrap/stamps"] {
            host.machine().place(directory, Kind::Directory, "", 0o700);
        }
        for (name, content) in [("json", "{\"sans\":[]}"), ("crt", PEM), ("key", PEM)] {
            host.machine().place(format!("{SITE}/social.example.org.{name}"), Kind::File, content, 0o600);
        }
        for (name, content) in [("admin.json", "{}"), ("admin.key", PEM)] {
            host.machine().place(format!("{ACCOUNT}/{name}"), Kind::File, content, 0o600);
        }
        host
    }

    #[tokio::test]
    async fn what_can_be_read_stays() {
        let host = machine();
        converge(&host, &Caddy).await;
        assert!(converge(&host, &Caddy).await.is_empty());
        host.machine().place(format!("{SITE}/social.example.org.lock"), Kind::File, "", 0o600);
        assert!(converge(&host, &Caddy).await.is_empty(), "no file of a format that is known");
    }

    #[tokio::test]
    async fn what_a_power_cut_tore_is_put_aside_whole() {
        for (directory, file, content) in [
            (SITE, "social.example.org.json", ""),
            (SITE, "social.example.org.json", "{\"sans\":["),
            (SITE, "social.example.org.crt", "-----BEGIN X-----\nMA"),
            (SITE, "social.example.org.key", ""),
            (ACCOUNT, "admin.json", ""),
            (ACCOUNT, "admin.key", "\0\0\0\0"),
        ] {
            let host = machine();
            converge(&host, &Caddy).await;
            let name = directory.rsplit('/').next().unwrap();
            for aside in [format!("{ASIDE}-{name}"), format!("{ASIDE}-{name}-2")] {
                host.machine().place(directory, Kind::Directory, "", 0o700);
                host.machine().place(format!("{directory}/{file}"), Kind::File, content, 0o600);
                assert!(!Caddy.check(&host).await.unwrap().changes.is_empty(), "{file}: {content:?}");
                let log = but_stamps(converge(&host, &Caddy).await);
                assert_eq!(log[..2], [STOP.to_owned(), format!("rename {directory} {aside}")], "{file}: {content:?}");
                assert_eq!(host.machine().text(format!("{aside}/{file}")), content);
            }
        }
    }

    #[tokio::test]
    async fn caddy_starts_again_afterwards() {
        let host = machine();
        converge(&host, &Caddy).await;
        host.machine().place(format!("{SITE}/social.example.org.json"), Kind::File, "", 0o600);
        host.machine().start_service("caddy");
        assert_eq!(host.machine().docker.containers["caddy"].health, "(unhealthy)", "it cannot read the certificate");
        converge(&host, &Caddy).await;
        let caddy = host.machine().docker.containers["caddy"].clone();
        assert_eq!((caddy.state, caddy.health), ("running", "(healthy)"));
    }
}
