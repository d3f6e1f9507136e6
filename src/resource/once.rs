//! Commands that are run once, and services that are told when their files have changed.

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;

use super::{Drift, Resource, stamp};
use crate::host::{Cmd, Host, Probe};

/// A command that runs once on a machine. A stamp in `/var/lib/tootstrap/stamps` remembers it.
pub struct Once {
    name: String,
    what: String,
    commands: Vec<Cmd>,
}

impl Once {
    /// `name` names the stamp and must be stable; `what` is the sentence of the preview, imperative: `upgrade all packages`.
    pub fn new(name: impl Into<String>, what: impl Into<String>, commands: impl IntoIterator<Item = Cmd>) -> Self {
        Self { name: name.into(), what: what.into(), commands: commands.into_iter().collect() }
    }
}

impl fmt::Display for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "once: {}", self.what)
    }
}

#[async_trait]
impl Resource for Once {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let done = stamp::read(host, &self.name).await?.is_some();
        Ok(if done { Drift::none() } else { Drift::to_do(&self.what) })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        for command in &self.commands {
            host.run(command).await?;
        }
        stamp::write(host, &self.name, "done").await
    }
}

/// Commands that make a service read its files again: run when the files differ from those of the last time.
pub struct Reload {
    name: String,
    service: String,
    files: Vec<PathBuf>,
    commands: Vec<Cmd>,
}

impl Reload {
    /// `name` names the stamp and must be stable; `service` is whom the files belong to: `sshd`.
    pub fn new(name: impl Into<String>, service: impl Into<String>, files: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        let files = files.into_iter().map(Into::into).collect();
        Self { name: name.into(), service: service.into(), files, commands: Vec::new() }
    }

    /// One more command, run after those before it: first the one that checks the files, then the one that reloads.
    #[must_use]
    pub fn run(mut self, command: Cmd) -> Self {
        self.commands.push(command);
        self
    }
}

impl fmt::Display for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reload of {}", self.service)
    }
}

#[async_trait]
impl Resource for Reload {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let now = stamp::fingerprint(host, &self.files).await?;
        let last = stamp::read(host, &self.name).await?;
        let current = last.is_some_and(|last| last == now);
        Ok(if current { Drift::none() } else { Drift::to_do(format!("make {} read its files again", self.service)) })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        // Taken before the commands: a file that changes meanwhile is noticed by the next check.
        let now = stamp::fingerprint(host.probe(), &self.files).await?;
        for command in &self.commands {
            host.run(command).await?;
        }
        stamp::write(host, &self.name, &now).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::host::{Access, Kind};

    const STAMP: [&str; 3] = [
        "make_dir /var/lib/tootstrap 755 0:0",
        "make_dir /var/lib/tootstrap/stamps 755 0:0",
        "write /var/lib/tootstrap/stamps/ssh-reload 644",
    ];

    fn reload() -> Reload {
        Reload::new("ssh/reload", "sshd", ["/etc/ssh/a.conf"]).run(Cmd::new("systemctl").args(["reload", "ssh.service"]))
    }

    fn machine() -> FakeHost {
        let host = FakeHost::debian();
        host.machine().systemd.add("ssh.service", true);
        host
    }

    #[tokio::test]
    async fn once_runs_once() {
        let host = machine();
        let once = Once::new("ssh/reload", "reload once", [Cmd::new("systemctl").args(["reload", "ssh.service"])]);
        assert_eq!(once.check(&host).await.unwrap(), Drift::to_do("reload once"));
        once.apply(&host).await.unwrap();
        assert_eq!(host.take_log(), [&["run systemctl reload ssh.service"], &STAMP[..]].concat());
        assert!(once.check(&host).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_command_that_fails_leaves_no_stamp() {
        let host = machine();
        host.fail_next("run systemctl reload");
        assert!(reload().apply(&host).await.is_err());
        assert!(!reload().check(&host).await.unwrap().is_empty());
        assert!(host.take_log().is_empty());
    }

    #[tokio::test]
    async fn a_crash_before_the_stamp_reloads_again() {
        let host = machine();
        host.fail_next("write /var/lib/tootstrap/stamps");
        assert!(reload().apply(&host).await.is_err());
        host.take_log();
        assert!(!reload().check(&host).await.unwrap().is_empty());
        reload().apply(&host).await.unwrap();
        assert_eq!(host.take_log(), ["run systemctl reload ssh.service", STAMP[2]]);
    }

    #[tokio::test]
    async fn a_changed_file_reloads() {
        let host = machine();
        host.machine().place("/etc/ssh/a.conf", Kind::File, "a", 0o644);
        reload().apply(&host).await.unwrap();
        assert!(reload().check(&host).await.unwrap().is_empty());
        host.write(&PathBuf::from("/etc/ssh/a.conf"), b"b", Access::root(0o644)).await.unwrap();
        assert_eq!(reload().check(&host).await.unwrap(), Drift::to_do("make sshd read its files again"));
    }
}
