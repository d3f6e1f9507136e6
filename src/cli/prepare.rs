//! What `install` and `plan` do before anything else: look at the machine, put the settings together, judge them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::exit::{End, Trouble};
use super::need_root;
use super::questions::{self, Decision};
use crate::clock;
use crate::facts::{self, Facts};
use crate::host::Probe;
use crate::host::system::System;
use crate::report::{Problem, Redactor, WithRemedy};
use crate::resource::docker::digests;
use crate::run::Stop;
use crate::secrets;
use crate::settings::{self, Accepted, Given, Key, Options, RECORDED, Refusal, SecretEnv};

/// Where settings come from.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Wishes {
    #[command(flatten)]
    pub(super) options: Options,
    /// More settings in TOML, as in /etc/tootstrap/settings.toml; flags and environment win
    #[arg(long, value_name = "FILE")]
    pub(super) settings: Option<PathBuf>,
    /// Settings that go back to their default, whatever is recorded
    #[arg(skip)]
    pub(super) cleared: Vec<&'static Key>,
    /// The mail relay's password, if it came another way than by file or environment
    #[arg(skip)]
    pub(super) smtp_password: Option<SecretString>,
}

/// Whether what is missing is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    OnTerminal,
    Never,
}

/// Good settings for this machine, or why not.
pub(super) struct Prepared {
    pub(super) facts: Facts,
    pub(super) given: Given,
    pub(super) judged: Result<Accepted, Refusal>,
}

/// The machine, for looking and for what the settings need. Signals end this process as usual.
pub(super) fn machine() -> System {
    System::new(Stop::default())
}

/// Looks at the machine and judges the settings. Nothing is changed.
///
/// # Errors
/// A machine that is not supported or has lost its secrets, or a file of settings that cannot be understood.
pub(super) async fn prepare(wishes: &Wishes, system: &System, redactor: &Redactor, ask: Ask) -> End<Prepared> {
    need_root()?;
    records_are_whole(system).await?;
    clock::is_right(system, Timestamp::now()).await.map_err(Trouble::refused)?;
    examine(wishes, system, redactor, ask).await
}

/// Records that cannot be made again are refused before anything is asked or begun if they are damaged or of a newer version; so is a
/// database without the secrets that it was made with, and an installed server without its database.
async fn records_are_whole(probe: &dyn Probe) -> End<()> {
    secrets::load(probe).await.map(drop).map_err(Trouble::refused)?;
    digests::recorded(probe).await.map(drop).map_err(Trouble::refused)
}

async fn examine(wishes: &Wishes, system: &System, redactor: &Redactor, ask: Ask) -> End<Prepared> {
    let facts = look(system).await.map_err(Trouble::refused)?;
    let mut secrets = SecretEnv::read();
    secrets.smtp_password = wishes.smtp_password.clone().or(secrets.smtp_password);
    let gathered = settings::gather(wishes.options.clone(), secrets, wishes.settings.as_deref(), system).await;
    let mut given = gathered.map_err(Trouble::refused)?;
    wishes.cleared.iter().for_each(|key| key.clear(&mut given.options));
    if ask == Ask::OnTerminal {
        match questions::on_terminal(&mut given, facts.linode, system).await? {
            Decision::GoOn => {}
            Decision::End => return Err(Trouble::refused(Problem::new(anyhow!("ended as you wished"), "nothing needs to be done"))),
        }
    }
    for secret in given.token.iter().chain(&given.smtp_password) {
        redactor.hide(&secret.expose_secret().trim().into());
    }
    let judged = settings::resolve(&given, &facts, system).await;
    Ok(Prepared { facts, given, judged })
}

/// The facts, and that systemd runs here.
pub(super) async fn look(probe: &dyn Probe) -> anyhow::Result<Facts> {
    let facts = facts::gather(probe).await?;
    if probe.stat(Path::new("/run/systemd/system")).await?.is_none() {
        return Err(anyhow!("systemd does not run here: this is a container or another init system"))
            .remedy("use a virtual or real machine with Debian as it is delivered");
    }
    Ok(facts)
}

/// A redactor that the log uses too.
pub(super) fn redactor() -> Arc<Redactor> {
    let redactor = Arc::new(Redactor::default());
    super::logging::to_terminal(Arc::clone(&redactor));
    redactor
}

/// What is installed here, as recorded.
///
/// # Errors
/// Nothing is recorded (a file that the operator put there is no record), or it cannot be understood any more.
pub(super) async fn recorded(system: &System, redactor: &Redactor) -> End<Prepared> {
    need_root()?;
    let prepared = examine(&Wishes::default(), system, redactor, Ask::Never).await?;
    if !prepared.given.is_recorded() && prepared.given.installed {
        let lost = Err(anyhow!("a server is installed here, but {} does not say what it was made from", settings::RECORDED));
        return lost
            .remedy("put it back from a backup, or run `sudo tootstrap install` with the same settings as at first")
            .map_err(Trouble::failed);
    }
    if !prepared.given.is_recorded() {
        return Err(nothing_here());
    }
    Ok(prepared)
}

/// Refuses whoever is not root, and a machine where no Mastodon was ever set up by this program.
pub(super) async fn installed(probe: &dyn Probe) -> End<()> {
    need_root()?;
    for path in [RECORDED, "/opt/mastodon/compose.yaml"] {
        if probe.stat(Path::new(path)).await?.is_none() {
            return Err(nothing_here());
        }
    }
    Ok(())
}

pub(super) fn nothing_here() -> Trouble {
    let nothing = Problem::new(anyhow!("tootstrap has not installed anything here yet"), "begin with an installation");
    Trouble { go_on: Some("sudo tootstrap install".into()), ..Trouble::refused(nothing) }
}

/// A refusal as an error.
pub(super) fn refused(refusal: &Refusal) -> anyhow::Error {
    anyhow!("this cannot be done:\n\n{refusal}")
}

/// The path of this program, for units that start it.
pub(super) fn this_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot find out where this program is")
}

#[cfg(test)]
mod tests;
