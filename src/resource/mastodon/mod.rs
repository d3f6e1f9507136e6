//! Mastodon itself: its database and its owner. Rows are read by `psql`, which takes milliseconds; a Rails process is started only when
//! something must change.

mod database;
mod owner;
mod psql;

use std::time::Duration;

pub use database::Database;
pub use owner::{Owner, Seeds};

use super::docker::compose;
use crate::host::Cmd;

/// A one-off command of Mastodon's image: `rails` with these options of `compose run` before it.
fn rails<'a>(options: impl IntoIterator<Item = &'a str>, command: impl IntoIterator<Item = &'a str>) -> Cmd {
    let run = compose().args(["run", "--rm", "-T", "--no-deps"]).args(options);
    // Migrations between releases may take long (mastodon.md §0.3) and must not be torn.
    run.args(["web", "bundle", "exec", "rails"]).args(command).timeout(Duration::from_hours(6))
}
