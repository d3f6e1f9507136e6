//! A file of ours with its content, owner and mode.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::{Drift, Resource};
use crate::host::{Access, Host, Kind, Probe, Stat};
use crate::report::WithRemedy;

/// A file whose whole content is ours. Its directory must exist. A former version is kept beside it as `NAME.former`.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    content: Content,
    access: Access,
}

#[derive(Clone, Debug)]
enum Content {
    /// Shown as a diff.
    Text(String),
    /// Never shown.
    Secret(SecretString),
}

impl Content {
    fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Secret(secret) => secret.expose_secret(),
        }
    }
}

impl File {
    /// A file whose content may be shown.
    pub fn text(path: impl Into<PathBuf>, content: impl Into<String>, access: Access) -> Self {
        Self { path: path.into(), content: Content::Text(content.into()), access }
    }

    /// A file whose content is never shown.
    pub fn secret(path: impl Into<PathBuf>, content: SecretString, access: Access) -> Self {
        Self { path: path.into(), content: Content::Secret(content), access }
    }

    fn content_drift(&self, present: &[u8]) -> Drift {
        if present == self.content.as_str().as_bytes() {
            return Drift::none();
        }
        match &self.content {
            Content::Text(wanted) => {
                let mut drift = Drift::none();
                drift.push_text(self.path.display().to_string(), &String::from_utf8_lossy(present), wanted);
                if drift.is_empty() { Drift::to_do(format!("rewrite {self}")) } else { drift }
            }
            Content::Secret(_) => Drift::to_do(format!("rewrite {self} (its content is secret)")),
        }
    }

    async fn keep_former(&self, host: &dyn Host, present: &[u8], stat: &Stat) -> anyhow::Result<()> {
        let former = free_name(host, &self.path).await?;
        let access = Access { mode: stat.mode & self.access.mode, uid: stat.uid, gid: stat.gid };
        Ok(host.write(&former, present, access).await?)
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {}", self.path.display())
    }
}

#[async_trait]
impl Resource for File {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let Some(stat) = host.stat(&self.path).await? else {
            return Ok(Drift::to_do(format!("create {self}")));
        };
        if stat.kind != Kind::File {
            return Err(anyhow::anyhow!("{} is there but is no ordinary file", self.path.display()))
                .remedy(format!("look at it (`ls -l {}`), move it away if it is not needed", self.path.display()));
        }
        let present = host.read(&self.path).await?.unwrap_or_default();
        let mut drift = self.content_drift(&present);
        drift.merge(access_drift(&stat, self.access));
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        if let Some(stat) = host.stat(&self.path).await? {
            let present = host.read(&self.path).await?.unwrap_or_default();
            if present == self.content.as_str().as_bytes() {
                return Ok(host.set_access(&self.path, self.access).await?);
            }
            self.keep_former(host, &present, &stat).await.with_context(|| format!("cannot keep the former version of {self}"))?;
        }
        Ok(host.write(&self.path, self.content.as_str().as_bytes(), self.access).await?)
    }
}

/// How owner and mode differ.
pub(super) fn access_drift(stat: &Stat, wanted: Access) -> Drift {
    let mut drift = Drift::none();
    drift.push_set("mode", format!("{:o}", stat.mode), format!("{:o}", wanted.mode));
    drift.push_set("owner", format!("{}:{}", stat.uid, stat.gid), format!("{}:{}", wanted.uid, wanted.gid));
    drift
}

/// `NAME.former`, or `NAME.former-2` and so on if that is taken: an earlier version is never overwritten.
async fn free_name(host: &dyn Host, path: &Path) -> anyhow::Result<PathBuf> {
    let name = path.file_name().with_context(|| format!("{} has no file name", path.display()))?.to_string_lossy().into_owned();
    let mut candidate = path.with_file_name(format!("{name}.former"));
    let mut number = 2;
    while host.stat(&candidate).await?.is_some() {
        candidate = path.with_file_name(format!("{name}.former-{number}"));
        number += 1;
    }
    Ok(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    fn motd() -> File {
        File::text("/etc/motd", "hello\n", Access::root(0o644))
    }

    #[tokio::test]
    async fn table_of_states() {
        struct Case {
            name: &'static str,
            present: Option<(&'static str, u32)>,
            drift: &'static str,
            log: &'static [&'static str],
        }
        let cases = [
            Case { name: "missing", present: None, drift: "create file /etc/motd", log: &["write /etc/motd 644"] },
            Case { name: "as wanted", present: Some(("hello\n", 0o644)), drift: "", log: &[] },
            Case {
                name: "too open", present: Some(("hello\n", 0o666)), drift: "mode: 666 → 644", log: &["set_access /etc/motd 644 0:0"]
            },
            Case {
                name: "other content",
                present: Some(("bye\n", 0o644)),
                drift: "edit /etc/motd\n@@ -1 +1 @@\n-bye\n+hello\n",
                log: &["write /etc/motd.former 644", "write /etc/motd 644"],
            },
        ];
        for case in cases {
            let host = FakeHost::debian();
            if let Some((content, mode)) = case.present {
                host.machine().place("/etc/motd", Kind::File, content, mode);
            }
            let drift = motd().check(&host).await.unwrap();
            let shown: Vec<_> = drift.changes.iter().map(ToString::to_string).collect();
            assert_eq!(shown.join("; "), case.drift, "{}", case.name);
            assert_eq!(converge(&host, &motd()).await, case.log, "{}", case.name);
        }
    }

    #[tokio::test]
    async fn former_versions_are_never_overwritten() {
        let host = FakeHost::debian();
        for content in ["one\n", "two\n"] {
            host.machine().place("/etc/motd", Kind::File, content, 0o644);
            converge(&host, &motd()).await;
        }
        assert_eq!(host.machine().text("/etc/motd.former"), "one\n");
        assert_eq!(host.machine().text("/etc/motd.former-2"), "two\n");
    }

    #[tokio::test]
    async fn a_secret_is_not_shown_and_its_former_version_is_not_readable_by_others() {
        let host = FakeHost::debian();
        host.machine().place("/etc/key", Kind::File, "old secret", 0o644);
        let file = File::secret("/etc/key", "new secret".into(), Access::root(0o600));
        let drift = file.check(&host).await.unwrap();
        assert!(!format!("{drift:?}").contains("new secret") && !format!("{drift:?}").contains("old secret"));
        assert_eq!(converge(&host, &file).await, ["write /etc/key.former 600", "write /etc/key 600"]);
    }
}
