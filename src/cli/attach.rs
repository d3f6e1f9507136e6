//! `tootstrap attach`: look on again.

use std::path::Path;

use clap::Args;

use super::exit::{End, Exit};
use super::{follow, lock, need_root};
use crate::report::journal;

/// Show the installation that is under way, from its beginning to its end
///
/// Ctrl-C ends only the watching. If nothing is under way, the latest run is shown as it ended.
///
/// Exit status: that of the run; 128+n if the watching was ended by signal n.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap attach")]
pub(super) struct Attach {
    /// Tell every event as a line of JSON
    #[arg(long)]
    json: bool,
}

impl Attach {
    pub(super) async fn run(self) -> End<Exit> {
        need_root()?;
        let holder = lock::holder(Path::new(lock::PATH))?;
        follow::run(Path::new(journal::PATH), holder.as_deref(), follow::renderer(self.json)).await
    }
}
