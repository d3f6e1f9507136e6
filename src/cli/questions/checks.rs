//! What the world says to an answer, while whoever gave it still sits there. Only looked at: nothing is made.

use crate::host::{Probe, Question, RecordType};
use crate::linode::{ApiError, Linode};
use crate::resource::delegated_to_linode;
use crate::settings::{ApiToken, DomainName, EmailAddress, why_unreachable};

/// Whether an answer can be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// With a remark, perhaps an empty one.
    Good(String),
    /// Why not.
    Bad(String),
}

/// What is known of a site's name, in one sentence. Anything goes: records can be made, and names registered, later.
pub(super) async fn domain(probe: &dyn Probe, name: &DomainName, linode: bool) -> String {
    match delegated_to_linode(probe, name.as_str()).await {
        Ok(None) => return format!("{name} is not registered yet, or mistyped: its top-level domain does not know it."),
        Ok(Some(true)) => return format!("{name} is served by Linode's name servers: with a token its records are made for you."),
        Ok(Some(false)) if linode => {
            return format!("{name} is not served by Linode's name servers: you make its records where it is managed.");
        }
        Ok(Some(false)) => {}
        Err(error) => log::debug!("who serves {name} is not known: {error:#}"),
    }
    let mut found = Vec::new();
    for kind in [RecordType::A, RecordType::Aaaa] {
        match probe.dns(&Question { server: None, name: name.to_string(), kind }).await {
            Ok(answer) if answer.failure.is_none() => {
                found.extend(answer.answers.into_iter().filter(|record| record.kind == kind).map(|record| record.data));
            }
            Ok(answer) => return format!("{name} could not be looked up ({}).", answer.failure.unwrap_or_default()),
            Err(error) => return format!("{name} could not be looked up ({error})."),
        }
    }
    if found.is_empty() {
        format!("{name} leads nowhere yet: the records to make are told.")
    } else {
        format!("{name} leads to {} now.", found.join(", "))
    }
}

/// Whether the address's domain takes mail, by Mastodon's own rule.
pub(super) async fn email(probe: &dyn Probe, address: &EmailAddress, ours: &[String]) -> Verdict {
    match why_unreachable(address.domain(), ours, None, probe).await {
        Ok(None) => Verdict::Good(String::new()),
        Ok(Some(why)) => Verdict::Bad(why),
        Err(error) => Verdict::Good(format!("Whether {} takes mail could not be found out ({error}).", address.domain())),
    }
}

/// Whether Linode's name servers serve the name.
pub(super) async fn is_at_linode(probe: &dyn Probe, name: &DomainName) -> bool {
    delegated_to_linode(probe, name.as_str()).await.is_ok_and(|found| found == Some(true))
}

/// Tries the token against the API: reads the account's zones with it.
pub(super) async fn token(probe: &dyn Probe, token: ApiToken, domain: &str) -> Verdict {
    let linode = Linode::new(token);
    match linode.zone_of(probe, domain).await {
        Ok(_) if !linode.may_write() => {
            Verdict::Bad("The token may only read domains; make one that may read and write them (Cloud Manager, API Tokens).".into())
        }
        Ok(Some(zone)) => Verdict::Good(format!("It works: the zone {} is in this account.", zone.domain)),
        Ok(None) => Verdict::Good(format!("It works: this account has no zone for {domain} yet, so one will be made.")),
        Err(error @ (ApiError::BadToken { .. } | ApiError::MissingScope { .. })) => Verdict::Bad(format!("{error}.")),
        Err(error) => Verdict::Good(format!("It could not be tried ({error}).")),
    }
}
