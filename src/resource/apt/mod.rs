//! apt and dpkg: sources, index, packages. Signature checks are never switched off.

mod index;
mod installing;
mod key;
mod locks;
mod packages;
mod repository;
pub(crate) mod size;
mod sources;
mod upgrade;

use std::time::Duration;

pub use index::Index;
pub(crate) use locks::run_locked;
pub use packages::Packages;
pub use repository::{Key, Repository};
pub use upgrade::Upgrade;

use crate::host::{Cmd, HostError};

/// Where apt keeps the index of packages.
const LISTS: &str = "/var/lib/apt/lists";

/// `apt-get` with what every call needs: waits for dpkg's lock (silently, hence briefly: [`run_locked`] waits and tells), keeps configuration
/// files that were changed, tries downloads again. Where
/// IPv6 leads nowhere it needs no `Acquire::ForceIPv4`: apt tries the next address after 250 ms (`Acquire::ConnectionAttemptDelayMsec`).
pub(crate) fn apt_get() -> Cmd {
    let options = ["DPkg::Lock::Timeout=20", "Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold", "Acquire::Retries=3"];
    let cmd = Cmd::new("apt-get").timeout(Duration::from_hours(1)).args(["-q", "-y"]);
    options.into_iter().fold(cmd, |cmd, option| cmd.args(["-o", option]))
}

/// Last lines of a command that failed.
fn tail(error: &HostError) -> &[String] {
    match error {
        HostError::Failed { tail, .. } => tail,
        _ => &[],
    }
}
