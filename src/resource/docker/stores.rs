//! The databases, and whether PostgreSQL's cluster was ever made to its end.

use std::fmt;
use std::path::Path;

use anyhow::{Context, anyhow};
use async_trait::async_trait;

use super::super::{Drift, Resource, stamp};
use super::{Services, append_only, compose};
use crate::host::{Access, Cmd, Host, Probe};
use crate::report::WithRemedy;

/// Says how far the making of the cluster came. Nothing uses the database before it says [`MADE`].
const STAMP: &str = "app/cluster";
/// Written while the data directory is still empty.
const BEGUN: &str = "begun";
const MADE: &str = "made";
/// Where PostgreSQL keeps the cluster.
const DATA: &str = "/opt/mastodon/postgres/17";
/// Where the last one is that was never finished.
const UNFINISHED: &str = "/opt/mastodon/postgres/17.unfinished";
/// The one file that the image changes after initdb has synced its own.
const RULES: &str = "/opt/mastodon/postgres/17/pg_hba.conf";
/// PostgreSQL numbers what users make from here on, initdb's own below (`FirstNormalObjectId`).
const FIRST_OF_USERS: u64 = 16384;

/// PostgreSQL and Redis run and are healthy.
///
/// Redis' append-only file is mended if a power cut tore it ([`append_only`]).
///
/// The image makes the cluster at its first start and takes whatever it finds later for a complete one. initdb syncs only at its end, and the
/// database comes after it: a power cut before leaves a directory that no start ever repairs. So what was begun here, was never seen to work
/// and never held a table is put aside, and made anew.
#[derive(Debug)]
pub struct Stores;

const SERVICES: Services = Services::new(&["db", "redis"]);
const DATABASE: Services = Services::new(&["db"]);

/// Whether this program began to make a cluster, never saw it work, and nobody ever kept anything in it.
async fn is_unfinished(host: &dyn Probe) -> anyhow::Result<bool> {
    let begun = stamp::read(host, STAMP).await?.is_some_and(|stamp| stamp == BEGUN);
    Ok(begun && !host.list(Path::new(DATA)).await?.is_empty() && !holds_tables(host, Path::new(DATA)).await?)
}

/// Whether a cluster has a file that is not one of those that initdb and `CREATE DATABASE` make: somebody's table, also an empty one.
async fn holds_tables(host: &dyn Probe, cluster: &Path) -> anyhow::Result<bool> {
    let base = cluster.join("base");
    for database in host.list(&base).await? {
        if host.list(&base.join(database)).await?.iter().any(|file| is_of_users(file)) {
            return Ok(true);
        }
    }
    Ok(!host.list(&cluster.join("pg_tblspc")).await?.is_empty())
}

/// By the name of a relation's file: `16385`, `16385_fsm`, `16385.1`.
fn is_of_users(file: &str) -> bool {
    file.split(['_', '.']).next().and_then(|number| number.parse::<u64>().ok()).is_some_and(|number| number >= FIRST_OF_USERS)
}

async fn is_made(host: &dyn Probe) -> anyhow::Result<bool> {
    Ok(stamp::read(host, STAMP).await?.is_some_and(|stamp| stamp == MADE))
}

async fn put_aside(host: &dyn Host) -> anyhow::Result<()> {
    let (data, aside) = (Path::new(DATA), Path::new(UNFINISHED));
    let stat = host.stat(data).await?.with_context(|| format!("{DATA} has vanished"))?;
    host.run(&compose().args(["rm", "--stop", "--force", "db"])).await?;
    if host.stat(aside).await?.is_some() {
        if holds_tables(host.probe(), aside).await? {
            return Err(anyhow!("{UNFINISHED} holds somebody's tables")).remedy("move it elsewhere, then run this again");
        }
        host.run(&Cmd::new("find").args([UNFINISHED, "-delete"])).await?;
    }
    host.rename(data, aside).await?;
    host.make_dir(data, Access { mode: stat.mode, uid: stat.uid, gid: stat.gid }).await?;
    log::warn!("the making of PostgreSQL's cluster was interrupted: what there was of it, without any table, is in {UNFINISHED}");
    Ok(())
}

impl fmt::Display for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SERVICES.fmt(f)
    }
}

#[async_trait]
impl Resource for Stores {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = SERVICES.check(host).await?;
        if is_unfinished(host).await? {
            drift.push_do("make PostgreSQL's cluster anew: its making was interrupted");
        } else if drift.changes.is_empty() && !is_made(host).await? {
            drift.push_do("write down that PostgreSQL's cluster is complete");
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        if is_unfinished(host.probe()).await? {
            put_aside(host).await.context("cannot put a PostgreSQL cluster aside whose making was interrupted")?;
        }
        if host.list(Path::new(DATA)).await?.is_empty() {
            stamp::write(host, STAMP, BEGUN).await?;
        }
        let mut done = SERVICES.apply(host).await;
        if done.is_err() && append_only::is_torn(host.probe()).await? {
            append_only::mend(host).await.context("Redis does not start, and its append-only file cannot be mended")?;
            done = SERVICES.apply(host).await;
        }
        // Also when only Redis fails: this cluster is complete.
        if !is_made(host.probe()).await? && (done.is_ok() || DATABASE.check(host.probe()).await?.changes.is_empty()) {
            host.run(&Cmd::new("sync").arg(RULES)).await?;
            stamp::write(host, STAMP, MADE).await?;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    const UP: &str = "run docker compose --project-directory /opt/mastodon up --detach --no-deps db redis";
    const KNOWN: &str = "write /var/lib/tootstrap/stamps/containers 644";
    const NOTE: &str = "write /var/lib/tootstrap/stamps/app-cluster 644";
    const SYNC: &str = "run sync /opt/mastodon/postgres/17/pg_hba.conf";
    const REMOVE: &str = "run docker compose --project-directory /opt/mastodon rm --stop --force db";
    const ASIDE: &str = "rename /opt/mastodon/postgres/17 /opt/mastodon/postgres/17.unfinished";
    const MAKE: &str = "make_dir /opt/mastodon/postgres/17 700 0:0";

    fn machine() -> FakeHost {
        let host = FakeHost::debian();
        host.machine().install_docker();
        for directory in ["/opt/mastodon", "/opt/mastodon/postgres", DATA, "/var/lib/tootstrap", "/var/lib/tootstrap/stamps"] {
            host.machine().place(directory, Kind::Directory, "", 0o700);
        }
        for file in ["compose.yaml", "env.production", "secrets.env"] {
            host.machine().place(format!("/opt/mastodon/{file}"), Kind::File, "", 0o600);
        }
        host
    }

    fn says(host: &FakeHost) -> String {
        host.machine().text("/var/lib/tootstrap/stamps/app-cluster")
    }

    fn place(host: &FakeHost, path: &str) {
        let path = Path::new(DATA).join(path);
        let mut parents: Vec<_> = path.ancestors().skip(1).take_while(|parent| parent.starts_with(DATA)).collect();
        parents.reverse();
        for parent in parents {
            host.machine().place(parent, Kind::Directory, "", 0o700);
        }
        host.machine().place(&path, Kind::File, "", 0o600);
    }

    /// The agent was killed, or the power cut, while PostgreSQL made its cluster.
    async fn interrupted() -> FakeHost {
        let host = machine();
        host.machine().docker.never_healthy.insert("db".into());
        assert!(Stores.apply(&host).await.is_err());
        host.machine().docker.never_healthy.clear();
        host.machine().docker.containers.clear();
        host.take_log();
        assert_eq!(says(&host), "begun\n");
        host
    }

    #[tokio::test]
    async fn made_once() {
        let host = machine();
        assert_eq!(converge(&host, &Stores).await, [NOTE, UP, KNOWN, SYNC, NOTE]);
        assert_eq!(says(&host), "made\n");
        assert!(converge(&host, &Stores).await.is_empty());
    }

    #[tokio::test]
    async fn what_was_interrupted_is_put_aside_and_begun_anew() {
        let host = interrupted().await;
        for file in ["base/5/1259", "base/5/2619_fsm", "base/16384/1259.1"] {
            place(&host, file);
        }
        let drift = Stores.check(&host).await.unwrap();
        assert!(drift.changes.iter().any(|change| change.to_string().contains("cluster anew")), "{drift:?}");
        assert_eq!(converge(&host, &Stores).await, [REMOVE, ASIDE, MAKE, NOTE, UP, KNOWN, SYNC, NOTE]);
        assert_eq!(host.list(Path::new("/opt/mastodon/postgres/17.unfinished/base/16384")).await.unwrap(), ["1259.1"]);
        assert_eq!(host.list(Path::new(DATA)).await.unwrap(), ["PG_VERSION"]);
    }

    #[tokio::test]
    async fn only_the_last_unfinished_one_is_kept() {
        let host = interrupted().await;
        host.machine().place(UNFINISHED, Kind::Directory, "", 0o700);
        let log = converge(&host, &Stores).await;
        assert_eq!(log[..3], [REMOVE, "run find /opt/mastodon/postgres/17.unfinished -delete", ASIDE]);

        let host = interrupted().await;
        for directory in ["", "/base", "/base/16384"] {
            host.machine().place(format!("{UNFINISHED}{directory}"), Kind::Directory, "", 0o700);
        }
        host.machine().place(format!("{UNFINISHED}/base/16384/16385"), Kind::File, "", 0o600);
        let error = Stores.apply(&host).await.unwrap_err();
        assert!(format!("{error:#}").contains("holds somebody's tables"), "{error:#}");
        assert_eq!(host.take_log(), [REMOVE]);
    }

    #[tokio::test]
    async fn a_cluster_with_a_table_is_never_touched() {
        for table in ["base/16384/16385", "base/5/20000_vm", "base/16384/16390.1", "pg_tblspc/16400"] {
            let host = interrupted().await;
            place(&host, table);
            assert_eq!(converge(&host, &Stores).await, [UP, KNOWN, SYNC, NOTE], "{table}");
        }
    }

    #[tokio::test]
    async fn a_cluster_that_works_is_complete_even_if_redis_fails() {
        let host = machine();
        host.machine().docker.never_healthy.insert("redis".into());
        assert!(Stores.apply(&host).await.is_err());
        assert_eq!(says(&host), "made\n");
    }

    #[tokio::test]
    async fn a_cluster_that_somebody_brought_is_kept() {
        let host = machine();
        place(&host, "PG_VERSION");
        assert_eq!(converge(&host, &Stores).await, [UP, KNOWN, SYNC, NOTE]);
        // Also if it does not start.
        let host = machine();
        place(&host, "PG_VERSION");
        host.machine().docker.never_healthy.insert("db".into());
        for _ in 0..2 {
            assert!(Stores.apply(&host).await.is_err());
            assert!(!host.take_log().iter().any(|line| line.contains("rename") || line.contains("app-cluster")));
        }
    }
}
