//! Names: the zone and its records at Linode, and whether the world sees them.

mod authority;
mod published;
mod record;
mod zone;

use std::net::IpAddr;

pub use published::Published;
pub use record::DnsRecord;
pub use zone::DnsZone;

use super::{Drift, Wait};
use crate::host::Probe;
use crate::linode::{ApiError, Linode, SCOPE};
use crate::report::WithRemedy;
use crate::settings::DomainName;

/// Whether the zone of a name is served by Linode's name servers. `None`: nobody serves it, as far as its top-level domain knows.
///
/// # Errors
/// The name servers above it do not answer.
pub(crate) async fn delegated_to_linode(host: &dyn Probe, name: &str) -> anyhow::Result<Option<bool>> {
    Ok(authority::find(host, name).await?.map(|delegation| delegation.at_linode()))
}

/// The addresses that the world finds for a name, whatever this machine's own files say. None: it finds none.
///
/// The zone's own servers are asked, so that no resolver remembers that the name was missing; the resolver where they lead to another name,
/// or do not answer.
pub(crate) async fn seen_by_the_world(host: &dyn Probe, name: &str) -> anyhow::Result<Vec<IpAddr>> {
    match authority::find(host, name).await {
        Ok(None) => return Ok(Vec::new()),
        Ok(Some(delegation)) => {
            for server in delegation.servers.iter().filter_map(|server| server.addresses.first()) {
                if let Some(addresses) = authority::addresses_at(host, *server, name).await {
                    return Ok(addresses);
                }
            }
        }
        Err(error) => log::info!("the servers of {name} cannot be asked themselves, so the resolver is: {error:#}"),
    }
    Ok(authority::addresses_of(host, name).await)
}

/// The command that looks again, or goes on.
const AGAIN: &str = "sudo tootstrap install";

/// The command that brings a token.
const WITH_TOKEN: &str = "sudo tootstrap install --linode-token-file FILE";

/// A name with an address that it shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The name.
    pub name: DomainName,
    /// The address.
    pub address: IpAddr,
}

impl Wanted {
    /// `A` or `AAAA`.
    pub const fn kind(&self) -> &'static str {
        if self.address.is_ipv4() { "A" } else { "AAAA" }
    }
}

/// The records as a zone file shows them, one a line.
fn as_zone_file(wanted: &[Wanted]) -> String {
    let line = |wanted: &Wanted| format!("    {}.  300  IN  {:<4}  {}", wanted.name, wanted.kind(), wanted.address);
    wanted.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What an API error means for the step: what only the operator can change is waited for, the rest fails.
fn judge(error: ApiError, linode: &Linode) -> anyhow::Result<Drift> {
    if error.about_token() {
        linode.refuse(&error);
        return Ok(about_token(&error).into());
    }
    let remedy = match &error {
        ApiError::Unreachable(_) => format!("check that this machine reaches https://api.linode.com, then: {AGAIN}"),
        // What it refuses now it refuses a minute later, too.
        ApiError::Invalid { .. } => {
            format!("see to that reason in Cloud Manager (Domains), or make the record there by hand, then: {AGAIN}")
        }
        _ => format!("wait a minute, then: {AGAIN}"),
    };
    Err(error).remedy(remedy)
}

fn about_token(error: &ApiError) -> Wait {
    let remedy = format!(
        "make a token in Cloud Manager (My Profile, API Tokens) with Domains: Read/Write ({SCOPE}), then: {WITH_TOKEN}\n\
         or create the records by hand, then: {AGAIN}"
    );
    Wait { what: format!("a usable API token: {error}"), remedy, soon: false }
}

#[cfg(test)]
mod tests;
