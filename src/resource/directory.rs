//! A directory with its owner and mode.

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;

use super::{Drift, Resource};
use crate::host::{Access, Host, Kind, Probe};

/// A directory. Parents that are missing are made too, as root's with mode 755; parents that exist are left as they are.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    access: Access,
}

impl Directory {
    /// A directory with this owner and mode.
    pub fn new(path: impl Into<PathBuf>, access: Access) -> Self {
        Self { path: path.into(), access }
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "directory {}", self.path.display())
    }
}

#[async_trait]
impl Resource for Directory {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let Some(stat) = host.stat(&self.path).await? else {
            return Ok(Drift::to_do(format!("make {self}")));
        };
        anyhow::ensure!(stat.kind == Kind::Directory, "{} is there but is no directory", self.path.display());
        Ok(super::file::access_drift(&stat, self.access))
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let mut missing = Vec::new();
        for parent in self.path.ancestors().skip(1) {
            if host.stat(parent).await?.is_some() {
                break;
            }
            missing.push(parent);
        }
        for parent in missing.into_iter().rev() {
            host.make_dir(parent, Access::root(0o755)).await?;
        }
        Ok(host.make_dir(&self.path, self.access).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[tokio::test]
    async fn a_missing_directory_is_made_with_its_parents() {
        let host = FakeHost::debian();
        let directory = Directory::new("/opt/mastodon/public/system", Access { mode: 0o750, uid: 991, gid: 991 });
        let log = converge(&host, &directory).await;
        let expected =
            ["make_dir /opt/mastodon 755 0:0", "make_dir /opt/mastodon/public 755 0:0", "make_dir /opt/mastodon/public/system 750 991:991"];
        assert_eq!(log, expected);
    }

    #[tokio::test]
    async fn owner_and_mode_are_put_right() {
        let host = FakeHost::debian();
        host.machine().place("/opt/x", Kind::Directory, "", 0o777);
        let directory = Directory::new("/opt/x", Access::root(0o700));
        let drift = directory.check(&host).await.unwrap();
        assert_eq!(drift.changes[0].to_string(), "mode: 777 → 700");
        assert_eq!(converge(&host, &directory).await, ["make_dir /opt/x 700 0:0"]);
    }

    #[tokio::test]
    async fn a_file_in_its_place_is_an_error() {
        let host = FakeHost::debian();
        host.machine().place("/opt/x", Kind::File, "", 0o644);
        assert!(Directory::new("/opt/x", Access::root(0o700)).check(&host).await.is_err());
    }
}
