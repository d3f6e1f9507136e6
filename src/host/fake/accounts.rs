//! Accounts and swap: `useradd`, `usermod`, `chpasswd`, `mkswap`, `swapon`.

use std::path::Path;

use secrecy::ExposeSecret;

use super::super::{Access, Account};
use super::{Cmd, Kind, Machine, Reply};

/// Swap in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Swap {
    /// Path and KiB.
    pub(crate) active: Vec<(String, u64)>,
    /// `swapon` is refused, as in a container.
    pub(crate) forbidden: bool,
}

impl Machine {
    /// Adds an ordinary account with a home and a line in `/etc/shadow`, without logging.
    pub(crate) fn add_account(&mut self, name: &str, uid: u32, groups: &[&str], shadow: &str) {
        let home = Path::new("/home").join(name);
        let groups = std::iter::once(name).chain(groups.iter().copied()).map(String::from).collect();
        self.place(&home, Kind::Directory, "", 0o755);
        if let Some(node) = self.nodes.get_mut(&home) {
            node.access = Access { mode: 0o755, uid, gid: uid };
        }
        self.accounts.push(Account { name: name.into(), uid, gid: uid, home, shell: "/bin/bash".into(), groups });
        let text = self.text("/etc/shadow") + &format!("{name}:{shadow}:19000:0:99999:7:::\n");
        self.place("/etc/shadow", Kind::File, &text, 0o640);
    }

    /// What `userdel -r` does, without logging.
    pub(crate) fn delete_account(&mut self, name: &str) {
        let home = Path::new("/home").join(name);
        self.nodes.retain(|path, _| !path.starts_with(&home));
        self.forget_account(name);
    }

    /// What `userdel` does, without logging.
    fn forget_account(&mut self, name: &str) {
        self.accounts.retain(|account| account.name != name);
        let others = self.text("/etc/shadow").lines().filter(|line| !line.starts_with(&format!("{name}:"))).collect::<Vec<_>>().join("\n");
        self.place("/etc/shadow", Kind::File, &format!("{others}\n"), 0o640);
    }

    fn set_password(&mut self, name: &str, shadow: &str) {
        let set = |line: &str| match line.split_once(':') {
            Some((account, _)) if account == name => format!("{name}:{shadow}:19000:0:99999:7:::\n"),
            _ => format!("{line}\n"),
        };
        let text: String = self.text("/etc/shadow").lines().map(set).collect();
        self.place("/etc/shadow", Kind::File, &text, 0o640);
    }

    /// Writes `/proc/swaps`.
    pub(crate) fn tell_swaps(&mut self) {
        let line = |(path, kib): &(String, u64)| format!("{path}\tfile\t{kib}\t0\t-2\n");
        let text: String = self.swap.active.iter().map(line).collect();
        self.place("/proc/swaps", Kind::File, &format!("Filename\tType\tSize\tUsed\tPriority\n{text}"), 0o444);
    }
}

/// Simulates the programs.
pub(super) fn programs(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    match cmd.argv().as_slice() {
        ["useradd", "--create-home", "--key", "HOME_MODE=0700", "--shell", _, "--groups", groups, ids @ .., name] => {
            let uid = match ids {
                [] | ["--gid", _] => machine.accounts.iter().map(|account| account.uid + 1).max().unwrap_or_default().max(1000),
                ["--uid", uid] | ["--gid", _, "--uid", uid] => uid.parse().ok()?,
                _ => return None,
            };
            let groups: Vec<_> = groups.split(',').collect();
            machine.add_account(name, uid, &groups, "!");
            Some(Reply::changed(""))
        }
        ["runuser", "--user", name, "--", "cp", "--recursive", "--no-clobber", "--no-target-directory", "/etc/skel", home] => {
            let is_theirs = machine.accounts.iter().any(|account| account.name == *name && account.home == Path::new(home));
            is_theirs.then(|| Reply::changed(""))
        }
        ["userdel", name] => {
            machine.forget_account(name);
            Some(Reply::changed(""))
        }
        ["usermod", "--append", "--groups", group, name] => {
            let account = machine.accounts.iter_mut().find(|account| account.name == *name)?;
            account.groups.push((*group).into());
            Some(Reply::changed(""))
        }
        ["chpasswd"] => {
            let input = cmd.text()?.expose_secret().to_owned();
            let (name, password) = input.trim_end().split_once(':')?;
            machine.set_password(name, &format!("$6${}", password.len()));
            Some(Reply::changed(""))
        }
        ["mkswap", path] => machine.nodes.contains_key(Path::new(path)).then(|| Reply::changed("")),
        ["swapon", path] if machine.swap.forbidden => {
            Some(Reply::changed("").status(255, format!("swapon: {path}: swapon failed: Operation not permitted")))
        }
        ["swapoff", path] => {
            machine.swap.active.retain(|(active, _)| active != path);
            machine.tell_swaps();
            Some(Reply::changed(""))
        }
        ["swapon", path] => {
            let size = machine.nodes.get(Path::new(path))?.size;
            machine.swap.active.push(((*path).into(), size / 1024));
            machine.tell_swaps();
            Some(Reply::changed(""))
        }
        _ => None,
    }
}
