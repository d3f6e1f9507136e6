//! apt and dpkg: sources, index, packages. Signature checks are never switched off.

mod index;
mod key;
mod packages;
mod repository;
pub(crate) mod size;
mod sources;
mod upgrade;

use std::time::Duration;

pub use index::Index;
pub use packages::Packages;
pub use repository::{Key, Repository};
pub use upgrade::Upgrade;

use crate::host::{Cmd, Host, HostError, Output, Result};

/// Where apt keeps the index of packages.
const LISTS: &str = "/var/lib/apt/lists";
/// How long somebody else may hold dpkg's and apt's locks: first boots run long upgrades.
const PATIENCE_WITH_LOCKS: Duration = Duration::from_mins(20);
/// How often it tries again meanwhile.
const TRY_LOCK_EVERY: Duration = Duration::from_secs(2);

/// `apt-get` with what every call needs: waits for dpkg's lock, keeps configuration files that were changed, tries downloads again. Where
/// IPv6 leads nowhere it needs no `Acquire::ForceIPv4`: apt tries the next address after 250 ms (`Acquire::ConnectionAttemptDelayMsec`).
pub(crate) fn apt_get() -> Cmd {
    let options = ["DPkg::Lock::Timeout=600", "Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold", "Acquire::Retries=3"];
    let cmd = Cmd::new("apt-get").timeout(Duration::from_hours(1)).args(["-q", "-y"]);
    options.into_iter().fold(cmd, |cmd, option| cmd.args(["-o", option]))
}

/// Runs a command of apt or dpkg, waiting while somebody else holds one of their locks.
///
/// `DPkg::Lock::Timeout` covers dpkg's front-end lock only, not those of the index and the archive; asking whether a lock is free and
/// then running would be a race. So the command is run, and run again if it says that a lock is held.
pub(crate) async fn run_locked(host: &dyn Host, cmd: &Cmd) -> Result<Output> {
    let began = tokio::time::Instant::now();
    loop {
        match host.run(cmd).await {
            Err(error) if is_locked(&error) && began.elapsed() < PATIENCE_WITH_LOCKS => tokio::time::sleep(TRY_LOCK_EVERY).await,
            done => return done,
        }
    }
}

fn is_locked(error: &HostError) -> bool {
    let said =
        ["Could not get lock", "Unable to acquire the dpkg frontend lock", "Unable to lock directory", "is locked by another process"];
    tail(error).iter().any(|line| said.iter().any(|text| line.contains(text)))
}

/// Last lines of a command that failed.
fn tail(error: &HostError) -> &[String] {
    match error {
        HostError::Failed { tail, .. } => tail,
        _ => &[],
    }
}
