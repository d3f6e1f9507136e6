//! The file with the first passwords.

use std::fmt;
use std::path::PathBuf;

use anyhow::Context;
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::{Drift, Resource, stamp, user};
use crate::host::{Access, Account, Host, Probe};
use crate::settings::UserName;

/// Says in which file the owner's lines were written.
const OWNER_STAMP: &str = "finish/credentials";
const OWNER_USERNAME: &str = "Owner Username";
const OWNER_EMAIL: &str = "Owner Email";
const OWNER_PASSWORD: &str = "Owner Password";
const SUDO_PASSWORD: &str = "Sudo Password";

/// The first passwords, for the operator to read and remove: in the sudo user's home or in root's. The owner's lines are written once,
/// and those of each sudo user once for each time that the account is made, into its own home; what the operator changes or removes
/// stays so.
pub struct Credentials {
    sudo: Option<(UserName, SecretString)>,
    owner: [(&'static str, SecretString); 3],
}

impl Credentials {
    /// The owner's name, address and password, and the sudo user's name and password.
    pub fn new(owner: &str, email: &str, password: SecretString, sudo: Option<(UserName, SecretString)>) -> Self {
        let owner = [(OWNER_USERNAME, owner.into()), (OWNER_EMAIL, email.into()), (OWNER_PASSWORD, password)];
        Self { sudo, owner }
    }

    async fn place(&self, host: &dyn Probe) -> anyhow::Result<(PathBuf, Access)> {
        place(host, self.sudo.as_ref().map(|(name, _)| name)).await
    }

    /// The lines that were never written.
    async fn lines(&self, host: &dyn Probe) -> anyhow::Result<Vec<(&'static str, SecretString)>> {
        let mut lines = Vec::new();
        if let Some((name, password)) = &self.sudo
            && (stamp::read(host, &sudo_stamp(name)).await?.is_none() || host.account(name.as_str()).await?.is_none())
        {
            let ours = user::is_ours(host, name.as_str()).await?;
            let password = if ours { password.clone() } else { "(unchanged: this account was there before)".into() };
            lines.extend([("Sudo Username", name.as_str().into()), (SUDO_PASSWORD, password)]);
        }
        if stamp::read(host, OWNER_STAMP).await?.is_none() {
            lines.extend(self.owner.clone());
        }
        Ok(lines)
    }
}

/// The account is about to get our password: its lines are due.
pub(super) async fn forget_sudo(host: &dyn Host, name: &UserName) -> anyhow::Result<()> {
    stamp::remove(host, &sudo_stamp(name)).await
}

/// The text with this line, in the place of an older one of the same label. A crash after the file and before the stamp left it there.
fn with_line(text: &[u8], label: &str, value: &str) -> Vec<u8> {
    let wanted = format!("{label}: {value}\n").into_bytes();
    let mut result = Vec::with_capacity(text.len() + wanted.len());
    for line in lines(text) {
        result.extend_from_slice(if is(line, label) { &wanted } else { line });
        if !result.ends_with(b"\n") {
            result.push(b'\n');
        }
    }
    if !has(text, label) {
        result.extend(wanted);
    }
    result
}

/// Where the file lies, and whose it is.
async fn place(host: &dyn Probe, sudo: Option<&UserName>) -> anyhow::Result<(PathBuf, Access)> {
    let Some(name) = sudo else { return Ok(("/root/.credentials".into(), Access::root(0o600))) };
    let account = host.account(name.as_str()).await?.with_context(|| format!("user {name} does not exist"))?;
    Ok((file_of(&account), Access { mode: 0o600, uid: account.uid, gid: account.gid }))
}

fn sudo_stamp(name: &UserName) -> String {
    format!("{OWNER_STAMP}-{name}")
}

fn file_of(account: &Account) -> PathBuf {
    account.home.join(".credentials")
}

fn has(text: &[u8], label: &str) -> bool {
    lines(text).any(|line| is(line, label))
}

fn is(line: &[u8], label: &str) -> bool {
    line.strip_prefix(label.as_bytes()).is_some_and(|rest| rest.starts_with(b": "))
}

/// Each with its end, if it has one. What its owner wrote into the file need not be UTF-8.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

async fn if_it_has(host: &dyn Probe, path: PathBuf, label: &str) -> anyhow::Result<Option<PathBuf>> {
    let text = host.read(&path).await?.unwrap_or_default();
    Ok(has(&text, label).then_some(path))
}

/// The file that holds the owner's first password. `None`: it was removed, or is not written yet.
pub(crate) async fn with_owner_password(host: &dyn Probe) -> anyhow::Result<Option<PathBuf>> {
    match stamp::read(host, OWNER_STAMP).await? {
        Some(path) => if_it_has(host, path.into(), OWNER_PASSWORD).await,
        None => Ok(None),
    }
}

/// Writes a new password of the owner's into the file: where its lines are, or else where a first run would put them. The file's path.
pub(crate) async fn renew_owner_password(host: &dyn Host, sudo: Option<&UserName>, lines: &OwnerLines<'_>) -> anyhow::Result<PathBuf> {
    let (path, access) = match with_owner_lines(host.probe()).await? {
        Some(found) => found,
        None => place(host.probe(), sudo).await?,
    };
    let mut text = host.read(&path).await?.unwrap_or_default();
    for (label, value) in [(OWNER_USERNAME, lines.name), (OWNER_EMAIL, lines.email), (OWNER_PASSWORD, lines.password.expose_secret())] {
        text = with_line(&text, label, value);
    }
    host.write(&path, &text, access).await?;
    stamp::write(host, OWNER_STAMP, &path.to_string_lossy()).await?;
    Ok(path)
}

/// Takes the owner's password, which is no longer true, out of the file. The file's path, if it stood there.
pub(crate) async fn forget_owner_password(host: &dyn Host) -> anyhow::Result<Option<PathBuf>> {
    let Some((path, access)) = with_owner_lines(host.probe()).await? else { return Ok(None) };
    let present = host.read(&path).await?.unwrap_or_default();
    if !has(&present, OWNER_PASSWORD) {
        return Ok(None);
    }
    host.write(&path, &without(&present, OWNER_PASSWORD), access).await?;
    Ok(Some(path))
}

/// What the owner signs in with.
pub(crate) struct OwnerLines<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) password: &'a SecretString,
}

/// The file that the owner's lines were written into, if it is still there, and whose it is.
pub(super) async fn with_owner_lines(host: &dyn Probe) -> anyhow::Result<Option<(PathBuf, Access)>> {
    let Some(path) = stamp::read(host, OWNER_STAMP).await?.map(PathBuf::from) else { return Ok(None) };
    let stat = host.stat(&path).await?;
    Ok(stat.map(|stat| (path, Access { mode: 0o600, uid: stat.uid, gid: stat.gid })))
}

/// The text without the lines about the owner.
pub(super) fn without_owner(text: &[u8]) -> Vec<u8> {
    [OWNER_USERNAME, OWNER_EMAIL, OWNER_PASSWORD].iter().fold(text.to_vec(), |text, label| without(&text, label))
}

fn without(text: &[u8], label: &str) -> Vec<u8> {
    lines(text).filter(|line| !is(line, label)).flatten().copied().collect()
}

/// The file that holds the password of this sudo user. `None`: it was removed, is not written yet, or the account is not ours.
pub(crate) async fn with_sudo_password(host: &dyn Probe, name: &UserName) -> anyhow::Result<Option<PathBuf>> {
    match host.account(name.as_str()).await? {
        Some(account) if user::is_ours(host, name.as_str()).await? => if_it_has(host, file_of(&account), SUDO_PASSWORD).await,
        _ => Ok(None),
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
        let missing: Vec<_> = self.lines(host).await?.into_iter().map(|(label, _)| label).collect();
        Ok(if missing.is_empty() { Drift::none() } else { Drift::to_do(format!("write down {}", missing.join(", "))) })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let (path, access) = self.place(host.probe()).await?;
        let mut text = host.read(&path).await?.unwrap_or_default();
        for (label, value) in self.lines(host.probe()).await? {
            text = with_line(&text, label, value.expose_secret());
        }
        host.write(&path, &text, access).await?;
        if let Some((name, _)) = &self.sudo {
            stamp::write(host, &sudo_stamp(name), "written").await?;
        }
        if stamp::read(host.probe(), OWNER_STAMP).await?.is_none() {
            stamp::write(host, OWNER_STAMP, &path.to_string_lossy()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
    async fn what_the_operator_wrote_there_stays_as_it_is() {
        let host = FakeHost::debian();
        host.machine().place("/root/.credentials", Kind::File, "my note, no line end", 0o600);
        converge(&host, &credentials(false)).await;
        assert_eq!(host.machine().text("/root/.credentials"), format!("my note, no line end\n{OWNER}"));
    }

    #[tokio::test]
    async fn another_sudo_user_gets_a_file_of_its_own() {
        let host = FakeHost::debian();
        let of = |name: &str, password: &str| {
            let sudo = Some((name.parse().unwrap(), password.to_owned().into()));
            Credentials::new("Alice", "a@b.org", "owners-password".into(), sudo)
        };
        for (uid, name) in (1000..).zip(["ada", "bob"]) {
            host.machine().add_account(name, uid, &["sudo"], "$6$x");
            host.machine().place(format!("/var/lib/tootstrap/stamps/user-{name}"), Kind::File, "made by tootstrap\n", 0o644);
        }
        converge(&host, &of("ada", "adas")).await;
        converge(&host, &of("bob", "bobs")).await;
        assert_eq!(host.machine().text("/home/ada/.credentials"), format!("Sudo Username: ada\nSudo Password: adas\n{OWNER}"));
        assert_eq!(host.machine().text("/home/bob/.credentials"), "Sudo Username: bob\nSudo Password: bobs\n");
        assert!(converge(&host, &of("ada", "adas")).await.is_empty() && converge(&host, &of("bob", "bobs")).await.is_empty());

        assert_eq!(with_owner_password(&host).await.unwrap(), Some("/home/ada/.credentials".into()));
        assert_eq!(with_sudo_password(&host, &"bob".parse().unwrap()).await.unwrap(), Some("/home/bob/.credentials".into()));
        assert_eq!(with_sudo_password(&host, &"eve".parse().unwrap()).await.unwrap(), None);
        host.machine().nodes.remove(Path::new("/home/ada/.credentials"));
        assert_eq!(with_owner_password(&host).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_new_password_takes_the_place_of_the_old_one_or_removes_it() {
        let host = FakeHost::debian();
        let lines = OwnerLines { name: "Alice", email: "a@b.org", password: &"new-password".into() };
        assert_eq!(forget_owner_password(&host).await.unwrap(), None);
        host.machine().add_account("alice", 1000, &["sudo"], "$6$x");
        converge(&host, &credentials(true)).await;
        let path = Some(PathBuf::from("/home/alice/.credentials"));
        assert_eq!(Some(renew_owner_password(&host, None, &lines).await.unwrap()), path);
        let text = host.machine().text("/home/alice/.credentials");
        assert!(text.ends_with("Owner Username: Alice\nOwner Email: a@b.org\nOwner Password: new-password\n"), "{text}");
        let stat = host.stat(Path::new("/home/alice/.credentials")).await.unwrap().unwrap();
        assert_eq!((stat.mode, stat.uid), (0o600, 1000));

        assert_eq!(forget_owner_password(&host).await.unwrap(), path);
        assert!(!host.machine().text("/home/alice/.credentials").contains("Owner Password"));
        assert_eq!(forget_owner_password(&host).await.unwrap(), None, "it is gone already");

        host.machine().nodes.remove(Path::new("/home/alice/.credentials"));
        assert_eq!(renew_owner_password(&host, None, &lines).await.unwrap(), PathBuf::from("/root/.credentials"));
        assert_eq!(host.machine().text("/root/.credentials"), OWNER.replace("owners-", "new-"));
        assert_eq!(with_owner_password(&host).await.unwrap(), Some("/root/.credentials".into()));
    }

    #[tokio::test]
    async fn a_crash_before_the_stamp_writes_no_line_twice() {
        let host = FakeHost::debian();
        host.fail_next("write /var/lib/tootstrap/stamps/finish-credentials");
        assert!(credentials(false).apply(&host).await.is_err());
        converge(&host, &credentials(false)).await;
        assert_eq!(host.machine().text("/root/.credentials"), OWNER);
    }

    #[test]
    fn an_older_line_of_the_label_is_replaced() {
        let text = b"# mine \xff\nSudo Password: (unchanged)\nSudo Passwords: x";
        assert_eq!(with_line(text, "Sudo Password", "p"), b"# mine \xff\nSudo Password: p\nSudo Passwords: x\n");
        assert_eq!(with_line(b"", "Sudo Password", "p"), b"Sudo Password: p\n");
    }

    #[tokio::test]
    async fn the_preview_shows_no_password() {
        let drift = credentials(false).check(&FakeHost::debian()).await.unwrap();
        assert_eq!(drift, Drift::to_do("write down Owner Username, Owner Email, Owner Password"));
    }
}
