//! The last dump of the database, before it is deleted.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use askama::Template;
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::DateTime;
use sha2::{Digest, Sha256};

use super::super::docker::api::{self, Container};
use super::super::removal::remove_all;
use super::super::stamp::hex;
use super::super::{Drift, Resource};
use super::psql::{self, number};
use crate::host::{Access, Cmd, Host, Kind, Probe};
use crate::report::{Problem, WithRemedy};

/// Where dumps lie, a directory each.
pub const DUMPS: &str = "/var/backups/tootstrap";
/// What the directories are called: the time in UTC.
const NAME: &str = "%Y-%m-%dT%H%M%SZ";
/// PostgreSQL writes this into a data directory that holds a database.
const DATABASE: &str = "/opt/mastodon/postgres/17/PG_VERSION";
/// PostgreSQL's own note of the cluster's state. It changes with every start, stop and checkpoint, and not while nothing runs.
const STATE: &str = "/opt/mastodon/postgres/17/global/pg_control";
/// What stands in a finished dump: the digest of [`STATE`] after the database was stopped.
const COMPLETE: &str = "complete";
/// What the data cannot be used without.
const KEPT: [&str; 3] = ["settings.toml", "secrets.toml", "images.toml"];
/// Services that write into the database.
const WRITERS: [&str; 3] = ["web", "sidekiq", "streaming"];
/// How long the database may take to start.
const START: Duration = Duration::from_mins(3);
/// Seconds that a container has to end by itself, as in compose.yaml.
const GRACE: &str = "60";
/// Bytes for everything but the dump.
const BESIDES: u64 = 64 << 20;
const WITHOUT: &str = "to delete everything without a dump: sudo tootstrap uninstall --delete-data --without-dump";

const SQL: &str = "
SELECT 'bytes', pg_database_size(current_database());
SELECT 'accounts', CASE WHEN to_regclass('public.accounts') IS NULL THEN 0 ELSE 1 END;
";

/// The database's last state, with settings and secrets, is kept in a directory of root's; nothing has run on the database since.
///
/// Pictures and videos are not in it.
#[derive(Debug)]
pub struct FinalDump {
    site: String,
    directory: PathBuf,
}

#[derive(Template)]
#[template(path = "dump/README.txt", escape = "none")]
struct Readme<'a> {
    site: &'a str,
    kept: &'a str,
}

impl FinalDump {
    /// Into a new directory in [`DUMPS`], if there is no dump of this very state yet.
    pub fn new(site: impl Into<String>, directory: impl Into<PathBuf>) -> Self {
        Self { site: site.into(), directory: directory.into() }
    }

    /// The directory of a dump that is begun now.
    pub fn directory(now: Timestamp) -> PathBuf {
        Path::new(DUMPS).join(now.strftime(NAME).to_string())
    }

    /// Whether a finished dump is in this directory.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub async fn is_in(host: &dyn Probe, directory: &Path) -> anyhow::Result<bool> {
        Ok(host.stat(&directory.join(COMPLETE)).await?.is_some())
    }

    /// Stops what writes, dumps, and stops the database.
    async fn keep(&self, host: &dyn Host, db: &str, writers: &[String]) -> anyhow::Result<()> {
        stop(host, writers).await?;
        let dump = self.directory.join("mastodon.dump");
        let command = Cmd::new("docker").args(["exec", db, "pg_dump", "--format=custom", "--username", "mastodon", "mastodon"]);
        host.run_into(&command.timeout(Duration::from_hours(12)), &dump, Access::root(0o600)).await.context("the dump failed")?;
        self.test(host, db, &dump).await.context("the dump cannot be read again")?;
        let mut kept = Vec::new();
        for name in KEPT {
            if let Some(content) = host.read(&Path::new("/etc/tootstrap").join(name)).await? {
                host.write(&self.directory.join(name), &content, Access::root(0o600)).await?;
                kept.push(name);
            }
        }
        let readme = Readme { site: &self.site, kept: &kept.join(" ") }.render()?;
        host.write(&self.directory.join("README.txt"), readme.as_bytes(), Access::root(0o600)).await?;
        stop(host, &[db.to_owned()]).await?;
        let state = state(host.probe()).await?.context("PostgreSQL's directory has no pg_control")?;
        Ok(host.write(&self.directory.join(COMPLETE), format!("{state}\n").as_bytes(), Access::root(0o600)).await?)
    }

    /// The whole dump is read, and it has Mastodon's tables if the database has.
    async fn test(&self, host: &dyn Host, db: &str, dump: &Path) -> anyhow::Result<()> {
        let restore = |option: &str| {
            let restore = Cmd::new("docker").args(["exec", "--interactive", db, "pg_restore", option]).stdin_file(dump);
            restore.timeout(Duration::from_hours(12))
        };
        let listed = host.run(&restore("--list")).await?.stdout;
        let rows = psql::query(host.probe(), &[], SQL).await?.context("the database has stopped")?;
        let has_accounts = listed.lines().any(|line| line.contains(" TABLE DATA public accounts "));
        ensure!(has_accounts || number(&rows, "accounts")? == 0, "no table of accounts is in it");
        host.run(&restore("--file=/dev/null")).await?;
        Ok(())
    }

    /// What ran runs again and there is no half dump, however urgently the run shall end.
    async fn undo(&self, host: &dyn Host, db: &Container, writers: &[String]) -> anyhow::Result<()> {
        let host = host.unstoppable();
        if let Err(error) = remove_all(&*host, std::slice::from_ref(&self.directory)).await {
            log::warn!("{error:#}");
        }
        if db.state != "running" {
            return stop(&*host, std::slice::from_ref(&db.id)).await;
        }
        // Docker ends a stop that nobody waits for any more; a mere start could come before its end.
        let restart = Cmd::new("docker").args(["restart", "--time", GRACE, &db.id]).args(writers);
        host.run(&restart).await.context("Mastodon is stopped").remedy(format!("start it: sudo {restart}"))?;
        Ok(())
    }

    async fn make_directories(&self, host: &dyn Host) -> anyhow::Result<()> {
        for (path, mode) in [(Path::new("/var/backups"), 0o755), (Path::new(DUMPS), 0o700), (&self.directory, 0o700)] {
            if host.stat(path).await?.is_none() {
                host.make_dir(path, Access::root(mode)).await?;
            }
        }
        Ok(())
    }
}

/// The state of the cluster that each finished dump is of.
async fn finished(host: &dyn Probe) -> anyhow::Result<Vec<String>> {
    let mut finished = Vec::new();
    for name in host.list(Path::new(DUMPS)).await? {
        if let Some(state) = host.read(&Path::new(DUMPS).join(name).join(COMPLETE)).await? {
            finished.push(String::from_utf8_lossy(&state).trim().to_owned());
        }
    }
    Ok(finished)
}

/// Directories of ours in which a run that was killed, or a power cut, left a part of a dump.
async fn unfinished(host: &dyn Probe) -> anyhow::Result<Vec<PathBuf>> {
    let mut unfinished = Vec::new();
    for name in host.list(Path::new(DUMPS)).await? {
        let path = Path::new(DUMPS).join(&name);
        let is_ours = DateTime::strptime(NAME, &name).is_ok() && host.stat(&path).await?.is_some_and(|stat| stat.kind == Kind::Directory);
        if is_ours && !FinalDump::is_in(host, &path).await? {
            unfinished.push(path);
        }
    }
    Ok(unfinished)
}

/// `None`: the cluster is damaged.
async fn state(host: &dyn Probe) -> anyhow::Result<Option<String>> {
    Ok(host.read(Path::new(STATE)).await?.map(|state| hex(&Sha256::digest(state))))
}

async fn database(host: &dyn Probe) -> anyhow::Result<Container> {
    let found = api::containers(host).await.map(|containers| containers.into_iter().find(|container| container.service() == Some("db")));
    let missing = || anyhow!("the database has no container");
    found
        .and_then(|found| found.ok_or_else(missing))
        .context("no last dump can be made")
        .remedy(format!("`sudo tootstrap install` brings the database up, then run this again; {WITHOUT}"))
}

/// Starts it if it does not run, and says how many bytes it has.
async fn bring_up(host: &dyn Host, db: &Container) -> anyhow::Result<u64> {
    let stopped = db.state != "running";
    if stopped {
        host.run(&Cmd::new("docker").args(["start", &db.id])).await?;
    }
    let began = tokio::time::Instant::now();
    loop {
        match psql::query(host.probe(), &[], SQL).await {
            Ok(Some(rows)) => return number(&rows, "bytes"),
            Err(error) if !stopped || began.elapsed() > START => return Err(error),
            Ok(None) if began.elapsed() > START => return Err(anyhow!("it does not start; its log: docker logs --tail 50 {}", db.id)),
            Ok(None) | Err(_) => host.pause(Duration::from_secs(1)).await?,
        }
    }
}

async fn stop(host: &dyn Host, ids: &[String]) -> anyhow::Result<()> {
    if !ids.is_empty() {
        host.run(&Cmd::new("docker").args(["stop", "--time", GRACE]).args(ids)).await?;
    }
    Ok(())
}

/// How many bytes are missing.
fn refuse_without_space(needed: u64, free: u64) -> anyhow::Result<()> {
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    if free >= needed {
        return Ok(());
    }
    Err(anyhow!("no last dump can be made: {DUMPS} has {} MB left, it may need {} MB", megabytes(free), megabytes(needed)))
        .remedy(format!("free some space (docker system prune may help), then run this again; {WITHOUT}"))
}

impl fmt::Display for FinalDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a last dump of the database, with settings and secrets")
    }
}

#[async_trait]
impl Resource for FinalDump {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        // A deletion that broke off has taken this file first, after a dump of this very state; a cluster that lost it otherwise is only damaged.
        let is_named = host.stat(Path::new(DATABASE)).await?.is_some();
        match state(host).await? {
            Some(state) if finished(host).await?.contains(&state) => return Ok(Drift::none()),
            None if !is_named => return Ok(Drift::none()),
            _ => {}
        }
        database(host).await?;
        let mut drift = Drift::none();
        for path in unfinished(host).await? {
            drift.push_do(format!("remove {}, a dump that was never finished", path.display()));
        }
        drift.push_do(format!("stop Mastodon and keep a dump in {}", self.directory.display()));
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let db = database(host.probe()).await?;
        let again = format!("run this again; {WITHOUT}");
        let bytes = bring_up(host, &db).await.context("no last dump can be made: the database does not answer").remedy(&again)?;
        // Only now: the database can be dumped anew.
        remove_all(host, &unfinished(host.probe()).await?).await?;
        refuse_without_space(bytes.saturating_add(BESIDES), host.space(Path::new(DUMPS)).await?.free)?;
        self.make_directories(host).await?;
        let is_writer =
            |container: &Container| container.service().is_some_and(|name| WRITERS.contains(&name)) && container.state == "running";
        let writers = api::containers(host.probe()).await?.into_iter().filter(is_writer).map(|container| container.id);
        let writers: Vec<_> = writers.collect();
        let Err(error) = self.keep(host, &db.id, &writers).await else { return Ok(()) };
        self.undo(host, &db, &writers).await.with_context(|| format!("no last dump was kept, and nothing was deleted: {error:#}"))?;
        Err(Problem::new(error.context("no last dump was kept, and nothing was deleted"), again).into())
    }
}

#[cfg(test)]
mod tests;
