//! `tootstrap plan`: what `install` would do.

use clap::Args;

use super::exit::{End, Exit, Trouble};
use super::follow::listing;
use super::prepare::{self, Ask, Prepared, Wishes};
use super::preview::Preview;

/// Show what install would change, and change nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap plan                        what differs on this server?
  sudo tootstrap plan --detailed-exitcode    the same for scripts: 3 if anything
  sudo tootstrap plan --domain example.org --email me@example.net --owner me")]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) wishes: Wishes,
    /// Tell every event as a line of JSON
    #[arg(long)]
    pub(super) json: bool,
    /// How many things are looked at at once
    #[arg(long, value_name = "N", default_value_t = super::install::JOBS)]
    pub(super) jobs: usize,
    /// Exit status 3 if something would change
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

impl Plan {
    pub(super) async fn run(self) -> End<Exit> {
        let redactor = prepare::redactor();
        let system = prepare::machine();
        let Prepared { facts, judged, .. } = prepare::prepare(&self.wishes, &system, &redactor, self.ask()).await?;
        let accepted = judged.map_err(|refusal| Trouble::refused(prepare::refused(&refusal)))?;
        let preview = Preview { system, facts, accepted, redactor, jobs: self.jobs, downloads: true };
        let counts = preview.run(vec![listing(self.json)]).await?.counts;
        Ok(match Exit::of_counts(&counts) {
            failed @ (Exit::Failed | Exit::Signal(_)) => failed,
            _ if self.detailed_exitcode && counts.pending + counts.unknown > 0 => Exit::Pending,
            Exit::Waiting if self.detailed_exitcode => Exit::Waiting,
            _ => Exit::Done,
        })
    }

    const fn ask(&self) -> Ask {
        if self.json { Ask::Never } else { Ask::OnTerminal }
    }
}
