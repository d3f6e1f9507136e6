//! Mastodon itself: its database and its owner. Rows are read by `psql`, which takes milliseconds; a Rails process is started only when
//! something must change.

mod content;
mod database;
mod dump;
mod owner;
mod psql;

use std::time::Duration;

use anyhow::anyhow;
use tokio::time::Instant;

pub use content::Content;
pub use database::Database;
pub use dump::{DUMPS, FinalDump};
pub use owner::{Owner, Seeds};

use super::docker::{api, compose};
use crate::host::{Cmd, Host, HostError};
use crate::report::WithRemedy;

/// How long a Rails process of an earlier run may take to its end.
const EARLIER: Duration = Duration::from_hours(1);

/// A one-off command of Mastodon's image: `rails` with these options of `compose run` before it.
fn rails<'a>(options: impl IntoIterator<Item = &'a str>, command: impl IntoIterator<Item = &'a str>) -> Cmd {
    let run = compose().args(["run", "--rm", "-T", "--no-deps"]).args(options);
    // Migrations between releases may take long (mastodon.md §0.3) and must not be torn.
    run.args(["web", "bundle", "exec", "rails"]).args(command).timeout(Duration::from_hours(6))
}

/// Waits until no Rails process of an earlier run works on the database. Its container outlives a run that was killed, and two at once would
/// load the schema into each other's. A stop ends the wait. One whose run was killed before it was started is removed: nobody else does.
async fn wait_for_earlier(host: &dyn Host) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let earlier = api::containers(host.probe()).await?.into_iter().filter(is_rails_of_ours);
        let (at_work, idle): (Vec<_>, Vec<_>) = earlier.partition(|container| container.state == "running");
        match at_work.first() {
            None if remove_unstarted(&idle, host).await? => return Ok(()),
            Some(at_work) if began.elapsed() > EARLIER => {
                return Err(anyhow!("a Rails process of an earlier run does not end: {}", at_work.command)).remedy(format!(
                    "look what it does (docker logs {id}), end it (docker stop {id}), then: sudo tootstrap install",
                    id = at_work.id
                ));
            }
            _ => {}
        }
        host.pause(Duration::from_secs(1)).await?;
    }
}

/// `false`: one of them was started at that moment, by a Compose that outlived its run, or has ended since.
async fn remove_unstarted(idle: &[api::Container], host: &dyn Host) -> anyhow::Result<bool> {
    const LATE: [&str; 3] = ["running container", "No such container", "is already in progress"];
    for container in idle.iter().filter(|container| container.state == "created") {
        match host.run(&Cmd::new("docker").args(["rm", &container.id])).await {
            Err(HostError::Failed { tail, .. }) if tail.iter().any(|line| LATE.iter().any(|late| line.contains(late))) => return Ok(false),
            removed => drop(removed?),
        }
    }
    Ok(true)
}

/// Made by [`rails`], which no operator's command is.
fn is_rails_of_ours(container: &api::Container) -> bool {
    let one_off = container.is_ours() && container.label("com.docker.compose.oneoff") == "True";
    one_off && ["rails db:", "rails runner -"].iter().any(|command| container.command.contains(command))
}
