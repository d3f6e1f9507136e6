//! The last dump of the database, before it is deleted.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use askama::Template;
use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::super::docker::api::{self, Container};
use super::super::stamp::hex;
use super::super::{Drift, Resource};
use super::psql::{self, number};
use crate::host::{Access, Cmd, Host, Probe};
use crate::report::{Problem, WithRemedy};

/// Where dumps lie, a directory each.
pub const DUMPS: &str = "/var/backups/tootstrap";
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

    /// The newest finished dump.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub async fn newest(host: &dyn Probe) -> anyhow::Result<Option<PathBuf>> {
        Ok(finished(host).await?.pop().map(|(path, _)| path))
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

    async fn make_directories(&self, host: &dyn Host) -> anyhow::Result<()> {
        for (path, mode) in [(Path::new("/var/backups"), 0o755), (Path::new(DUMPS), 0o700), (&self.directory, 0o700)] {
            if host.stat(path).await?.is_none() {
                host.make_dir(path, Access::root(mode)).await?;
            }
        }
        Ok(())
    }
}

/// Every finished dump with the state of the cluster that it is of, the newest last.
async fn finished(host: &dyn Probe) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut finished = Vec::new();
    for name in host.list(Path::new(DUMPS)).await? {
        let path = Path::new(DUMPS).join(name);
        if let Some(state) = host.read(&path.join(COMPLETE)).await? {
            finished.push((path, String::from_utf8_lossy(&state).trim().to_owned()));
        }
    }
    Ok(finished)
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
        if host.stat(Path::new(DATABASE)).await?.is_none() {
            return Ok(Drift::none());
        }
        if let Some(state) = state(host).await?
            && finished(host).await?.iter().any(|(_, kept)| *kept == state)
        {
            return Ok(Drift::none());
        }
        database(host).await?;
        Ok(Drift::to_do(format!("stop Mastodon and keep a dump in {}", self.directory.display())))
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let db = database(host.probe()).await?;
        let again = format!("run this again; {WITHOUT}");
        let bytes = bring_up(host, &db).await.context("no last dump can be made: the database does not answer").remedy(&again)?;
        refuse_without_space(bytes.saturating_add(BESIDES), host.space(Path::new(DUMPS)).await?.free)?;
        self.make_directories(host).await?;
        let is_writer =
            |container: &Container| container.service().is_some_and(|name| WRITERS.contains(&name)) && container.state == "running";
        let writers = api::containers(host.probe()).await?.into_iter().filter(is_writer).map(|container| container.id);
        let writers: Vec<_> = writers.collect();
        let Err(error) = self.keep(host, &db.id, &writers).await else { return Ok(()) };
        // Whoever reads that it failed shall have a server that runs, and no half dump.
        let rm = Cmd::new("rm").args(["--recursive", "--force", "--one-file-system", "--"]).arg(self.directory.to_string_lossy());
        let back = Cmd::new("docker").arg("start").arg(&db.id).args(&writers);
        for undo in [rm, back] {
            if let Err(error) = host.run(&undo).await {
                log::warn!("{error}");
            }
        }
        Err(Problem::new(error.context("no last dump was kept, and nothing was deleted"), again).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::host::fake::docker::Tables;
    use crate::resource::testing::converge;

    const DIRECTORY: &str = "/var/backups/tootstrap/2026-11-28T210500Z";

    fn dump() -> FinalDump {
        FinalDump::new("a.org", DIRECTORY)
    }

    fn machine() -> FakeHost {
        let host = FakeHost::debian();
        {
            let mut machine = host.machine();
            for path in ["/opt/mastodon", "/opt/mastodon/postgres", "/opt/mastodon/postgres/17", "/etc/tootstrap"] {
                machine.place(path, Kind::Directory, "", 0o700);
            }
            machine.place("/etc/tootstrap/settings.toml", Kind::File, "domain = 'a.org'\n", 0o644);
            machine.place("/etc/tootstrap/secrets.toml", Kind::File, "a secret\n", 0o600);
            machine.docker.tables = Some(Tables::seeded());
            machine.run_mastodon_containers();
        }
        host
    }

    #[tokio::test]
    async fn what_writes_is_stopped_then_all_is_kept_and_read_again() {
        let host = machine();
        let at = |name: &str| format!("{DIRECTORY}/{name}");
        let expected = [
            "make_dir /var/backups 755 0:0".to_owned(),
            "make_dir /var/backups/tootstrap 700 0:0".into(),
            format!("make_dir {DIRECTORY} 700 0:0"),
            "run docker stop --time 60 sidekiq-id streaming-id web-id".into(),
            format!("run docker exec db-id pg_dump --format=custom --username mastodon mastodon > {} 600", at("mastodon.dump")),
            "run docker exec --interactive db-id pg_restore --list".into(),
            "run docker exec --interactive db-id pg_restore --file=/dev/null".into(),
            format!("write {} 600", at("settings.toml")),
            format!("write {} 600", at("secrets.toml")),
            format!("write {} 600", at("README.txt")),
            "run docker stop --time 60 db-id".into(),
            format!("write {} 600", at("complete")),
        ];
        assert_eq!(converge(&host, &dump()).await, expected);
        assert_eq!(host.machine().text(at("secrets.toml")), "a secret\n");
        let readme = host.machine().text(at("README.txt"));
        assert!(readme.contains("    cp settings.toml secrets.toml /etc/tootstrap/\n"), "{readme}");
        assert!(readme.lines().all(|line| line.chars().count() <= 80), "{readme}");
        assert_eq!(FinalDump::newest(&host).await.unwrap(), Some(DIRECTORY.into()));
        // A later removal does not need the containers any more.
        host.machine().docker.containers.clear();
        assert!(converge(&host, &dump()).await.is_empty());
    }

    #[tokio::test]
    async fn a_dump_of_an_earlier_state_does_not_count() {
        let host = machine();
        converge(&host, &dump()).await;
        host.machine().start_service("db");
        let later = FinalDump::new("a.org", "/var/backups/tootstrap/2026-11-29T000000Z");
        assert!(!later.check(&host).await.unwrap().is_empty());
        assert!(converge(&host, &later).await.len() > 5);
    }

    #[tokio::test]
    async fn without_a_database_there_is_nothing_to_keep_and_one_that_does_not_run_is_started() {
        assert!(converge(&FakeHost::debian(), &dump()).await.is_empty());
        let host = machine();
        host.machine().docker.containers.get_mut("db").unwrap().state = "exited";
        assert_eq!(converge(&host, &dump()).await[0], "run docker start db-id");
    }

    #[tokio::test]
    async fn where_none_can_be_made_nothing_is_touched_and_the_way_without_is_told() {
        let no_container = machine();
        no_container.machine().docker.containers.clear();
        let error = dump().check(&no_container).await.unwrap_err();
        assert!(format!("{error:#}").contains("the database has no container"), "{error:#}");
        assert!(Problem::remedy_of(&error).unwrap().ends_with("uninstall --delete-data --without-dump"));

        let full = machine();
        full.machine().space.free = 10 << 20;
        let error = dump().apply(&full).await.unwrap_err();
        assert!(format!("{error:#}").contains("has 10 MB left, it may need"), "{error:#}");
        assert!(Problem::remedy_of(&error).is_some() && full.take_log().is_empty());
    }

    #[tokio::test]
    async fn a_dump_that_fails_leaves_a_server_that_runs() {
        for (trouble, what) in
            [("docker stop", "nothing was deleted"), ("pg_dump", "the dump failed"), ("pg_restore --list", "the dump cannot be read again")]
        {
            let host = machine();
            host.fail_next(trouble);
            let error = dump().apply(&host).await.unwrap_err();
            assert!(format!("{error:#}").contains(what) && Problem::remedy_of(&error).is_some(), "{error:#}");
            let machine = host.machine();
            assert!(machine.docker.containers.values().all(|container| container.state == "running"));
            assert!(!machine.nodes.contains_key(Path::new(DIRECTORY)));
        }
    }

    #[tokio::test]
    async fn a_dump_without_the_accounts_is_none() {
        let host = machine();
        host.machine().docker.dumps_nothing = true;
        let error = dump().apply(&host).await.unwrap_err();
        assert!(format!("{error:#}").contains("no table of accounts is in it"), "{error:#}");
    }
}
