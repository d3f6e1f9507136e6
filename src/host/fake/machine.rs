//! The state of the simulated machine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::super::{Access, Account, Answer, HostError, Kind, Progress, Question, Record, RecordType, Result, Space, Stat};

/// A file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) content: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) access: Access,
}

impl Node {
    pub(super) fn stat(&self) -> Stat {
        Stat { kind: self.kind, mode: self.access.mode, uid: self.access.uid, gid: self.access.gid, size: self.size }
    }
}

/// Everything that the simulated programs share. Areas keep what only they need in their own struct, added as a field here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) nodes: BTreeMap<PathBuf, Node>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) hostname: String,
    /// Programs that are installed.
    pub(crate) programs: BTreeSet<String>,
    pub(crate) space: Space,
    /// Where something accepts connections.
    pub(crate) listening: BTreeSet<SocketAddr>,
    /// Locked files: the process that holds the lock, and how many more looks find it there.
    pub(crate) locks: BTreeMap<PathBuf, (i32, u32)>,
    /// Prepared answers; a question without one gets "no such name".
    pub(crate) dns: BTreeMap<String, Answer>,
    pub(crate) apt: super::apt::Apt,
    pub(crate) docker: super::docker::Docker,
    pub(crate) inspection: super::inspection::Inspection,
    pub(crate) swap: super::accounts::Swap,
    pub(crate) linode: super::linode::Account,
    /// A web server of the operator's, if there is one.
    pub(crate) proxy: Option<super::FakeProxy>,
    /// Registries give their token by its name in OAuth 2.0.
    pub(crate) gives_access_tokens: bool,
    /// A mail relay, if there is one.
    pub(crate) relay: Option<super::FakeRelay>,
    pub(crate) netfilter: super::netfilter::Netfilter,
    pub(crate) ssh: super::ssh::Ssh,
    pub(crate) ufw: super::ufw::Ufw,
    pub(crate) systemd: super::systemd::Systemd,
    pub(crate) uplink: super::uplink::Uplink,
    /// What was told of how much is done.
    pub(crate) progress: Vec<Progress>,
    pub(super) log: Vec<String>,
    pub(super) trouble: Vec<String>,
    pub(super) trouble_at: Option<(usize, super::Trouble)>,
}

impl Machine {
    /// A bare Debian 11.
    pub(super) fn debian() -> Self {
        let mut machine = Self { hostname: "localhost".into(), ..Self::default() };
        let directories = [
            "/",
            "/etc",
            "/etc/apt",
            "/etc/apt/sources.list.d",
            "/etc/apt/apt.conf.d",
            "/var/lib/apt",
            "/var/lib/apt/lists",
            "/etc/ssh",
            "/etc/ssh/sshd_config.d",
            "/etc/systemd",
            "/etc/systemd/system",
            "/home",
            "/opt",
        ];
        let directories =
            directories.into_iter().chain(["/root", "/proc", "/run", "/tmp", "/usr", "/usr/local", "/usr/local/bin", "/var", "/var/lib"]);
        for directory in directories {
            machine.place(directory, Kind::Directory, "", 0o755);
        }
        machine.place("/etc/os-release", Kind::File, "ID=debian\nVERSION_ID=\"11\"\nVERSION_CODENAME=bullseye\n", 0o644);
        let sources = "deb http://deb.debian.org/debian bullseye main\ndeb http://deb.debian.org/debian-security bullseye-security main\n";
        machine.place("/etc/apt/sources.list", Kind::File, sources, 0o644);
        machine.place("/etc/fstab", Kind::File, "/dev/sda / ext4 errors=remount-ro 0 1\n", 0o644);
        machine.place("/etc/shadow", Kind::File, "root:$6$x:19000:0:99999:7:::\n", 0o640);
        machine.place("/proc/self/exe", Kind::File, "tootstrap", 0o755);
        machine.place("/proc/sys/kernel/random/boot_id", Kind::File, "first\n", 0o444);
        machine.swap.active.push(("/dev/sda2".into(), 524_288));
        machine.tell_swaps();
        machine.place("/etc/hosts", Kind::File, "127.0.0.1\tlocalhost\n", 0o644);
        machine.place("/proc/meminfo", Kind::File, "MemTotal:        2014808 kB\nSwapTotal:        524284 kB\n", 0o444);
        for unit in ["ssh.service", "cron.service"] {
            machine.systemd.add(unit, true);
        }
        machine.accounts.push(Account {
            name: "root".into(),
            uid: 0,
            gid: 0,
            home: "/root".into(),
            shell: "/bin/bash".into(),
            groups: vec!["root".into()],
        });
        machine.programs.extend(
            [
                "ss",
                "systemctl",
                "dpkg",
                "dpkg-query",
                "find",
                "cp",
                "sync",
                "apt-get",
                "apt-cache",
                "sshd",
                "ss",
                "nproc",
                "useradd",
                "userdel",
                "runuser",
                "usermod",
                "chpasswd",
                "mkswap",
                "swapon",
                "swapoff",
                "rm",
                "rmdir",
                "hostname",
            ]
            .map(String::from),
        );
        machine.space = Space { free: 40 << 30, total: 50 << 30, files_free: 3 << 20, files: 3 << 20 };
        machine
    }

    /// Puts a file or directory of root's there, without logging.
    pub(crate) fn place(&mut self, path: impl AsRef<Path>, kind: Kind, content: &str, mode: u32) {
        let node = Node { kind, content: content.into(), size: content.len() as u64, access: Access::root(mode) };
        self.nodes.insert(path.as_ref().to_owned(), node);
    }

    /// Gives a name these texts in DNS, and no others.
    pub(crate) fn set_texts(&mut self, name: &str, texts: &[&str]) {
        let record = |data: &&str| Record { name: name.into(), kind: RecordType::Txt, ttl: 300, data: (*data).to_owned() };
        let answer = Answer { answers: texts.iter().map(record).collect(), ..Answer::default() };
        self.dns.insert(format!("{name} Txt"), answer);
    }

    /// Content of a file as text; empty if there is none.
    pub(crate) fn text(&self, path: impl AsRef<Path>) -> String {
        self.file(path.as_ref()).map(|content| String::from_utf8_lossy(content).into_owned()).unwrap_or_default()
    }

    pub(crate) fn has_program(&self, program: &str) -> bool {
        self.programs.contains(program)
    }

    pub(super) fn file(&self, path: &Path) -> Option<&[u8]> {
        self.nodes.get(path).filter(|node| node.kind == Kind::File).map(|node| node.content.as_slice())
    }

    pub(super) fn children(&self, dir: &Path) -> Vec<String> {
        let in_dir = self.nodes.keys().filter(|path| path.parent() == Some(dir));
        in_dir.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()).collect()
    }

    pub(super) fn put(&mut self, path: &Path, kind: Kind, content: &[u8], access: Access) -> Result<()> {
        let parent_exists = path.parent().is_some_and(|parent| self.nodes.get(parent).is_some_and(|node| node.kind == Kind::Directory));
        if !parent_exists {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(HostError::File { action: "write", path: path.to_owned(), source });
        }
        if kind == Kind::File && self.nodes.get(path).is_some_and(|node| node.kind == Kind::Directory) {
            return Err(HostError::File { action: "write", path: path.to_owned(), source: std::io::ErrorKind::IsADirectory.into() });
        }
        self.nodes.insert(path.to_owned(), Node { kind, content: content.to_owned(), size: content.len() as u64, access });
        Ok(())
    }

    pub(super) fn set_access(&mut self, path: &Path, access: Access) -> Result<()> {
        let missing = || HostError::File { action: "chmod", path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() };
        self.nodes.get_mut(path).ok_or_else(missing)?.access = access;
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Result<()> {
        let missing = || HostError::File { action: "rename", path: from.to_owned(), source: std::io::ErrorKind::NotFound.into() };
        let node = self.nodes.remove(from).ok_or_else(missing)?;
        self.nodes.insert(to.to_owned(), node);
        let below: Vec<_> = self.nodes.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in below {
            let moved = to.join(path.strip_prefix(from).unwrap_or(&path));
            let node = self.nodes.remove(&path);
            self.nodes.extend(node.map(|node| (moved, node)));
        }
        Ok(())
    }

    pub(super) fn resize(&mut self, path: &Path, bytes: u64) {
        if let Some(node) = self.nodes.get_mut(path) {
            node.size = bytes;
        }
    }

    pub(super) fn answer(&self, question: &Question) -> Answer {
        let server = question.server.map(|server| format!(" @{server}")).unwrap_or_default();
        let key = format!("{} {:?}{server}", question.name, question.kind);
        let nothing = || Answer { no_such_name: true, ..Answer::default() };
        self.dns.get(&key).cloned().or_else(|| super::linode::dns(&self.linode, question)).unwrap_or_else(nothing)
    }
}
