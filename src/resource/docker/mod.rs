//! Docker, and the Compose project in `/opt/mastodon`.

mod absent;
pub(crate) mod api;
mod append_only;
pub mod digests;
mod health;
mod image;
mod known;
mod login;
pub mod metadata;
mod networks;
mod pull;
mod pulls;
mod ready;
pub(crate) mod registry;
mod services;
mod stores;

pub use absent::Absent;
pub use digests::Digests;
pub use image::Image;
pub use metadata::MetadataShut;
pub(crate) use networks::BRIDGE;
pub use networks::Networks;
pub use pulls::{PullsBegun, PullsSynced};
pub use ready::DockerReady;
pub use services::{Services, remember_definitions};
pub use stores::Stores;

use crate::host::{Cmd, Probe};

/// Where the Compose project lies.
pub const PROJECT: &str = "/opt/mastodon";

/// `docker compose` on our project. Without `-f`, so that `compose.override.yaml` counts too.
pub(crate) fn compose() -> Cmd {
    Cmd::new("docker").args(["compose", "--project-directory", PROJECT])
}

/// Whether Docker's client is installed. On a bare machine everything of Docker's is still to be done.
pub(crate) async fn installed(host: &dyn Probe) -> bool {
    host.which("docker").await.is_some()
}

/// The container in which a service of the project runs, if it does. Docker is asked: Compose itself answers nothing while a file of the
/// project is missing.
pub(crate) async fn running(host: &dyn Probe, service: &str) -> anyhow::Result<Option<String>> {
    let containers = api::containers(host).await?;
    Ok(containers.into_iter().find(|container| container.service() == Some(service) && container.state == "running").map(|found| found.id))
}
