//! The kinds of thing that a machine can have, one file a kind.
//!
//! Adding a kind is one file here and its table of tests: *state of the fake host* → *drift*, *log of what apply did*.

mod agent;
pub mod apt;
pub(crate) mod credentials;
mod directory;
mod dns;
pub mod docker;
mod drift;
pub mod edge;
mod file;
mod firewall;
mod hostname;
pub mod mastodon;
mod once;
mod refusal;
pub mod removal;
mod ssh;
pub(crate) mod stamp;
mod swap;
#[cfg(test)]
pub(crate) mod testing;
mod unit;
mod unsynced;
pub(crate) mod user;

use std::fmt::Display;

use async_trait::async_trait;

pub use agent::{AGENT, Agent};
pub use credentials::Credentials;
pub use directory::Directory;
pub(crate) use dns::delegated_to_linode;
pub use dns::{DnsRecord, DnsZone, Published, Wanted};
pub use drift::{Change, Drift, Wait};
pub use file::File;
pub use firewall::Firewall;
pub(crate) use firewall::shut_to_the_web;
pub use hostname::Hostname;
pub use once::{Once, Reload};
pub use refusal::Refusal;
pub use ssh::{DROP_IN, SshPolicy};
pub use swap::SwapFile;
pub use unit::Unit;
pub use user::SudoUser;

use crate::host::{Host, HostError, Probe};
use crate::report::Problem;

/// Whether it is the end of the run that ended a resource's work. Looks behind remedies as well: for the chain of causes a [`Problem`] is the
/// last one.
pub(crate) fn is_stop(error: &anyhow::Error) -> bool {
    let behind = |problem: &Problem| is_stop(problem.cause());
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(HostError::Stopped)) || cause.downcast_ref().is_some_and(behind))
}

/// Something the machine should have. `Display` names it: `file /etc/motd`.
#[async_trait]
pub trait Resource: Display + Send + Sync {
    /// What differs from what is wanted. Empty: it is so.
    ///
    /// Preview, decision, verification and waiting are this one function.
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift>;

    /// Makes it so. What can only be waited for keeps this default.
    async fn apply(&self, _host: &dyn Host) -> anyhow::Result<()> {
        Ok(())
    }

    /// What only one step may use at a time.
    fn lock(&self) -> Option<Lock> {
        None
    }
}

/// Things that two steps must not use at once. A step holds at most one, so there is no deadlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    /// dpkg and apt.
    Apt,
    /// `/etc/passwd` and its companions.
    Accounts,
}
