//! sshd: who may log in, and how.

mod policy;

use std::fmt;
use std::path::Path;

use anyhow::Context;
use askama::Template;
use async_trait::async_trait;

use self::policy::{Policy, decide, value};
use super::{Drift, File, Resource};
use crate::host::{Access, Cmd, Host, Probe};
use crate::report::WithRemedy;
use crate::settings::UserName;

/// Our drop-in. Its name sorts before cloud-init's and everybody else's.
pub const DROP_IN: &str = "/etc/ssh/sshd_config.d/00-tootstrap.conf";

#[derive(Template)]
#[template(path = "hardening/sshd.conf", escape = "none")]
struct DropIn<'a> {
    passwords_off: bool,
    passwords_reason: &'a str,
    root_off: bool,
}

/// A drop-in for sshd that refuses passwords and root only where nobody is locked out by it: judged anew on every run.
pub struct SshPolicy {
    disable_root: bool,
    sudo_user: Option<UserName>,
}

impl SshPolicy {
    /// `disable_root`: root may not log in, if someone with sudo still can. `sudo_user`: the account that an earlier step gives sudo.
    pub fn new(disable_root: bool, sudo_user: Option<UserName>) -> Self {
        Self { disable_root, sudo_user }
    }

    /// The policy, the drop-in that says so, and what sshd does now.
    async fn policy(&self, host: &dyn Probe) -> anyhow::Result<(Policy, File, String)> {
        let (policy, effective) = decide(host, self.disable_root, self.sudo_user.as_ref().map(UserName::as_str)).await?;
        let Policy { passwords_off, passwords_reason, root_off } = &policy;
        let text = DropIn { passwords_off: *passwords_off, passwords_reason, root_off: *root_off }.render()?;
        Ok((policy, File::text(DROP_IN, text, Access::root(0o644)), effective))
    }

    /// What sshd would do differently although the drop-in is as it should be.
    fn read_back(&self, policy: &Policy, effective: &str) -> Drift {
        let refuses = |key: &str| value(effective, key) == Some("no");
        if (policy.passwords_off && !refuses("passwordauthentication")) || (policy.root_off && !refuses("permitrootlogin")) {
            let remedy =
                "put `Include /etc/ssh/sshd_config.d/*.conf` into the first line of /etc/ssh/sshd_config; then: sudo tootstrap install";
            return Drift::waiting(format!("sshd to read {DROP_IN}"), remedy);
        }
        if self.disable_root && !policy.root_off {
            let what = "someone with sudo who can log in: root login stays on until then";
            return Drift::waiting(what, "name a sudo user (--sudo-user), or give one a key (ssh-copy-id); then: sudo tootstrap install");
        }
        Drift::none()
    }
}

impl fmt::Display for SshPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "who may log in over SSH ({DROP_IN})")
    }
}

#[async_trait]
impl Resource for SshPolicy {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let (policy, file, effective) = self.policy(host).await?;
        let drift = file.check(host).await?;
        Ok(if drift.is_empty() { self.read_back(&policy, &effective) } else { drift })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let (_, file, _) = self.policy(host.probe()).await?;
        if file.check(host.probe()).await?.is_empty() {
            return Ok(());
        }
        let before = host.read(Path::new(DROP_IN)).await?;
        file.apply(host).await?;
        if let Err(error) = host.run(&Cmd::new("sshd").arg("-t")).await {
            match before {
                Some(before) => host.write(Path::new(DROP_IN), &before, Access::root(0o644)).await,
                None => host.remove(Path::new(DROP_IN)).await,
            }
            .context("sshd refuses its new configuration, and the former one cannot be put back")?;
            return Err(error).context("sshd refuses its new configuration; the former one is back").remedy(
                "look at the line that it names: something else in /etc/ssh is wrong (`sshd -t` shows it); put it right and run this again",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::policy::effective;
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::{FakeHost, Machine};
    use crate::resource::testing::{but_stamps, converge};

    fn machine(arrange: impl Fn(&mut Machine)) -> FakeHost {
        let host = FakeHost::debian();
        arrange(&mut host.machine());
        host
    }

    fn keys(machine: &mut Machine, home: &str, uid: u32) {
        for (path, kind, mode) in [(String::new(), Kind::Directory, 0o755), ("/.ssh".into(), Kind::Directory, 0o700)] {
            machine.place(format!("{home}{path}"), kind, "", mode);
        }
        machine.place(format!("{home}/.ssh/authorized_keys"), Kind::File, "ssh-ed25519 AAAA me\n", 0o600);
        for path in ["", "/.ssh", "/.ssh/authorized_keys"] {
            machine.nodes.get_mut(Path::new(&format!("{home}{path}"))).unwrap().access.uid = uid;
        }
    }

    #[tokio::test]
    async fn keyless_root_keeps_its_password() {
        let host = machine(|_| ());
        let log = [format!("write {DROP_IN} 644"), "run sshd -t".into()];
        assert_eq!(but_stamps(converge(&host, &SshPolicy::new(false, None)).await), log);
        let text = host.machine().text(DROP_IN);
        assert!(text.contains("# Login by password stays: without a key, but with a password: root.\n"), "{text}");
        assert!(!text.contains("\nPasswordAuthentication") && !text.contains("PermitRootLogin"), "{text}");
        assert!(converge(&host, &SshPolicy::new(false, None)).await.is_empty());
    }

    #[tokio::test]
    async fn with_keys_everywhere_passwords_and_root_go() {
        let host = machine(|m| {
            m.add_account("alice", 1000, &["sudo"], "$6$x");
            keys(m, "/root", 0);
            keys(m, "/home/alice", 1000);
        });
        converge(&host, &SshPolicy::new(true, None)).await;
        let text = host.machine().text(DROP_IN);
        assert!(text.ends_with("PasswordAuthentication no\nChallengeResponseAuthentication no\nPermitRootLogin no\n"), "{text}");
        let effective = effective(&host).await.unwrap();
        assert_eq!(value(&effective, "permitrootlogin"), Some("no"));
    }

    #[tokio::test]
    async fn a_key_that_sshd_would_not_accept_does_not_count() {
        let host = machine(|m| {
            keys(m, "/root", 0);
            m.nodes.get_mut(Path::new("/root/.ssh/authorized_keys")).unwrap().access.mode = 0o666;
        });
        converge(&host, &SshPolicy::new(false, None)).await;
        assert!(host.machine().text(DROP_IN).contains("Login by password stays"));
    }

    #[tokio::test]
    async fn root_stays_while_nobody_else_gets_in_and_that_is_said() {
        let host = machine(|_| ());
        let policy = SshPolicy::new(true, None);
        policy.apply(&host).await.unwrap();
        let wait = policy.check(&host).await.unwrap().wait.unwrap();
        assert!(wait.what.contains("root login stays on until then") && wait.remedy.contains("--sudo-user"), "{wait:?}");
    }

    #[tokio::test]
    async fn a_main_file_that_does_not_include_the_drop_in_is_said() {
        let host = machine(|m| {
            keys(m, "/root", 0);
            m.ssh.reads_drop_ins = false;
        });
        SshPolicy::new(false, None).apply(&host).await.unwrap();
        let wait = SshPolicy::new(false, None).check(&host).await.unwrap().wait.unwrap();
        assert!(wait.remedy.contains("Include /etc/ssh/sshd_config.d/*.conf"), "{wait:?}");
    }

    #[tokio::test]
    async fn a_drop_in_that_was_edited_is_put_right_at_once() {
        let host = machine(|m| m.add_account("alice", 1000, &["sudo"], "$6$x"));
        converge(&host, &SshPolicy::new(true, None)).await;
        let ours = host.machine().text(DROP_IN);
        assert!(ours.ends_with("PermitRootLogin no\n"), "{ours}");
        host.machine().place(DROP_IN, Kind::File, &format!("{ours}PasswordAuthentication no\n"), 0o644);
        converge(&host, &SshPolicy::new(true, None)).await;
        assert_eq!(host.machine().text(DROP_IN), ours);
    }

    #[tokio::test]
    async fn a_lost_sudo_membership_is_the_user_steps_to_repair() {
        let host = machine(|m| m.add_account("alice", 1000, &["sudo"], "$6$x"));
        let policy = SshPolicy::new(true, Some("alice".parse().unwrap()));
        converge(&host, &policy).await;
        for account in &mut host.machine().accounts {
            account.groups.retain(|group| group != "sudo");
        }
        assert!(policy.check(&host).await.unwrap().is_empty());
        assert!(!SshPolicy::new(true, None).check(&host).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn root_stays_where_others_refuse_the_only_sudoers_password() {
        let host = machine(|m| {
            m.add_account("alice", 1000, &["sudo"], "$6$x");
            m.place("/etc/ssh/sshd_config.d/50-cloud-init.conf", Kind::File, "PasswordAuthentication no\n", 0o644);
        });
        SshPolicy::new(true, None).apply(&host).await.unwrap();
        assert!(!host.machine().text(DROP_IN).contains("PermitRootLogin"));
    }

    #[tokio::test]
    async fn a_match_block_about_the_only_sudoer_counts() {
        for (block, root_off) in [
            ("Match User alice\n  PasswordAuthentication no\n", false),
            ("Match User bob\n  PasswordAuthentication no\n", true),
            ("Match User alice\n  AuthenticationMethods publickey\n", false),
            ("PasswordAuthentication no\nMatch User alice\n  PasswordAuthentication yes\n", true),
        ] {
            let host = machine(|m| {
                m.add_account("alice", 1000, &["sudo"], "$6$x");
                m.place("/etc/ssh/sshd_config.d/50-own.conf", Kind::File, block, 0o644);
            });
            SshPolicy::new(true, None).apply(&host).await.unwrap();
            assert_eq!(host.machine().text(DROP_IN).contains("PermitRootLogin no"), root_off, "{block}");
        }
    }

    #[tokio::test]
    async fn a_key_that_a_match_block_forbids_does_not_count() {
        let host = machine(|m| {
            m.add_account("alice", 1000, &["sudo"], "$6$x");
            keys(m, "/home/alice", 1000);
            m.place("/etc/ssh/sshd_config.d/50-own.conf", Kind::File, "Match User alice\nPubkeyAuthentication no\n", 0o644);
        });
        SshPolicy::new(true, None).apply(&host).await.unwrap();
        let text = host.machine().text(DROP_IN);
        assert!(text.contains("without a key, but with a password: root, alice") && text.contains("PermitRootLogin no"), "{text}");
    }

    #[tokio::test]
    async fn what_sshd_refuses_is_taken_back() {
        let host = machine(|m| m.ssh.broken = true);
        let error = format!("{:#}", SshPolicy::new(false, None).apply(&host).await.unwrap_err());
        assert!(error.starts_with("sshd refuses its new configuration; the former one is back"), "{error}");
        assert_eq!(but_stamps(host.take_log()), [format!("write {DROP_IN} 644"), "run sshd -t".into(), format!("remove {DROP_IN}")]);
    }
}
