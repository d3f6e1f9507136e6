//! `tootstrap install`: make it so.
//!
//! The work is done by a transient systemd unit (`tootstrap work`), so a closed window or a lost connection does not matter: this process
//! only watches. Settings and secrets reach the unit through an inherited pipe, never through its environment or a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{End, Exit, Trouble};
use super::follow::{self, EVERY, Watch, renderer};
use super::prepare::{self, Ask, Prepared, Wishes};
use super::{answers, closing, lock, logging, plan, tell, tell_error, tracing};
use crate::host::system::System;
use crate::host::{Cmd, Host, HostError, Probe};
use crate::report::{Counts, Follower, Journal, Made, Problem, WithRemedy, journal, made, part};
use crate::settings::{Handover, Settings};

/// How many steps run at once unless told otherwise. Most of them wait for the network or the disk.
pub(super) const JOBS: usize = 8;

/// The unit that does the work.
const UNIT: &str = "tootstrap-work.service";

/// Make this machine a Mastodon server, or repair it; what is right already stays untouched
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap install              asks on the terminal for what is missing
  sudo tootstrap install --dry-run    what would change?
  sudo tootstrap install --domain example.org --email me@example.net --owner me")]
pub(super) struct Install {
    #[command(flatten)]
    wishes: Wishes,
    /// The same as `tootstrap plan`: show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Tell every event as a line of JSON
    #[arg(long)]
    json: bool,
    /// How many steps run at once
    #[arg(long, value_name = "N", default_value_t = JOBS)]
    jobs: usize,
    /// Write a Chrome trace of steps, commands and waits there, critical path marked (for ui.perfetto.dev)
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    trace: Option<PathBuf>,
    /// Go on with the recorded settings after a restart of the machine (used by tootstrap-resume.service)
    #[arg(long, hide = true)]
    resume: bool,
}

impl Install {
    pub(super) async fn run(self) -> End<Exit> {
        if self.dry_run {
            return plan::Plan { wishes: self.wishes, json: self.json, jobs: self.jobs, detailed_exitcode: false }.run().await;
        }
        super::need_root()?;
        let _alone = lock::begin()?;
        let redactor = prepare::redactor();
        let system = prepare::machine();
        let ask = if self.json || self.resume { Ask::Never } else { Ask::OnTerminal };
        let Prepared { facts, given, judged } = prepare::prepare(&self.wishes, &system, &redactor, ask).await?;
        let accepted = match judged {
            Ok(accepted) => accepted,
            Err(refusal) => return Err(answers::keep(&refusal, given, &system).await),
        };
        let trace = match &self.trace {
            Some(path) => Some(tracing::begin(path, &system).await.map_err(Trouble::refused)?),
            None => None,
        };
        let mut handover = Handover::new(&accepted.settings, &facts, self.jobs, accepted.notes.clone());
        handover.trace.clone_from(&trace);
        let exit = carry_out(&handover, &system, self.json).await?;
        if let Some(path) = trace {
            tell_error(&tracing::end(&path, &system).await);
        }
        if matches!(exit, Exit::Done | Exit::Waiting) && !self.json {
            close(&accepted.settings, &system, exit).await;
        }
        Ok(exit)
    }
}

/// The lists that the work adds to are made, or put aside if they are damaged, before anybody reads or writes them. Those of a newer version
/// are refused.
fn begin_lists() -> End<()> {
    let begun = Journal::open(Path::new(journal::PATH)).map(drop).and_then(|()| Made::open(Path::new(made::PATH)).map(drop));
    match begun {
        Err(newer) if newer.kind() == std::io::ErrorKind::InvalidData => {
            let newer = Err(newer).remedy("use the newer tootstrap that wrote it, or move that file away: it is only read, never needed");
            newer.map_err(Trouble::refused)
        }
        Err(error) => Err(Trouble::failed(anyhow!(error).context("cannot begin the records of this run"))),
        Ok(()) => Ok(()),
    }
}

async fn close(settings: &Settings, system: &System, exit: Exit) {
    if exit == Exit::Waiting && settings.behind_proxy {
        match closing::for_the_web_server(settings) {
            Ok(words) => tell(&words),
            Err(error) => tell_error(&format!("tootstrap: {error:#}")),
        }
    }
    match told(settings, system).await {
        Ok(words) => tell(&words),
        Err(error) => tell_error(&format!("tootstrap: cannot tell where the passwords are: {error:#}")),
    }
}

async fn told(settings: &Settings, system: &System) -> anyhow::Result<String> {
    closing::words(settings, system, &journal::latest_run(Path::new(journal::PATH))?).await
}

/// Makes the machine as what is handed over says, and tells how that goes.
pub(super) async fn carry_out(handover: &Handover, system: &System, json: bool) -> End<Exit> {
    begin_lists()?;
    work(handover, system, json).await
}

/// Starts the unit and watches it to its end.
async fn work(handover: &Handover, system: &System, json: bool) -> End<Exit> {
    let mut watch = Watch::new(Follower::from_end(Path::new(journal::PATH))?, vec![renderer(json)]);
    let unit = start(handover, system)?;
    let mut unit = std::pin::pin!(unit);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut again = tokio::time::interval(EVERY);
    let mut interrupted = false;
    let ended = loop {
        tokio::select! {
            ended = &mut unit => break ended,
            _ = again.tick() => watch.look()?,
            _ = interrupt.recv() => {
                interrupted = true;
                ask_to_stop(system).await;
            }
            _ = terminate.recv() => return Ok(leave()),
        }
    };
    watch.look()?;
    let begun = watch.begun;
    let counts = watch.end().await?;
    match ended {
        Ok(()) => Ok(Exit::Done),
        Err(HostError::Failed { status, .. }) if begun && !explains(counts.as_ref(), status) => {
            let why = format!("{UNIT} ended with status {status}{}", how_it_ended(system).await);
            Err(cut_short(&why, Exit::of_code(status)))
        }
        Err(HostError::Failed { status, .. }) if begun => Ok(match Exit::of_code(status) {
            // The unit was sent SIGTERM for the SIGINT that came here.
            Exit::Signal(15) if interrupted => Exit::Signal(2),
            exit => exit,
        }),
        Err(HostError::Failed { status, tail, .. }) => Err(Trouble::ended(Exit::of_code(status), not_begun(&tail))),
        Err(error) => Err(Trouble::failed(anyhow!(error).context("the work could not be watched"))),
    }
}

/// Whether the run's last event tells why its unit ended with this status. Killed after that event, it did not write down that it is complete.
fn explains(counts: Option<&Counts>, status: i32) -> bool {
    counts.is_some_and(|counts| Exit::of_counts(counts) == Exit::of_code(status))
}

/// What systemd said about the end of the unit, to go after its status: `systemd-run` tells of a signal only as status 1.
async fn how_it_ended(system: &System) -> String {
    let show = ["--quiet", "--no-pager", "--output=cat", "--since=-1min", "--unit", UNIT];
    match system.query(&Cmd::new("journalctl").args(show)).await {
        Ok(output) => cause(&output.stdout),
        Err(error) => {
            log::warn!("cannot read why {UNIT} ended: {error}");
            String::new()
        }
    }
}

fn cause(said: &str) -> String {
    let about = |line: &&str| line.contains("Main process exited") || line.contains("killed by the OOM killer");
    let line = said.lines().rev().find(about).map(|line| line.trim_start_matches(UNIT).trim_start_matches(": "));
    line.map(|line| format!(" ({line})")).unwrap_or_default()
}

/// The worker is gone without its last event, or without what follows it, so nobody else says anything.
pub(super) fn cut_short(why: &str, exit: Exit) -> Trouble {
    let look = format!("look at `journalctl -u {}` and {} if this was not you", UNIT.trim_end_matches(".service"), logging::WORK_LOG);
    let error = Problem::new(anyhow!("the work was interrupted\n{}", part("why", why).trim_end()), look);
    Trouble { go_on: Some("sudo tootstrap install (what is done is not done again)".into()), ..Trouble::ended(exit, error) }
}

fn not_begun(tail: &[String]) -> anyhow::Error {
    // The lock's file can be lost (it lies in /run); the unit's name is taken all the same.
    if tail.iter().any(|line| line.contains(UNIT) && line.contains("already")) {
        return lock::busy(UNIT);
    }
    anyhow!("the work could not begin\n    {}\n  details in {} and `journalctl -u {UNIT}`", tail.join("\n    "), logging::WORK_LOG)
}

/// The transient unit. It does not wait for the boot to be complete (it may be part of it), and a stop asks only the main process, so that
/// dpkg is not torn in half.
fn start(handover: &Handover, system: &System) -> anyhow::Result<impl Future<Output = Result<(), HostError>>> {
    let program = prepare::this_program()?.into_os_string().into_string();
    let program = program.map_err(|path| anyhow!("{} is no UTF-8 path", path.display())).remedy("move tootstrap to /usr/local/bin")?;
    let run = Cmd::new("systemd-run")
        .args(["--quiet", "--pipe", "--wait", "--collect", "--unit", UNIT])
        .args(["--description", "tootstrap at work"])
        // How much is logged, as this process was told.
        .args(logging::level().map(|level| format!("--setenv={}={level}", logging::LEVEL)))
        .args(["--property=Type=exec", "--property=KillMode=mixed", "--property=TimeoutStopSec=15min", "--"])
        .args([program.as_str(), "work"])
        // Debian 11's systemd-run colours its errors wherever they go, unless told by the second one.
        .env("SYSTEMD_COLORS", "0")
        .env("SYSTEMD_LOG_COLOR", "0")
        .stdin(handover.to_secret().context("cannot hand over the settings")?)
        .timeout(Duration::from_hours(24));
    let system = system.clone();
    Ok(async move { system.run(&run).await.map(drop) })
}

/// Only the watching ends.
fn leave() -> Exit {
    tell_error(follow::GOES_ON);
    Exit::Signal(15)
}

/// The first time what runs is finished, the second time it is ended.
async fn ask_to_stop(system: &System) {
    tell_error("tootstrap: stopping; what is under way is finished first (again: it is ended)");
    let show = Cmd::new("systemctl").args(["show", "--property=MainPID", "--value", UNIT]);
    let output = system.query(&show).await.map(|output| output.stdout).unwrap_or_default();
    let Some(pid) = output.trim().parse().ok().filter(|pid| *pid > 0) else { return };
    if let Err(errno) = kill(Pid::from_raw(pid), Signal::SIGTERM) {
        tell_error(&format!("tootstrap: cannot stop process {pid}: {errno}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_worker_is_told_in_five_parts() {
        let said = "tootstrap-work.service: Main process exited, code=killed, status=9/KILL\n\
                    tootstrap-work.service: Failed with result 'signal'.\n";
        let why = format!("{UNIT} ended with status 1{}", cause(said));
        let expected = "tootstrap: the work was interrupted\n  \
            why       tootstrap-work.service ended with status 1 (Main process exited,\n            \
                      code=killed, status=9/KILL)\n  \
            done      what is done is done, and stays so\n  \
            do        look at `journalctl -u tootstrap-work` and /var/log/tootstrap.log\n            \
                      if this was not you\n  \
            go on     sudo tootstrap install (what is done is not done again)\n";
        assert_eq!(crate::cli::complaint(&cut_short(&why, Exit::Failed), "set"), expected);
        assert_eq!(cause("Started tootstrap at work.\n"), "");
    }

    #[test]
    fn a_worker_killed_after_its_last_event_is_told_as_well() {
        let counts = |failed, stopped, waiting| Counts { waiting, failed, stopped, ..Counts::default() };
        for (counts, status, told) in [
            (Some(counts(0, 0, 0)), 1, false),
            (Some(counts(0, 0, 1)), 1, false),
            (Some(counts(0, 0, 1)), 4, true),
            (Some(counts(1, 0, 0)), 1, true),
            (Some(counts(0, 1, 0)), 143, true),
            (None, 1, false),
        ] {
            assert_eq!(explains(counts.as_ref(), status), told, "{counts:?}, {status}");
        }
    }

    #[test]
    fn a_unit_that_is_there_already_is_another_run() {
        for why in ["already exists.", "was already loaded or has a fragment file."] {
            let error = not_begun(&[format!("Failed to start transient service unit: Unit tootstrap-work.service {why}")]);
            assert_eq!(error.to_string(), "another tootstrap is at work: tootstrap-work.service");
            assert!(crate::report::Problem::remedy_of(&error).is_some_and(|remedy| remedy.contains("sudo tootstrap attach")));
        }
        assert!(not_begun(&["Failed to connect to bus".into()]).to_string().contains("Failed to connect to bus"));
    }
}
