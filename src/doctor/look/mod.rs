//! Looking: everything at once, and nothing that does not answer holds up the rest.

mod containers;
mod network;
mod system;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

use super::Seen;
use crate::host::{Cmd, Probe};
use crate::settings::{Images, Settings};

/// For each command: a machine in trouble may not answer at all.
const LIMIT: Duration = Duration::from_secs(20);

/// Looks at the machine and its surroundings. `settings`: what is installed, if anything is. What comparing the machine with its record says
/// (`steps`, `last_run`) is for the caller to add.
pub async fn look(host: &dyn Probe, settings: Option<&Settings>) -> Seen {
    let site = settings.map(|settings| settings.site.to_string());
    let behind_proxy = settings.is_some_and(|settings| settings.behind_proxy);
    let mut seen = Seen { at: Timestamp::now(), site, behind_proxy, ..Seen::default() };
    let (system, containers, network) =
        tokio::join!(system::look(host, settings), containers::look(host, seen.at), network::look(host, settings, seen.at));
    system.into_seen(&mut seen);
    containers.into_seen(&mut seen);
    network.into_seen(&mut seen);
    seen.newer = settings.and_then(|settings| newer(&settings.images.mastodon_version));
    seen
}

/// The version that this program would install, if that is newer than the one that is here.
fn newer(here: &str) -> Option<String> {
    let number = |version: &str| version.trim_start_matches('v').split('.').map(str::parse).collect::<Result<Vec<u32>, _>>().ok();
    let known = Images::default().mastodon_version;
    (number(&known)? > number(here)?).then(|| format!("{known} (here: {here})"))
}

/// What a command prints. `None`: it is not there, fails or does not end; the log of this program says which.
async fn ask(host: &dyn Probe, cmd: Cmd) -> Option<String> {
    match host.query(&cmd.timeout(LIMIT)).await {
        Ok(output) if output.success() => Some(output.stdout),
        Ok(output) => {
            log::info!("a look ended with status {}: {}", output.status, output.stderr.trim());
            None
        }
        Err(error) => {
            log::info!("a look was not possible: {error}");
            None
        }
    }
}

/// A file; empty if there is none or it cannot be read.
async fn text(host: &dyn Probe, path: &str) -> String {
    match host.read_text(std::path::Path::new(path)).await {
        Ok(text) => text.unwrap_or_default(),
        Err(error) => {
            log::info!("a look was not possible: {error}");
            String::new()
        }
    }
}
