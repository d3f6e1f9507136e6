//! The databases, and whether PostgreSQL's cluster was ever made to its end.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use async_trait::async_trait;

use super::super::{Drift, Resource, stamp};
use super::{Services, compose};
use crate::host::{Cmd, Host, Probe};

/// Says how far the making of the cluster came. Nothing uses the database before it says [`MADE`].
const STAMP: &str = "app/cluster";
/// Written while the data directory is still empty.
const BEGUN: &str = "begun";
const MADE: &str = "made";
/// Where PostgreSQL keeps the cluster.
const DATA: &str = "/opt/mastodon/postgres/17";

/// PostgreSQL and Redis run and are healthy.
///
/// The image makes the cluster at its first start and takes whatever it finds later for a complete one. initdb syncs only at its end, and the
/// database comes after it: a power cut before leaves a directory that no start ever repairs. So what was begun here and never seen to work
/// is begun anew.
#[derive(Debug)]
pub struct Stores;

const SERVICES: Services = Services::new(&["db", "redis"]);

/// Whether this program began to make a cluster and never saw it work.
async fn interrupted(host: &dyn Probe) -> anyhow::Result<bool> {
    let begun = stamp::read(host, STAMP).await?.is_some_and(|stamp| stamp == BEGUN);
    Ok(begun && !host.list(Path::new(DATA)).await?.is_empty())
}

async fn is_made(host: &dyn Probe) -> anyhow::Result<bool> {
    Ok(stamp::read(host, STAMP).await?.is_some_and(|stamp| stamp == MADE))
}

/// Nothing was ever kept in it.
async fn begin_anew(host: &dyn Host) -> anyhow::Result<()> {
    host.run(&compose().args(["rm", "--stop", "--force", "db"])).await?;
    host.run(&Cmd::new("find").args([DATA, "-mindepth", "1", "-delete"])).await?;
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
        if interrupted(host).await? {
            drift.push_do("make PostgreSQL's cluster anew: its making was interrupted");
        } else if drift.changes.is_empty() && !is_made(host).await? {
            drift.push_do("write down that PostgreSQL's cluster is complete");
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        if interrupted(host.probe()).await? {
            begin_anew(host).await.context("cannot remove a PostgreSQL cluster whose making was interrupted")?;
        }
        if host.list(Path::new(DATA)).await?.is_empty() {
            stamp::write(host, STAMP, BEGUN).await?;
        }
        SERVICES.apply(host).await?;
        if is_made(host.probe()).await? { Ok(()) } else { stamp::write(host, STAMP, MADE).await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    const UP: &str = "run docker compose --project-directory /opt/mastodon up --detach --no-deps db redis";
    const WAIT: &str = "run docker compose --project-directory /opt/mastodon up --detach --no-deps --wait --wait-timeout 600 db redis";
    const NOTE: &str = "write /var/lib/tootstrap/stamps/app-cluster 644";

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

    #[tokio::test]
    async fn made_once() {
        let host = machine();
        assert_eq!(converge(&host, &Stores).await, [NOTE, UP, WAIT, NOTE]);
        assert_eq!(host.machine().text("/var/lib/tootstrap/stamps/app-cluster"), "made\n");
        assert!(converge(&host, &Stores).await.is_empty());
    }

    #[tokio::test]
    async fn what_was_interrupted_is_begun_anew() {
        let host = machine();
        host.fail_next("--wait");
        assert!(Stores.apply(&host).await.is_err());
        host.take_log();
        let drift = Stores.check(&host).await.unwrap();
        assert_eq!(drift, Drift::to_do("make PostgreSQL's cluster anew: its making was interrupted"));
        let remove = "run docker compose --project-directory /opt/mastodon rm --stop --force db";
        let clear = "run find /opt/mastodon/postgres/17 -mindepth 1 -delete";
        assert_eq!(converge(&host, &Stores).await, [remove, clear, NOTE, UP, WAIT, NOTE]);
    }

    #[tokio::test]
    async fn a_cluster_that_somebody_brought_is_kept() {
        let host = machine();
        host.machine().place(format!("{DATA}/PG_VERSION"), Kind::File, "17\n", 0o600);
        assert_eq!(converge(&host, &Stores).await, [UP, WAIT, NOTE]);
        // Also if it does not start.
        let host = machine();
        host.machine().place(format!("{DATA}/PG_VERSION"), Kind::File, "17\n", 0o600);
        host.machine().docker.never_healthy.insert("db".into());
        for _ in 0..2 {
            assert!(Stores.apply(&host).await.is_err());
            assert!(!host.take_log().iter().any(|line| line.contains("delete") || line.contains("app-cluster")));
        }
    }
}
