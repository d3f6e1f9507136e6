//! Redis' append-only file after a power cut.
//!
//! Redis reads over a last entry that is cut short (`aof-load-truncated`), but not over other bytes in its place: a file system can leave
//! those where the file had grown and its new blocks were not on the disk yet. Redis then never starts again. `redis-check-aof --fix` ends
//! the file before the first byte that cannot be read.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::compose;
use crate::host::{Cmd, Host, Probe};
use crate::report::WithRemedy;

/// What Redis says when it cannot read the file (`loadSingleAppendOnlyFile` in aof.c, Redis 7.4).
const TORN: &str = "Bad file format reading the append only file";
const DATA: &str = "/opt/mastodon/redis/data";
/// Inside the container: lists the files that belong together.
const MANIFEST: &str = "/data/appendonlydir/appendonly.aof.manifest";
/// Most that a power cut can tear, in bytes: what Redis had written since the last time that the kernel wrote back (30 s). More than that is
/// other damage, and somebody's decision.
const MOST: u64 = 16 << 20;

/// Whether Redis did not start because of its append-only file.
pub(super) async fn is_torn(host: &dyn Probe) -> anyhow::Result<bool> {
    let logs = compose().args(["logs", "--no-color", "--tail", "20", "redis"]);
    Ok(host.query(&logs).await?.stdout.contains(TORN))
}

/// Ends the file before what cannot be read. The directory as it was is kept beside it.
pub(super) async fn mend(host: &dyn Host) -> anyhow::Result<()> {
    host.run(&compose().args(["rm", "--stop", "--force", "redis"])).await?;
    let unreadable = unreadable(host.probe()).await?;
    if unreadable > MOST {
        return Err(anyhow!("{unreadable} bytes of Redis' append-only file cannot be read: more than a power cut tears"))
            .remedy("put a backup of /opt/mastodon/redis/data back, or accept the loss with redis-check-aof --fix; then run this again");
    }
    let kept = free_name(host.probe()).await?;
    let copy = Cmd::new("cp").args(["--archive", "--reflink=auto", DATA]).arg(kept.to_string_lossy());
    host.run(&copy).await.context("cannot keep a copy of Redis' files")?;
    host.run(&check(&["--fix"]).stdin("y\n".into())).await?;
    log::warn!(
        "the last {unreadable} bytes of Redis' append-only file could not be read, as after a power cut, and were cut off; \
         the files as they were are in {}",
        kept.display()
    );
    Ok(())
}

fn check(options: &[&str]) -> Cmd {
    let run = compose().args(["run", "--rm", "-T", "--no-deps", "--entrypoint", "redis-check-aof", "redis"]);
    run.args(options.iter().copied()).arg(MANIFEST)
}

/// How many bytes there are from the first that cannot be read.
async fn unreadable(host: &dyn Probe) -> anyhow::Result<u64> {
    let said = host.query(&check(&[])).await?.stdout;
    let numbers = said.lines().filter_map(|line| line.strip_prefix("AOF analyzed: ")?.rsplit_once("diff=")?.1.trim().parse().ok());
    numbers.reduce(u64::saturating_add).with_context(|| format!("redis-check-aof does not say where the file is damaged: {said}"))
}

async fn free_name(host: &dyn Probe) -> anyhow::Result<PathBuf> {
    let taken = host.list(Path::new("/opt/mastodon/redis")).await?;
    let mut names = std::iter::once("data.torn".to_owned()).chain((2..).map(|number: u64| format!("data.torn-{number}")));
    let name = names.find(|name| !taken.contains(name)).context("no name is free")?;
    Ok(Path::new("/opt/mastodon/redis").join(name))
}

#[cfg(test)]
mod tests {
    use super::super::super::Resource;
    use super::super::Stores;
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;

    const AOF: &str = "appendonlydir/appendonly.aof.1.incr.aof";

    fn machine(unreadable: u64) -> FakeHost {
        let host = FakeHost::debian();
        host.machine().install_docker();
        for directory in ["", "/postgres", "/postgres/17", "/redis", "/redis/data", "/redis/data/appendonlydir"] {
            host.machine().place(format!("/opt/mastodon{directory}"), Kind::Directory, "", 0o700);
        }
        for directory in ["/var/lib/tootstrap", "/var/lib/tootstrap/stamps"] {
            host.machine().place(directory, Kind::Directory, "", 0o700);
        }
        for file in ["compose.yaml", "env.production", "secrets.env"] {
            host.machine().place(format!("/opt/mastodon/{file}"), Kind::File, "", 0o600);
        }
        host.machine().place(Path::new(DATA).join(AOF), Kind::File, "entries", 0o600);
        host.machine().docker.unreadable = unreadable;
        host
    }

    #[tokio::test]
    async fn a_torn_end_is_cut_off_and_kept_aside_each_time() {
        let host = machine(3000);
        for kept in ["data.torn", "data.torn-2"] {
            host.machine().docker.unreadable = 3000;
            Stores.apply(&host).await.expect("Redis starts again");
            let log = host.take_log();
            let begin = log.iter().position(|line| line.ends_with("rm --stop --force redis")).expect("Redis is stopped first");
            assert_eq!(log[begin + 1], format!("run cp --archive --reflink=auto /opt/mastodon/redis/data /opt/mastodon/redis/{kept}"));
            assert!(log[begin + 2].ends_with(&format!("--entrypoint redis-check-aof redis --fix {MANIFEST}")), "{log:?}");
            assert_eq!(host.machine().text(Path::new("/opt/mastodon/redis").join(kept).join(AOF)), "entries");
        }
        assert_eq!(host.machine().docker.unreadable, 0);
    }

    #[tokio::test]
    async fn more_than_a_power_cut_tears_is_left_to_somebody() {
        let host = machine(MOST + 1);
        let error = format!("{:#}", Stores.apply(&host).await.expect_err("not by itself"));
        assert!(error.contains("16777217 bytes") && error.contains("cannot be mended"), "{error}");
        assert!(!host.take_log().iter().any(|line| line.contains("--fix") || line.contains("run cp")));
    }

    #[tokio::test]
    async fn another_trouble_of_redis_is_not_met_with_a_repair() {
        let host = machine(0);
        host.machine().docker.never_healthy.insert("redis".into());
        Stores.apply(&host).await.expect_err("unhealthy");
        assert!(!host.take_log().iter().any(|line| line.contains("redis-check-aof")));
    }
}
