//! Whether a container that Docker calls starting is healthy already.
//!
//! Docker runs a container's test for the first time when a whole interval has passed; engines before 25 know no shorter one for the start.
//! So it is run here, as Docker would.

use std::time::Duration;

use super::api::{self, Container};
use crate::host::{Cmd, HostError, Probe};

/// As long as `compose.yaml` gives each test.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Whether the container passes its own test now. One without a test does not.
///
/// # Errors
/// Docker does not answer as documented, or the run is told to stop.
pub(super) async fn passes(host: &dyn Probe, container: &Container) -> anyhow::Result<bool> {
    let test = api::health_test(host, &container.id).await?;
    let words: Vec<&str> = test.iter().map(String::as_str).collect();
    let exec = Cmd::new("docker").args(["exec", container.id.as_str()]).timeout(TIMEOUT);
    let exec = match words.as_slice() {
        ["CMD", argv @ ..] => exec.args(argv.iter().copied()),
        ["CMD-SHELL", line] => exec.args(["/bin/sh", "-c", line]),
        _ => return Ok(false),
    };
    match host.query(&exec).await {
        Ok(answer) => Ok(answer.success()),
        Err(HostError::TimedOut { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
