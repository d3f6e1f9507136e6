//! Files and directories of ours.

use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::super::{Drift, Resource};
use crate::host::{Cmd, Host, Kind, Probe};

/// Paths that are removed with everything below them, on their own file system only.
#[derive(Debug)]
pub struct Gone {
    what: &'static str,
    paths: Vec<PathBuf>,
}

impl Gone {
    /// `what` names them together: `the database's files`. The paths are the program's own, never somebody's input.
    pub fn new(what: &'static str, paths: &[&'static str]) -> Self {
        debug_assert!(paths.iter().all(|path| Path::new(path).components().count() > 2), "too much would go: {paths:?}");
        Self { what, paths: paths.iter().map(PathBuf::from).collect() }
    }

    async fn there(&self, host: &dyn Probe) -> anyhow::Result<Vec<PathBuf>> {
        let mut there = Vec::new();
        for path in &self.paths {
            if host.stat(path).await?.is_some() {
                there.push(path.clone());
            }
        }
        Ok(there)
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {}", self.what)
    }
}

#[async_trait]
impl Resource for Gone {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        Ok(all_to_go(&self.there(host).await?))
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        remove_all(host, &self.there(host.probe()).await?).await
    }
}

fn all_to_go(paths: &[PathBuf]) -> Drift {
    let mut drift = Drift::none();
    for path in paths {
        drift.push_do(format!("remove {}", path.display()));
    }
    drift
}

/// Files, and directories with everything below them. What is not there is no error.
pub(in crate::resource) async fn remove_all(host: &dyn Host, paths: &[PathBuf]) -> anyhow::Result<()> {
    for path in paths {
        if host.stat(path).await?.is_some_and(|stat| stat.kind == Kind::Directory) {
            let rm = Cmd::new("rm").args(["--recursive", "--force", "--one-file-system", "--"]);
            host.run(&rm.arg(path.to_string_lossy())).await?;
        } else {
            host.remove(path).await?;
        }
    }
    Ok(())
}

/// What was kept beside files of ours as `NAME.former` because somebody else had written it: no longer there.
#[derive(Debug)]
pub struct NoFormerVersions {
    files: &'static [&'static str],
}

impl NoFormerVersions {
    /// Of these files.
    pub const fn new(files: &'static [&'static str]) -> Self {
        Self { files }
    }

    /// Those that there are.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub async fn there(&self, host: &dyn Probe) -> anyhow::Result<Vec<PathBuf>> {
        let mut there = Vec::new();
        for file in self.files.iter().map(Path::new) {
            let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else { continue };
            let former = format!("{}.former", name.to_string_lossy());
            let formers = host.list(directory).await?.into_iter().filter(|name| name.starts_with(&former));
            there.extend(formers.map(|name| directory.join(name)));
        }
        Ok(there)
    }
}

impl fmt::Display for NoFormerVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no former versions of the project's files")
    }
}

#[async_trait]
impl Resource for NoFormerVersions {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        Ok(all_to_go(&self.there(host).await?))
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        remove_all(host, &self.there(host.probe()).await?).await
    }
}

/// Directories that go only if nothing is left in them, the inner ones first.
#[derive(Debug)]
pub struct GoneIfEmpty {
    paths: &'static [&'static str],
}

impl GoneIfEmpty {
    /// These, in this order.
    pub const fn new(paths: &'static [&'static str]) -> Self {
        Self { paths }
    }
}

impl fmt::Display for GoneIfEmpty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no empty directories")
    }
}

#[async_trait]
impl Resource for GoneIfEmpty {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        let mut going: Vec<PathBuf> = Vec::new();
        for path in self.paths.iter().map(Path::new) {
            let left = host.list(path).await?.into_iter().map(|name| path.join(name)).filter(|inner| !going.contains(inner)).count();
            if left == 0 && host.stat(path).await?.is_some() {
                drift.push_do(format!("remove {}, which is empty", path.display()));
                going.push(path.to_owned());
            }
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        for path in self.paths {
            if host.stat(Path::new(path)).await?.is_some() && host.list(Path::new(path)).await?.is_empty() {
                host.run(&Cmd::new("rmdir").arg(*path)).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    #[tokio::test]
    async fn what_is_there_goes_and_what_is_not_is_no_trouble() {
        let host = FakeHost::debian();
        for directory in ["/opt/mastodon", "/opt/mastodon/redis", "/opt/mastodon/redis/data"] {
            host.machine().place(directory, Kind::Directory, "", 0o700);
        }
        for file in ["compose.yaml", "compose.yaml.former", "compose.yaml.former-2", "compose.override.yaml"] {
            host.machine().place(Path::new("/opt/mastodon").join(file), Kind::File, "x", 0o644);
        }
        let gone = Gone::new("ours", &["/opt/mastodon/redis", "/opt/mastodon/compose.yaml", "/opt/mastodon/postgres"]);
        let log = converge(&host, &gone).await;
        let expected = ["run rm --recursive --force --one-file-system -- /opt/mastodon/redis", "remove /opt/mastodon/compose.yaml"];
        assert_eq!(log, expected);
        let log = converge(&host, &NoFormerVersions::new(&["/opt/mastodon/compose.yaml", "/opt/mastodon/compose.override.yaml"])).await;
        assert_eq!(log, ["remove /opt/mastodon/compose.yaml.former", "remove /opt/mastodon/compose.yaml.former-2"]);
        assert!(converge(&host, &gone).await.is_empty());

        let empty = GoneIfEmpty::new(&["/opt/mastodon/caddy/custom", "/opt/mastodon/caddy", "/opt/mastodon"]);
        host.machine().place("/opt/mastodon/caddy", Kind::Directory, "", 0o755);
        host.machine().place("/opt/mastodon/caddy/custom", Kind::Directory, "", 0o755);
        assert_eq!(converge(&host, &empty).await, ["run rmdir /opt/mastodon/caddy/custom", "run rmdir /opt/mastodon/caddy"]);
        assert_eq!(host.machine().text("/opt/mastodon/compose.override.yaml"), "x");
    }
}
