//! A small simulated Debian for tests, and a strict one.
//!
//! An unknown command is an error that names it; a command that changes something is refused by `query`. Each area simulates its own
//! programs in a file here ([`Program`]) on the shared [`Machine`]. Trouble is injected with [`FakeHost::fail_next`].

pub(crate) mod accounts;
pub(crate) mod apt;
mod calls;
pub(crate) mod docker;
mod inspection;
pub(crate) mod linode;
mod machine;
mod netfilter;
mod proxy;
pub(crate) mod registry;
mod relay;
pub(crate) mod ssh;
pub(crate) mod systemd;
pub(crate) mod ufw;
mod uplink;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

pub(crate) use machine::{Machine, Node};
pub(crate) use proxy::FakeProxy;
pub(crate) use relay::FakeRelay;

use super::{Access, Cmd, Host, HostError, Kind, Output, Probe, Request, Response, Result, Stdin};
use crate::run::Stop;

/// Simulates one program: `None` means "not a command of mine". `changes` of the reply says whether it changed (or would have changed)
/// the machine.
pub(crate) type Program = fn(&mut Machine, &Cmd) -> Option<Reply>;

/// Simulates one service reached over HTTP. Status 0: the exchange fails.
pub(crate) type Site = fn(&mut Machine, &Request) -> Option<Response>;

/// A site's answer that never arrives, though the site has done what it was asked.
pub(crate) const LOST: Response = Response { status: 0, headers: Vec::new(), body: Vec::new() };

/// A site that does not let the connection over TLS come about.
pub(crate) const NO_TLS: Response = Response { status: 1, headers: Vec::new(), body: Vec::new() };

/// What a simulated program did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) output: Output,
    pub(crate) changes: bool,
}

impl Reply {
    /// A command that only reads.
    pub(crate) fn read(stdout: impl Into<String>) -> Self {
        Self { output: Output { stdout: stdout.into(), ..Output::default() }, changes: false }
    }

    /// A command that changes something.
    pub(crate) fn changed(stdout: impl Into<String>) -> Self {
        Self { changes: true, ..Self::read(stdout) }
    }

    /// With this exit status and standard error.
    pub(crate) fn status(mut self, status: i32, stderr: impl Into<String>) -> Self {
        self.output.status = status;
        self.output.stderr = stderr.into();
        self
    }
}

/// What may happen at a mutation.
#[derive(Clone)]
pub(crate) enum Trouble {
    /// It fails instead of happening.
    Fail,
    /// A signal arrives just before it.
    Stop(Stop),
    /// The process is killed just before it: neither this nor anything later happens, until [`FakeHost::trouble_ends`].
    Kill,
}

impl std::fmt::Debug for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fail => "Fail",
            Self::Stop(_) => "Stop",
            Self::Kill => "Kill",
        })
    }
}

/// Every area's programs. A new area adds its function here.
#[rustfmt::skip]
const PROGRAMS: &[Program] = &[
    uplink::ip,
    accounts::programs,
    systemd::systemctl,
    apt::dpkg,
    docker::programs,
    inspection::programs,
    apt::apt,
    apt::find,
    ssh::programs,
    ufw::programs,
    netfilter::programs,
];

/// Every simulated site. A new one adds its function here.
const SITES: &[Site] = &[
    uplink::time,
    apt::mirror,
    uplink::metadata,
    linode::site,
    docker::daemon,
    docker::admin,
    proxy::site,
    inspection::site,
    docker::site,
    registry::site,
];

/// The simulated machine, shared by all clones.
#[derive(Clone, Default)]
pub(crate) struct FakeHost {
    machine: Arc<Mutex<Machine>>,
    stop: Stop,
}

impl FakeHost {
    /// A bare Debian 11 as a provider delivers it.
    pub(crate) fn debian() -> Self {
        Self { machine: Arc::new(Mutex::new(Machine::debian())), stop: Stop::default() }
    }

    /// Its pauses end when this says drain, and no command ends well once it says kill.
    pub(crate) fn stopped_by(self, stop: &Stop) -> Self {
        Self { stop: stop.clone(), ..self }
    }

    /// The state, to arrange or to look at.
    pub(crate) fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Everything that was changed so far, in order: `write /etc/motd 644`, `run useradd alice`, `POST https://…`. Empties the log.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.machine().log)
    }

    /// The next mutation whose log line contains `text` fails instead of happening.
    pub(crate) fn fail_next(&self, text: impl Into<String>) {
        self.machine().trouble.push(text.into());
    }

    /// Counted from now, the mutation with this number (from 0) meets trouble.
    pub(crate) fn trouble_at(&self, number: usize, trouble: Trouble) {
        self.machine().trouble_at = Some((number, trouble));
    }

    /// No trouble from now on.
    pub(crate) fn trouble_ends(&self) {
        self.machine().trouble_at = None;
    }

    fn mutate(&self, line: String) -> Result<MutexGuard<'_, Machine>> {
        let mut machine = self.machine();
        match machine.trouble_at.take() {
            Some((0, Trouble::Fail)) => return Err(HostError::Refused(format!("injected trouble: {line}"))),
            Some((0, Trouble::Stop(stop))) => stop.request(),
            Some((0, Trouble::Kill)) => {
                machine.trouble_at = Some((0, Trouble::Kill));
                return Err(HostError::Refused(format!("killed before: {line}")));
            }
            Some((number, trouble)) => machine.trouble_at = Some((number - 1, trouble)),
            None => {}
        }
        if let Some(index) = machine.trouble.iter().position(|text| line.contains(text.as_str())) {
            machine.trouble.remove(index);
            return Err(HostError::Refused(format!("injected trouble: {line}")));
        }
        machine.log.push(line);
        Ok(machine)
    }

    fn simulate(machine: &mut Machine, cmd: &Cmd) -> Result<Reply> {
        if !machine.has_program(&cmd.program) {
            return Err(HostError::Missing { program: cmd.program.clone() });
        }
        PROGRAMS
            .iter()
            .find_map(|program| program(machine, cmd))
            .ok_or_else(|| HostError::Refused(format!("the fake host does not know `{cmd}`")))
    }

    /// As on the real machine: what a killed command has asked for (a daemon, say) may happen all the same.
    fn until_killed(&self, machine: &mut Machine, cmd: &Cmd) -> Result<Reply> {
        let reply = Self::simulate(machine, cmd)?;
        if self.stop.killing() { Err(HostError::Stopped) } else { Ok(reply) }
    }

    fn exchange(machine: &mut Machine, request: &Request) -> Result<Response> {
        let response = SITES
            .iter()
            .find_map(|site| site(machine, request))
            .ok_or_else(|| HostError::Refused(format!("the fake host does not know {:?} {}", request.method, request.url)))?;
        let lost = |reason: &str, perhaps_done| {
            Err(HostError::Http { url: request.url.clone(), reason: reason.into(), perhaps_done, untrusted: false })
        };
        match response.status {
            status if status == LOST.status => lost("timed out", true),
            status if status == NO_TLS.status => lost("received fatal alert: InternalError", false),
            _ => Ok(response),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unknown_command_is_an_error_that_names_it() {
        let host = FakeHost::debian();
        host.machine().programs.insert("frobnicate".into());
        let error = host.run(&Cmd::new("frobnicate").arg("--now")).await.unwrap_err();
        assert_eq!(error.to_string(), "the fake host does not know `frobnicate --now`");
    }

    #[tokio::test]
    async fn a_program_that_is_not_installed_is_missing() {
        let error = FakeHost::debian().query(&Cmd::new("docker").arg("ps")).await.unwrap_err();
        assert_eq!(error.to_string(), "docker is not installed");
    }

    #[tokio::test]
    async fn writing_needs_the_directory() {
        let host = FakeHost::debian();
        let path = Path::new("/opt/mastodon/compose.yaml");
        assert!(host.write(path, b"x", Access::root(0o644)).await.is_err());
        host.make_dir(Path::new("/opt/mastodon"), Access::root(0o755)).await.unwrap();
        host.write(path, b"x", Access::root(0o644)).await.unwrap();
        assert_eq!(host.read(path).await.unwrap().unwrap(), b"x");
    }

    #[tokio::test]
    async fn injected_trouble_happens_once_and_changes_nothing() {
        let host = FakeHost::debian();
        host.fail_next("write /etc/motd");
        let path = Path::new("/etc/motd");
        assert!(host.write(path, b"x", Access::root(0o644)).await.is_err());
        assert_eq!(host.read(path).await.unwrap(), None);
        assert!(host.write(path, b"x", Access::root(0o644)).await.is_ok());
    }
}
