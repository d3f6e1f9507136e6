//! The account with sudo.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::{Drift, Lock, Resource, credentials, stamp};
use crate::host::{Access, Account, Cmd, Host, Probe};
use crate::report::WithRemedy;
use crate::settings::UserName;

const ROOTS_KEYS: &str = "/root/.ssh/authorized_keys";
/// First uid of ordinary accounts (Debian's `/etc/adduser.conf`).
const FIRST_ORDINARY: u32 = 1000;

/// What the stamp of an account says until useradd has come to its end, and from then on. It writes its files one after the other: killed in
/// between, it leaves an account without its group and its subordinate ids.
const BEGUN: &str = "begun by tootstrap";
const MADE: &str = "made by tootstrap";

/// An account in group `sudo` (never `docker`, which is root without a password). It is made once, with a generated password and root's
/// authorized keys; an ordinary account that is there is adopted, its password untouched.
pub struct SudoUser {
    name: UserName,
    password: SecretString,
}

impl SudoUser {
    /// This account; the password is used only if the account is made.
    pub fn new(name: UserName, password: SecretString) -> Self {
        Self { name, password }
    }

    fn keys_stamp(&self) -> String {
        format!("user/{}-keys", self.name)
    }

    async fn existing(&self, host: &dyn Probe) -> anyhow::Result<Option<Account>> {
        let Some(account) = host.account(self.name.as_str()).await? else { return Ok(None) };
        if is_ordinary(&account) {
            return Ok(Some(account));
        }
        let why = format!("{} is an account of the system (uid {}, shell {})", account.name, account.uid, account.shell.display());
        Err(anyhow::anyhow!(why)).remedy("choose another name for the sudo user (USER_NAME, --sudo-user)")
    }

    async fn lacks_password(&self, host: &dyn Probe) -> anyhow::Result<bool> {
        Ok(is_ours(host, self.name.as_str()).await? && !has_ever_had_password(host, self.name.as_str()).await?)
    }

    /// Root's keys, if the account shall get them: it has no keys of its own and never got any from us.
    async fn keys_to_copy(&self, host: &dyn Probe, account: Option<&Account>) -> anyhow::Result<Option<String>> {
        let has_own = match account {
            Some(account) => host.stat(&keys_file(account)).await?.is_some(),
            None => false,
        };
        if has_own || stamp::read(host, &self.keys_stamp()).await?.is_some() {
            return Ok(None);
        }
        // Comments in it may be in any encoding.
        let keys = host.read(Path::new(ROOTS_KEYS)).await?.unwrap_or_default();
        let keys = usable_keys(&String::from_utf8_lossy(&keys));
        Ok((!keys.is_empty()).then_some(keys))
    }

    /// Whether useradd was killed while it made this account, in which nobody could have logged in since.
    async fn is_half_made(&self, host: &dyn Probe, account: &Account) -> anyhow::Result<bool> {
        let name = self.name.as_str();
        Ok(self.is_begun(host).await? && !has_ever_had_password(host, name).await? && host.stat(&keys_file(account)).await?.is_none())
    }

    /// Its home stays, and so does its uid.
    async fn make_again(&self, host: &dyn Host, half: &Account) -> anyhow::Result<Account> {
        host.run(&Cmd::new("userdel").arg(self.name.as_str()))
            .await
            .with_context(|| format!("cannot remove user {}, whose making was interrupted", self.name))?;
        self.make(host, Some(half.uid)).await
    }

    async fn is_begun(&self, host: &dyn Probe) -> anyhow::Result<bool> {
        Ok(stamp::read(host, &origin_stamp(self.name.as_str())).await?.as_deref() == Some(BEGUN))
    }

    async fn make(&self, host: &dyn Host, uid: Option<u32>) -> anyhow::Result<Account> {
        let again = self.is_begun(host.probe()).await?;
        let group = has_group(host.probe(), self.name.as_str()).await?;
        if group && !again {
            return Err(anyhow::anyhow!("cannot create user {name}: there is a group {name}, but no such user", name = self.name))
                .remedy("choose another name for the sudo user, or remove that group if nobody needs it (groupdel)");
        }
        // An account of that name that is gone took its keys and its file of credentials with it.
        stamp::remove(host, &self.keys_stamp()).await?;
        credentials::forget_sudo(host, &self.name).await?;
        // Before the account: after a crash in between it is still known whose it is.
        stamp::write(host, &origin_stamp(self.name.as_str()), BEGUN).await?;
        // The home will hold passwords and keys; Debian would let everybody look into it.
        let home = ["--create-home", "--key", "HOME_MODE=0700"];
        let useradd = Cmd::new("useradd").args(home).args(["--shell", "/bin/bash", "--groups", "sudo"]);
        // Before the making was begun there was no such group, so this one is what was made of the account.
        let useradd = if group { useradd.args(["--gid", self.name.as_str()]) } else { useradd };
        let useradd = uid.iter().fold(useradd, |useradd, uid| useradd.arg("--uid").arg(uid.to_string()));
        host.run(&useradd.arg(self.name.as_str())).await.with_context(|| format!("cannot create user {}", self.name))?;
        let account = host.account(self.name.as_str()).await?;
        let account = account.with_context(|| format!("user {} is not there although useradd succeeded", self.name))?;
        if again {
            // useradd puts nothing into a home that it was killed in, and may not have given it away yet.
            if host.stat(&account.home).await?.is_some_and(|stat| stat.uid == 0) {
                host.make_dir(&account.home, Access { mode: 0o700, uid: account.uid, gid: account.gid }).await?;
            }
            let copy = Cmd::new("runuser").args(["--user", self.name.as_str(), "--", "cp", "--recursive", "--no-clobber"]);
            host.run(&copy.args(["--no-target-directory", "/etc/skel"]).arg(account.home.to_string_lossy())).await?;
        }
        stamp::write(host, &origin_stamp(self.name.as_str()), MADE).await?;
        Ok(account)
    }

    async fn copy_keys(&self, host: &dyn Host, account: &Account, keys: &str) -> anyhow::Result<()> {
        let file = keys_file(account);
        let owned = |mode| Access { mode, uid: account.uid, gid: account.gid };
        host.make_dir(file.parent().unwrap_or(&account.home), owned(0o700)).await?;
        host.write(&file, keys.as_bytes(), owned(0o600)).await?;
        stamp::write(host, &self.keys_stamp(), "copied").await
    }
}

/// Whether a person could use this account: uid ≥ 1000 and a login shell.
pub(crate) fn is_ordinary(account: &Account) -> bool {
    let shell = account.shell.file_name().unwrap_or_default();
    (FIRST_ORDINARY..65534).contains(&account.uid) && shell != "nologin" && shell != "false"
}

/// Whether this program made the account.
pub(crate) async fn is_ours(host: &dyn Probe, name: &str) -> anyhow::Result<bool> {
    Ok(stamp::read(host, &origin_stamp(name)).await?.is_some())
}

fn origin_stamp(name: &str) -> String {
    format!("user/{name}")
}

/// Where sshd looks for an account's keys by default.
pub(crate) fn keys_file(account: &Account) -> PathBuf {
    account.home.join(".ssh/authorized_keys")
}

/// The second field of an account's line in `/etc/shadow`.
pub(crate) async fn shadow(host: &dyn Probe, name: &str) -> anyhow::Result<String> {
    let shadow = host.read_text(Path::new("/etc/shadow")).await?.unwrap_or_default();
    let field = shadow.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split(':').next());
    Ok(field.unwrap_or_default().to_owned())
}

async fn has_group(host: &dyn Probe, name: &str) -> anyhow::Result<bool> {
    let groups = host.read_text(Path::new("/etc/group")).await?.unwrap_or_default();
    Ok(groups.lines().any(|line| line.split(':').next() == Some(name)))
}

/// A bare `!` or `*` is what useradd leaves; `passwd --lock` keeps the hash behind its `!`.
async fn has_ever_had_password(host: &dyn Probe, name: &str) -> anyhow::Result<bool> {
    Ok(shadow(host, name).await?.len() > 2)
}

/// Keys that a user can log in with. Cloud images give root keys that only print "log in as another user": such options are taken off.
fn usable_keys(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let usable = lines.map(|line| match line.split_once("exit 142\" ") {
        Some((_, key)) => format!("{key}\n"),
        None => format!("{line}\n"),
    });
    usable.collect()
}

impl fmt::Display for SudoUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sudo user {}", self.name)
    }
}

#[async_trait]
impl Resource for SudoUser {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        let account = self.existing(host).await?;
        match &account {
            None => drift.push_do(format!("create user {} with a generated password and sudo", self.name)),
            Some(account) if self.is_half_made(host, account).await? => {
                drift.push_do(format!("make user {} again, whose making was interrupted", self.name));
            }
            Some(account) => {
                if self.lacks_password(host).await? {
                    drift.push_do(format!("set a generated password for {}", self.name));
                }
                if !account.groups.iter().any(|group| group == "sudo") {
                    drift.push_do(format!("add {} to group sudo", self.name));
                }
            }
        }
        if let Some(keys) = self.keys_to_copy(host, account.as_ref()).await? {
            drift.push_do(format!("copy root's {} authorized keys to {}", keys.lines().count(), self.name));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let account = match self.existing(host.probe()).await? {
            Some(half) if self.is_half_made(host.probe(), &half).await? => self.make_again(host, &half).await?,
            Some(account) => account,
            None => self.make(host, None).await?,
        };
        if self.lacks_password(host.probe()).await? {
            credentials::forget_sudo(host, &self.name).await?;
            let line = format!("{}:{}\n", self.name, self.password.expose_secret());
            host.run(&Cmd::new("chpasswd").stdin(line.into())).await.context("cannot set the password")?;
        }
        if !account.groups.iter().any(|group| group == "sudo") {
            host.run(&Cmd::new("usermod").args(["--append", "--groups", "sudo", self.name.as_str()])).await?;
        }
        if let Some(keys) = self.keys_to_copy(host.probe(), Some(&account)).await? {
            self.copy_keys(host, &account, &keys).await?;
        }
        Ok(())
    }

    fn lock(&self) -> Option<Lock> {
        Some(Lock::Accounts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::{FakeHost, Machine};
    use crate::resource::Credentials;
    use crate::resource::testing::converge;

    const USERADD: &str = "run useradd --create-home --key HOME_MODE=0700 --shell /bin/bash --groups sudo alice";
    const STAMP: &str = "write /var/lib/tootstrap/stamps/user-alice 644";
    const SKELETON: &str = "run runuser --user alice -- cp --recursive --no-clobber --no-target-directory /etc/skel /home/alice";
    const KEYS: [&str; 3] = [
        "make_dir /home/alice/.ssh 700 1000:1000",
        "write /home/alice/.ssh/authorized_keys 600",
        "write /var/lib/tootstrap/stamps/user-alice-keys 644",
    ];

    fn alice() -> SudoUser {
        SudoUser::new("alice".parse().unwrap(), "generated-password".into())
    }

    fn machine(arrange: impl Fn(&mut Machine)) -> FakeHost {
        let host = FakeHost::debian();
        host.machine().place("/var/lib/tootstrap", Kind::Directory, "", 0o755);
        host.machine().place("/var/lib/tootstrap/stamps", Kind::Directory, "", 0o755);
        arrange(&mut host.machine());
        host
    }

    fn root_has_a_key(machine: &mut Machine) {
        machine.place(ROOTS_KEYS, Kind::File, "ssh-ed25519 AAAA me\n", 0o600);
    }

    #[tokio::test]
    async fn made_once_with_password_and_keys() {
        let host = machine(root_has_a_key);
        let expected = [&[STAMP, USERADD, STAMP, "run chpasswd"], &KEYS[..]].concat();
        assert_eq!(converge(&host, &alice()).await, expected);
        assert_eq!(host.machine().text("/home/alice/.ssh/authorized_keys"), "ssh-ed25519 AAAA me\n");
        assert_eq!(shadow(&host, "alice").await.unwrap(), "$6$18");
        assert_eq!(host.account("alice").await.unwrap().unwrap().groups, ["alice", "sudo"]);
        host.machine().nodes.remove(Path::new("/home/alice/.ssh/authorized_keys"));
        assert!(converge(&host, &alice()).await.is_empty(), "keys that the user removed come back");
    }

    #[tokio::test]
    async fn a_crash_after_useradd_still_sets_the_password() {
        let host = machine(|_| ());
        host.fail_next("run chpasswd");
        assert!(alice().apply(&host).await.is_err());
        assert_eq!(converge(&host, &alice()).await, ["run chpasswd"]);
    }

    #[tokio::test]
    async fn what_a_killed_useradd_left_is_made_again_with_its_uid() {
        let half = |shadow: &'static str| {
            machine(move |m| {
                m.add_account("alice", 1003, &[], shadow);
                m.accounts[0].groups.clear();
                m.place("/var/lib/tootstrap/stamps/user-alice", Kind::File, "begun by tootstrap\n", 0o644);
            })
        };
        let host = half("!");
        let again = USERADD.replace("alice", "--uid 1003 alice");
        assert_eq!(converge(&host, &alice()).await, ["run userdel alice", STAMP, again.as_str(), SKELETON, STAMP, "run chpasswd"]);
        let account = host.account("alice").await.unwrap().unwrap();
        assert_eq!((account.uid, account.groups), (1003, vec!["alice".into(), "sudo".into()]));

        // Somebody has made it theirs since.
        let host = half("$6$theirs");
        assert_eq!(converge(&host, &alice()).await, ["run usermod --append --groups sudo alice"]);
        let host = half("!");
        host.machine().place("/home/alice/.ssh/authorized_keys", Kind::File, "ssh-rsa BBBB\n", 0o600);
        assert_eq!(converge(&host, &alice()).await, ["run chpasswd", "run usermod --append --groups sudo alice"]);
    }

    #[tokio::test]
    async fn a_home_that_a_killed_useradd_left_empty_is_filled() {
        let host = machine(|m| m.place("/var/lib/tootstrap/stamps/user-alice", Kind::File, "begun by tootstrap\n", 0o644));
        assert_eq!(converge(&host, &alice()).await, [STAMP, USERADD, SKELETON, STAMP, "run chpasswd"]);
    }

    #[tokio::test]
    async fn a_group_that_a_killed_useradd_left_is_the_accounts_and_no_other() {
        let group = |m: &mut Machine| m.place("/etc/group", Kind::File, "root:x:0:\nalice:x:1000:\n", 0o644);
        let host = machine(|m| {
            group(m);
            m.place("/var/lib/tootstrap/stamps/user-alice", Kind::File, "begun by tootstrap\n", 0o644);
        });
        let again = USERADD.replace("alice", "--gid alice alice");
        assert_eq!(converge(&host, &alice()).await, [STAMP, again.as_str(), SKELETON, STAMP, "run chpasswd"]);
        let host = machine(group);
        let error = alice().apply(&host).await.unwrap_err();
        assert!(error.to_string().contains("there is a group alice, but no such user") && host.take_log().is_empty(), "{error}");
    }

    #[tokio::test]
    async fn deleted_with_its_home_it_is_made_again_with_keys_and_credentials() {
        let host = machine(root_has_a_key);
        let written =
            Credentials::new("Alice", "a@b.org", "owners-password".into(), Some(("alice".parse().unwrap(), "generated-password".into())));
        converge(&host, &alice()).await;
        converge(&host, &written).await;
        let before = host.machine().text("/home/alice/.credentials");

        host.machine().delete_account("alice");
        assert!(!written.check(&host).await.unwrap().is_empty(), "a preview tells it");
        let log = converge(&host, &alice()).await;
        assert!(log.contains(&USERADD.to_owned()) && log.contains(&"run chpasswd".to_owned()), "{log:?}");
        assert_eq!(shadow(&host, "alice").await.unwrap(), "$6$18");
        assert_eq!(host.machine().text("/home/alice/.ssh/authorized_keys"), "ssh-ed25519 AAAA me\n");
        converge(&host, &written).await;
        let sudo: Vec<_> = before.lines().filter(|line| line.starts_with("Sudo")).collect();
        assert_eq!(host.machine().text("/home/alice/.credentials").lines().collect::<Vec<_>>(), sudo);
        assert!(sudo.contains(&"Sudo Password: generated-password"));
        assert!(converge(&host, &alice()).await.is_empty() && converge(&host, &written).await.is_empty());
    }

    #[tokio::test]
    async fn made_again_by_somebody_else_it_is_theirs() {
        let host = machine(root_has_a_key);
        let written =
            Credentials::new("Alice", "a@b.org", "owners-password".into(), Some(("alice".parse().unwrap(), "generated-password".into())));
        converge(&host, &alice()).await;
        converge(&host, &written).await;
        host.machine().delete_account("alice");
        host.machine().add_account("alice", 1000, &["sudo"], "$6$theirs");
        assert!(converge(&host, &alice()).await.is_empty() && converge(&host, &written).await.is_empty());
        assert_eq!(shadow(&host, "alice").await.unwrap(), "$6$theirs");
    }

    #[tokio::test]
    async fn an_ordinary_account_is_adopted() {
        let host = machine(|m| m.add_account("alice", 1000, &[], "!"));
        assert_eq!(converge(&host, &alice()).await, ["run usermod --append --groups sudo alice"]);
        assert_eq!(shadow(&host, "alice").await.unwrap(), "!", "the password of an adopted account was touched");
        let own_keys = |m: &mut Machine| {
            m.add_account("alice", 1000, &["sudo"], "$6$x");
            m.place("/home/alice/.ssh/authorized_keys", Kind::File, "ssh-rsa BBBB\n", 0o600);
            root_has_a_key(m);
        };
        assert!(converge(&machine(own_keys), &alice()).await.is_empty());
    }

    #[tokio::test]
    async fn a_system_account_is_refused() {
        let host = machine(|m| m.add_account("alice", 33, &[], "*"));
        let error = alice().check(&host).await.unwrap_err();
        assert!(error.to_string().contains("alice is an account of the system (uid 33"), "{error}");
    }

    #[test]
    fn keys_that_only_print_a_message_are_made_usable() {
        let cloud = "no-port-forwarding,command=\"echo 'Please login as the user \\\"debian\\\"';echo;sleep 10;exit 142\" ssh-rsa AAAA x\n";
        assert_eq!(usable_keys(cloud), "ssh-rsa AAAA x\n");
        assert_eq!(usable_keys("# comment\n\nssh-rsa BBBB\n"), "ssh-rsa BBBB\n");
    }
}
