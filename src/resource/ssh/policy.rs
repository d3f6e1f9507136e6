//! What sshd may refuse without locking anybody out.

use std::path::Path;

use anyhow::Context;

use super::DROP_IN;
use crate::host::{Account, Cmd, Probe, Stat};
use crate::resource::user::{is_ordinary, keys_file, shadow};

/// What shall be so, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// Nobody may log in by password.
    pub(super) passwords_off: bool,
    /// Why passwords stay; empty if they do not.
    pub(super) passwords_reason: String,
    /// Root may not log in.
    pub(super) root_off: bool,
}

/// An account that a person can log in to.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug)]
struct Login {
    name: String,
    is_root: bool,
    has_password: bool,
    /// sshd would accept the password, as far as others have a say.
    password_works: bool,
    has_key: bool,
    can_sudo: bool,
}

/// Decides. `disable_root`: the operator wants root login off. `sudo_user`: this account is in group `sudo` before the decision counts.
///
/// Password login goes only if every account that can log in by password has a key, and somebody has one. Root login goes only if someone
/// with sudo can still get in. Also returned: the output of `sshd -T`.
pub(super) async fn decide(host: &dyn Probe, disable_root: bool, sudo_user: Option<&str>) -> anyhow::Result<(Policy, String)> {
    let general = effective(host).await?;
    let others_refuse_passwords = others_refuse_passwords(host).await?;
    let mut logins = Vec::new();
    for account in host.accounts().await? {
        if account.uid == 0 || is_ordinary(&account) {
            let effective = Effective::read(host, &account, &general, others_refuse_passwords).await?;
            logins.push(Login::look(host, &account, &effective, sudo_user).await?);
        }
    }
    Ok((judge(&logins, disable_root), general))
}

fn judge(logins: &[Login], disable_root: bool) -> Policy {
    let sudoers = || logins.iter().filter(|login| !login.is_root && login.can_sudo);
    let root_off_by_key = disable_root && sudoers().any(|login| login.has_key);
    let counted = |login: &&Login| !(login.is_root && root_off_by_key);
    let without_key = logins.iter().filter(counted).filter(|login| login.has_password && !login.has_key);
    let without_key: Vec<_> = without_key.map(|login| login.name.as_str()).collect();
    let somebody_has_key = logins.iter().filter(counted).any(|login| login.has_key && (login.is_root || login.can_sudo));

    let passwords_off = without_key.is_empty() && somebody_has_key;
    let passwords_reason = match (passwords_off, without_key.as_slice()) {
        (true, _) => String::new(),
        (false, []) => "nobody who administers this machine has a key".to_owned(),
        (false, names) => format!("without a key, but with a password: {}", names.join(", ")),
    };
    let by_password = |login: &Login| login.has_password && login.password_works;
    let root_off_by_password = disable_root && !passwords_off && sudoers().any(by_password);
    Policy { passwords_off, passwords_reason, root_off: root_off_by_key || root_off_by_password }
}

impl Login {
    async fn look(host: &dyn Probe, account: &Account, effective: &Effective, sudo_user: Option<&str>) -> anyhow::Result<Self> {
        let shadow = shadow(host, &account.name).await?;
        let has_password = shadow.len() > 2 && !shadow.starts_with(['!', '*']);
        let allowed = effective.allows(account);
        let in_sudo = account.groups.iter().any(|group| group == "sudo") || sudo_user == Some(account.name.as_str());
        Ok(Self {
            name: account.name.clone(),
            is_root: account.uid == 0,
            has_password: has_password && (account.uid != 0 || effective.root_by_password),
            password_works: allowed && effective.passwords_work,
            has_key: allowed && effective.default_keys && has_key(host, account).await?,
            can_sudo: allowed && in_sudo && (has_password || sudo_without_password(host, &account.name).await?),
        })
    }
}

/// What sshd's configuration says about one account: `Match` blocks that are about it count.
struct Effective {
    /// Keys count, and lie where they usually lie.
    default_keys: bool,
    /// Passwords are accepted, as far as others have a say.
    passwords_work: bool,
    /// Root's password would be accepted. (`no` may be our own: it counts as accepted, so that the judgement is stable.)
    root_by_password: bool,
    /// Names and groups of `AllowUsers` and so on.
    lists: Vec<(String, Vec<String>)>,
}

impl Effective {
    /// `general`: what holds for everybody. `others_refuse_passwords`: not only we do.
    async fn read(host: &dyn Probe, account: &Account, general: &str, others_refuse_passwords: bool) -> anyhow::Result<Self> {
        let text = effective_for(host, &account.name, value(general, "port").unwrap_or("22")).await?;
        let is = |key: &str, wanted: &str| value(&text, key).is_some_and(|value| value.split_whitespace().any(|word| word == wanted));
        // `any`, or lists of methods of which each is enough.
        let can_be_alone =
            |method: &str| value(&text, "authenticationmethods").is_none_or(|lists| lists == "any") || is("authenticationmethods", method);
        let list = |key: &str| {
            let values: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).map(str::to_owned).collect();
            (!values.is_empty()).then(|| (key.to_owned(), values))
        };
        Ok(Self {
            default_keys: can_be_alone("publickey")
                && is("pubkeyauthentication", "yes")
                && is("authorizedkeysfile", ".ssh/authorized_keys"),
            passwords_work: can_be_alone("password")
                && (is("passwordauthentication", "yes")
                    || (value(general, "passwordauthentication") == Some("no") && !others_refuse_passwords)),
            root_by_password: is("permitrootlogin", "yes") || is("permitrootlogin", "no"),
            lists: ["allowusers", "allowgroups", "denyusers", "denygroups"].into_iter().filter_map(list).collect(),
        })
    }

    /// Whether the lists let an account in. Patterns are not understood and count against it.
    fn allows(&self, account: &Account) -> bool {
        self.lists.iter().all(|(key, values)| {
            let names = |wanted: &str| values.iter().any(|value| value == wanted);
            let groups = account.groups.iter().any(|group| names(group));
            let pattern = values.iter().any(|value| value.contains(['*', '?', '@', '!']));
            match key.as_str() {
                "allowusers" => names(&account.name),
                "allowgroups" => groups,
                "denyusers" => !names(&account.name) && !pattern,
                _ => !groups && !pattern,
            }
        })
    }
}

/// Whether a file besides our own drop-in refuses passwords: ours is about to be written anew.
async fn others_refuse_passwords(host: &dyn Probe) -> anyhow::Result<bool> {
    let directory = Path::new("/etc/ssh/sshd_config.d");
    let drop_ins = host.list(directory).await?.into_iter().map(|name| directory.join(name));
    for file in drop_ins.filter(|file| file != Path::new(DROP_IN)).chain(["/etc/ssh/sshd_config".into()]) {
        let text = host.read(&file).await?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).to_lowercase();
        if text.lines().any(|line| line.trim_start().starts_with("passwordauthentication") && !line.trim_end().ends_with("yes")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `sshd -T`.
pub(super) async fn effective(host: &dyn Probe) -> anyhow::Result<String> {
    let output = host.query(&Cmd::new("sshd").arg("-T")).await.context("cannot ask sshd for its configuration")?;
    anyhow::ensure!(output.success(), "sshd does not accept its configuration: {}", output.stderr.trim());
    Ok(output.stdout)
}

/// `sshd -T` for a login as `name` from anywhere: an address that no `Match` block names. sshd wants to be told everything that a block
/// could ask for.
async fn effective_for(host: &dyn Probe, name: &str, port: &str) -> anyhow::Result<String> {
    let connection = format!("user={name},host=client.invalid,addr=192.0.2.1,laddr=192.0.2.2,lport={port}");
    let output = host.query(&Cmd::new("sshd").args(["-T", "-C", &connection])).await;
    let output = output.with_context(|| format!("cannot ask sshd how {name} may log in"))?;
    anyhow::ensure!(output.success(), "sshd does not tell how {name} may log in: {}", output.stderr.trim());
    Ok(output.stdout)
}

/// The value of a key in the output of `sshd -T`.
pub(super) fn value<'a>(effective: &'a str, key: &str) -> Option<&'a str> {
    effective.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
}

/// Whether sshd would accept a key of the account: there is one, and nobody else may write it (`StrictModes`).
async fn has_key(host: &dyn Probe, account: &Account) -> anyhow::Result<bool> {
    let file = keys_file(account);
    let trusted = |stat: &Stat| stat.mode & 0o022 == 0 && (stat.uid == 0 || stat.uid == account.uid);
    for path in [account.home.as_path(), &account.home.join(".ssh"), &file] {
        match host.stat(path).await? {
            Some(stat) if trusted(&stat) => {}
            _ => return Ok(false),
        }
    }
    let text = host.read(&file).await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).lines().any(is_key))
}

/// A line that lets somebody in from anywhere, for good: a key without options that run another command (as cloud images give root), end it,
/// bind it to an address, or make it a certificate authority's (sshd(8), on the format of `authorized_keys`).
fn is_key(line: &str) -> bool {
    let kinds = ["ssh-rsa ", "ssh-ed25519 ", "ecdsa-sha2-", "sk-ssh-ed25519", "sk-ecdsa-sha2-"];
    let line = line.trim();
    let Some(options) = kinds.iter().filter_map(|kind| line.split_once(kind)).map(|(before, _)| before).min_by_key(|before| before.len())
    else {
        return false;
    };
    let limits = ["command=", "expiry-time=", "from=", "cert-authority"];
    !line.starts_with('#') && !limits.iter().any(|limit| options.to_ascii_lowercase().contains(limit))
}

/// Whether a file in `/etc/sudoers.d` lets the account use sudo without a password, as cloud images do.
async fn sudo_without_password(host: &dyn Probe, name: &str) -> anyhow::Result<bool> {
    let directory = Path::new("/etc/sudoers.d");
    for file in host.list(directory).await? {
        let text = host.read(&directory.join(file)).await?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        if text.lines().any(|line| line.split_whitespace().next() == Some(name) && line.contains("NOPASSWD")) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `root:pk` is root with password and key, `!` a password that sshd refuses; a leading `+` means sudo.
    fn logins(text: &str) -> Vec<Login> {
        let login = |word: &str| {
            let (name, has) = word.split_once(':').unwrap();
            let name = name.to_owned();
            let (has_password, has_key) = (has.contains('p'), has.contains('k'));
            Login {
                is_root: name == "root",
                can_sudo: name.starts_with('+'),
                name,
                has_password,
                password_works: !has.contains('!'),
                has_key,
            }
        };
        text.split_whitespace().map(login).collect()
    }

    #[test]
    fn nobody_is_locked_out() {
        // accounts, disable root, passwords go, root goes
        let cases = [
            ("root:p", false, false, false),
            ("root:p", true, false, false),
            ("root:pk", false, true, false),
            ("root:pk", true, true, false),
            ("root:p +alice:p", true, false, true),
            ("root:p +alice:p", false, false, false),
            ("root:pk +alice:pk", true, true, true),
            ("root:p +alice:pk", true, true, true),
            ("root:p +alice:pk", false, false, false),
            ("root:pk +alice:pk bob:p", true, false, true),
            ("root:pk alice:pk", true, true, false),
            ("root:p +alice:k", true, true, true),
            ("root: alice:k", false, false, false),
            ("root:", true, false, false),
            ("root:pk +alice:p", true, false, true),
            ("root:p +alice:p!", true, false, false),
            ("root:p +alice:p! +bob:p", true, false, true),
        ];
        for (accounts, disable_root, passwords_off, root_off) in cases {
            let policy = judge(&logins(accounts), disable_root);
            assert_eq!((policy.passwords_off, policy.root_off), (passwords_off, root_off), "{accounts}, disable root: {disable_root}");
        }
    }

    #[test]
    fn for_every_constellation_somebody_administers_the_machine_as_before() {
        for bits in 0..256u32 {
            let has = |bit: u32| bits >> bit & 1 == 1;
            let login = |name: &str, at: u32| Login {
                name: name.into(),
                is_root: name == "root",
                has_password: has(at),
                password_works: if name == "root" { has(6) } else { has(7) },
                has_key: has(at + 1),
                can_sudo: name != "root" && has(4),
            };
            let all = [login("root", 0), login("alice", 2)];
            let policy = judge(&all, has(5));
            let enters = |l: &Login, p: &Policy| {
                (l.has_key || (l.has_password && l.password_works && !p.passwords_off)) && !(l.is_root && p.root_off)
            };
            let administers = |p: &Policy| all.iter().any(|l| enters(l, p) && (l.is_root || l.can_sudo));
            let open = Policy { passwords_off: false, passwords_reason: String::new(), root_off: false };
            assert_eq!(administers(&open), administers(&policy), "{all:?} {policy:?}");
        }
    }

    #[test]
    fn only_a_key_that_lets_in_from_anywhere_counts() {
        for (line, counts) in [
            ("ssh-ed25519 AAAA me", true),
            ("no-pty,no-X11-forwarding ssh-rsa AAAA from=home", true),
            ("from=\"10.0.0.1\" ssh-rsa AAAA me", false),
            ("Expiry-Time=\"20200101\" ssh-ed25519 AAAA me", false),
            ("cert-authority ssh-ed25519 AAAA ca", false),
            ("no-pty,command=\"echo use another user;exit 142\" ssh-rsa AAAA me", false),
            ("# ssh-rsa AAAA", false),
            ("", false),
        ] {
            assert_eq!(is_key(line), counts, "{line}");
        }
    }
}
