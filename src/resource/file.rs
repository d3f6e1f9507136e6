//! A file of ours with its content, owner and mode.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Drift, Resource, stamp};
use crate::host::{Access, Host, Kind, Probe, Stat};
use crate::report::WithRemedy;

/// A file whose whole content is ours. Its directory must exist. What somebody else wrote there is kept beside it as `NAME.former`; our own
/// older versions are not: a changed setting makes them again.
///
/// Which content is ours a stamp tells by SHA-256. It is written before the file and names the present content too, if that is ours, so a
/// crash at any moment leaves a stamp that knows what stands there. A lost stamp keeps one version too many, never one too few.
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

    fn stamp_name(&self) -> String {
        format!("file{}", self.path.display())
    }

    /// Keeps what stands there if it is not ours, and writes down that it and what comes next are, as far as they are.
    async fn settle_former(&self, host: &dyn Host, present: Option<(&[u8], &Stat)>) -> anyhow::Result<()> {
        let stamp = stamp::read(host.probe(), &self.stamp_name()).await?.unwrap_or_default();
        let mut ours = vec![hash_of(self.content.as_str().as_bytes())];
        if let Some((present, stat)) = present {
            let hash = hash_of(present);
            if stamp.lines().any(|line| line == hash) {
                ours.push(hash);
            } else {
                self.keep_former(host, present, stat).await.with_context(|| format!("cannot keep the former version of {self}"))?;
            }
        }
        stamp::write(host, &self.stamp_name(), &ours.join("\n")).await
    }

    async fn keep_former(&self, host: &dyn Host, present: &[u8], stat: &Stat) -> anyhow::Result<()> {
        let Some(former) = free_name(host, &self.path, present).await? else { return Ok(()) };
        let access = Access { mode: stat.mode & self.access.mode, uid: stat.uid, gid: stat.gid };
        Ok(host.write(&former, present, access).await?)
    }
}

fn hash_of(content: &[u8]) -> String {
    stamp::hex(&Sha256::digest(content))
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
        let stat = host.stat(&self.path).await?;
        let present = host.read(&self.path).await?.unwrap_or_default();
        if stat.is_some() && present == self.content.as_str().as_bytes() {
            return Ok(host.set_access(&self.path, self.access).await?);
        }
        self.settle_former(host, stat.as_ref().map(|stat| (present.as_slice(), stat))).await?;
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

/// `NAME.former`, or `NAME.former-2` and so on if that is taken: an earlier version is never overwritten. `None`: this version is kept
/// already.
async fn free_name(host: &dyn Host, path: &Path, present: &[u8]) -> anyhow::Result<Option<PathBuf>> {
    let name = path.file_name().with_context(|| format!("{} has no file name", path.display()))?.to_string_lossy().into_owned();
    let mut candidate = path.with_file_name(format!("{name}.former"));
    let mut number = 2;
    while let Some(stat) = host.stat(&candidate).await? {
        if stat.kind == Kind::File && host.read(&candidate).await?.is_some_and(|kept| kept == present) {
            return Ok(None);
        }
        candidate = path.with_file_name(format!("{name}.former-{number}"));
        number += 1;
    }
    Ok(Some(candidate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    const MOTD: &str = "/etc/motd";
    const STAMP: &str = "write /var/lib/tootstrap/stamps/file-etc-motd 644";

    fn motd() -> File {
        saying("hello\n")
    }

    fn saying(text: &str) -> File {
        File::text(MOTD, text, Access::root(0o644))
    }

    /// A machine on which stamps were written before.
    fn machine() -> FakeHost {
        let host = FakeHost::debian();
        for directory in ["/var/lib/tootstrap", "/var/lib/tootstrap/stamps"] {
            host.machine().place(directory, Kind::Directory, "", 0o755);
        }
        host
    }

    fn formers(host: &FakeHost) -> Vec<String> {
        let machine = host.machine();
        machine.nodes.keys().map(|path| path.display().to_string()).filter(|path| path.contains(".former")).collect()
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
            Case { name: "missing", present: None, drift: "create file /etc/motd", log: &[STAMP, "write /etc/motd 644"] },
            Case { name: "as wanted", present: Some(("hello\n", 0o644)), drift: "", log: &[] },
            Case {
                name: "too open", present: Some(("hello\n", 0o666)), drift: "mode: 666 → 644", log: &["set_access /etc/motd 644 0:0"]
            },
            Case {
                name: "other content",
                present: Some(("bye\n", 0o644)),
                drift: "edit /etc/motd\n@@ -1 +1 @@\n-bye\n+hello\n",
                log: &["write /etc/motd.former 644", STAMP, "write /etc/motd 644"],
            },
        ];
        for case in cases {
            let host = machine();
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
    async fn what_others_wrote_is_kept_and_never_overwritten() {
        let host = machine();
        for content in ["one\n", "two\n", "one\n"] {
            host.machine().place(MOTD, Kind::File, content, 0o644);
            converge(&host, &motd()).await;
        }
        assert_eq!(formers(&host), ["/etc/motd.former", "/etc/motd.former-2"]);
        assert_eq!(host.machine().text("/etc/motd.former"), "one\n");
        assert_eq!(host.machine().text("/etc/motd.former-2"), "two\n");
    }

    #[tokio::test]
    async fn what_we_wrote_is_not_kept() {
        let host = machine();
        for text in ["of version 1\n", "of version 2\n", "of a changed setting\n", "of version 2\n"] {
            converge(&host, &saying(text)).await;
            assert_eq!(host.machine().text(MOTD), text);
        }
        assert_eq!(formers(&host), [""; 0]);
        host.machine().place(MOTD, Kind::File, "the admin's\n", 0o644);
        converge(&host, &motd()).await;
        assert_eq!(formers(&host), ["/etc/motd.former"]);
    }

    #[tokio::test]
    async fn without_a_stamp_it_is_kept() {
        let host = machine();
        converge(&host, &saying("old\n")).await;
        host.machine().nodes.remove(Path::new("/var/lib/tootstrap/stamps/file-etc-motd"));
        converge(&host, &motd()).await;
        assert_eq!(host.machine().text("/etc/motd.former"), "old\n");
    }

    #[tokio::test]
    async fn a_crash_anywhere_keeps_what_is_theirs_and_only_that() {
        for (first, expected) in [("theirs\n", vec!["/etc/motd.former"]), ("ours\n", Vec::new())] {
            for crash in ["write /etc/motd.former", STAMP, "write /etc/motd 644"] {
                let host = machine();
                if first == "ours\n" {
                    converge(&host, &saying(first)).await;
                } else {
                    host.machine().place(MOTD, Kind::File, first, 0o644);
                }
                host.fail_next(crash);
                let _crashed = saying("new\n").apply(&host).await;
                converge(&host, &saying("newer\n")).await;
                assert_eq!(formers(&host), expected, "{first} {crash}");
                converge(&host, &motd()).await;
                assert_eq!(formers(&host), expected, "{first} {crash}");
            }
        }
    }

    #[tokio::test]
    async fn a_secret_is_not_shown_and_its_former_version_is_not_readable_by_others() {
        let host = machine();
        host.machine().place("/etc/key", Kind::File, "old secret", 0o644);
        let file = File::secret("/etc/key", "new secret".into(), Access::root(0o600));
        let drift = file.check(&host).await.unwrap();
        assert!(!format!("{drift:?}").contains("new secret") && !format!("{drift:?}").contains("old secret"));
        assert_eq!(
            converge(&host, &file).await,
            ["write /etc/key.former 600", "write /var/lib/tootstrap/stamps/file-etc-key 644", "write /etc/key 600"]
        );
    }
}
