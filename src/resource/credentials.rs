//! The file with the first passwords.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::{Drift, Resource, stamp, user};
use crate::host::{Access, Host, Probe};
use crate::settings::UserName;

const STAMP: &str = "finish/credentials";

/// The first passwords, for the operator to read and remove: in the sudo user's home or in root's. Each line is written once; what the
/// operator changes or removes stays so.
pub struct Credentials {
    sudo: Option<(UserName, SecretString)>,
    owner: [(&'static str, SecretString); 3],
}

impl Credentials {
    /// The owner's name, address and password, and the sudo user's name and password.
    pub fn new(owner: &str, email: &str, password: SecretString, sudo: Option<(UserName, SecretString)>) -> Self {
        let owner = [("Owner Username", owner.into()), ("Owner Email", email.into()), ("Owner Password", password)];
        Self { sudo, owner }
    }

    /// Where the file lies, and whose it is.
    async fn place(&self, host: &dyn Probe) -> anyhow::Result<(PathBuf, Access)> {
        let Some((name, _)) = &self.sudo else { return Ok(("/root/.credentials".into(), Access::root(0o600))) };
        let account = host.account(name.as_str()).await?.with_context(|| format!("user {name} does not exist"))?;
        Ok((account.home.join(".credentials"), Access { mode: 0o600, uid: account.uid, gid: account.gid }))
    }

    async fn lines(&self, host: &dyn Probe) -> anyhow::Result<Vec<(&'static str, SecretString)>> {
        let mut lines = Vec::new();
        if let Some((name, password)) = &self.sudo {
            let ours = user::is_ours(host, name.as_str()).await?;
            let password = if ours { password.clone() } else { "(unchanged: this account was there before)".into() };
            lines.extend([("Sudo Username", name.as_str().into()), ("Sudo Password", password)]);
        }
        lines.extend(self.owner.clone());
        Ok(lines)
    }

    /// Labels that were written once.
    async fn written(&self, host: &dyn Probe) -> anyhow::Result<BTreeSet<String>> {
        let stamp = stamp::read(host, STAMP).await?.unwrap_or_default();
        Ok(stamp.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect())
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sudo {
            Some((name, _)) => write!(f, "first passwords, in the home of {name}: .credentials"),
            None => f.write_str("first passwords: /root/.credentials"),
        }
    }
}

#[async_trait]
impl Resource for Credentials {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let written = self.written(host).await?;
        let labels = self.lines(host).await?.into_iter().map(|(label, _)| label);
        let missing: Vec<_> = labels.filter(|label| !written.contains(*label)).collect();
        Ok(if missing.is_empty() { Drift::none() } else { Drift::to_do(format!("write down {}", missing.join(", "))) })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let (path, access) = self.place(host.probe()).await?;
        let written = self.written(host.probe()).await?;
        let present = host.read(Path::new(&path)).await?.unwrap_or_default();
        let mut text = String::from_utf8_lossy(&present).into_owned();
        let mut labels = written.clone();
        for (label, value) in self.lines(host.probe()).await? {
            // A crash after the file and before the stamp left the line there.
            let there = text.lines().any(|line| line.starts_with(&format!("{label}: ")));
            if labels.insert(label.to_owned()) && !there {
                text = text + label + ": " + value.expose_secret() + "\n";
            }
        }
        host.write(&path, text.as_bytes(), access).await?;
        stamp::write(host, STAMP, &labels.into_iter().collect::<Vec<_>>().join(", ")).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::resource::testing::converge;

    const OWNER: &str = "Owner Username: Alice\nOwner Email: a@b.org\nOwner Password: owners-password\n";

    fn credentials(sudo: bool) -> Credentials {
        let sudo = sudo.then(|| ("alice".parse().unwrap(), "sudo-password".into()));
        Credentials::new("Alice", "a@b.org", "owners-password".into(), sudo)
    }

    #[tokio::test]
    async fn of_the_sudo_user_that_was_made() {
        let host = FakeHost::debian();
        host.machine().add_account("alice", 1000, &["sudo"], "$6$x");
        host.machine().place("/var/lib/tootstrap/stamps/user-alice", Kind::File, "made by tootstrap\n", 0o644);
        converge(&host, &credentials(true)).await;
        let expected = format!("Sudo Username: alice\nSudo Password: sudo-password\n{OWNER}");
        assert_eq!(host.machine().text("/home/alice/.credentials"), expected);
        let stat = host.stat(Path::new("/home/alice/.credentials")).await.unwrap().unwrap();
        assert_eq!((stat.mode, stat.uid), (0o600, 1000));
    }

    #[tokio::test]
    async fn of_one_that_was_there_before() {
        let host = FakeHost::debian();
        host.machine().add_account("alice", 1000, &["sudo"], "$6$x");
        converge(&host, &credentials(true)).await;
        let text = host.machine().text("/home/alice/.credentials");
        assert!(text.contains("Sudo Password: (unchanged: this account was there before)\n"), "{text}");
    }

    #[tokio::test]
    async fn removed_stays_removed_and_only_new_lines_are_added() {
        let host = FakeHost::debian();
        converge(&host, &credentials(false)).await;
        assert_eq!(host.machine().text("/root/.credentials"), OWNER);
        host.machine().nodes.remove(Path::new("/root/.credentials"));
        assert!(converge(&host, &credentials(false)).await.is_empty());

        host.machine().add_account("alice", 1000, &["sudo"], "$6$x");
        converge(&host, &credentials(true)).await;
        let text = host.machine().text("/home/alice/.credentials");
        assert!(text.starts_with("Sudo Username: alice\n") && !text.contains("Owner"), "{text}");
    }

    #[tokio::test]
    async fn a_crash_before_the_stamp_writes_no_line_twice() {
        let host = FakeHost::debian();
        host.fail_next("write /var/lib/tootstrap/stamps/finish-credentials");
        assert!(credentials(false).apply(&host).await.is_err());
        converge(&host, &credentials(false)).await;
        assert_eq!(host.machine().text("/root/.credentials"), OWNER);
    }

    #[tokio::test]
    async fn the_preview_shows_no_password() {
        let drift = credentials(false).check(&FakeHost::debian()).await.unwrap();
        assert_eq!(drift, Drift::to_do("write down Owner Username, Owner Email, Owner Password"));
    }
}
