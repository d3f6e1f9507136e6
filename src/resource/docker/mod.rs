//! Docker, and the Compose project in `/opt/mastodon`.

pub mod digests;
mod image;
mod ready;
mod services;

pub use digests::Digests;
pub use image::Image;
pub use ready::DockerReady;
pub use services::Services;

use anyhow::ensure;

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

/// The container in which a service of the project runs, if it does. Told by labels: Compose itself answers nothing while a file of the
/// project is missing.
pub(crate) async fn running(host: &dyn Probe, service: &str) -> anyhow::Result<Option<String>> {
    let label = format!("label=com.docker.compose.service={service}");
    let filters = ["label=com.docker.compose.project=mastodon", "label=com.docker.compose.oneoff=False", "status=running", &label];
    let ps = filters.iter().fold(Cmd::new("docker").args(["ps", "--quiet"]), |ps, filter| ps.args(["--filter", filter]));
    let answer = host.query(&ps).await?;
    ensure!(answer.success(), "Docker does not list its containers: {}", answer.stderr.trim());
    Ok(answer.stdout.lines().next().map(|id| id.trim().to_owned()))
}
