//! The gate: do the servers that the world asks say what we want?

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::authority::{self, Delegation, Server};
use super::{AGAIN, WITH_TOKEN, Wanted, about_token, as_zone_file};
use crate::host::{Answer, Probe, Question, RecordType};
use crate::linode::Linode;
use crate::resource::{Drift, Resource, Wait};
use crate::settings::DomainName;

/// Linode's name servers (linode.md §1.8).
const LINODE: [&str; 5] = ["ns1.linode.com", "ns2.linode.com", "ns3.linode.com", "ns4.linode.com", "ns5.linode.com"];

/// Every name has its addresses, and no others, at its own authoritative servers.
#[derive(Debug)]
pub struct Published {
    /// What shall be seen.
    pub wanted: Vec<Wanted>,
    /// The API that makes the records. `None`: the operator makes them.
    pub linode: Option<Arc<Linode>>,
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().iter().map(|name| name.as_str()).collect();
        write!(f, "DNS answers for {}", names.join(", "))
    }
}

/// Who is asked about one name, and what follows for the operator.
struct Authorities {
    servers: Vec<Server>,
    /// Who serves the zone, if that could be found.
    delegation: Option<Delegation>,
    /// Every server must answer rightly, and twice: caches stand in front of them (linode.md §1.8).
    strict: bool,
    /// What the operator is told instead of waiting, where the answers are wrong.
    instead: Option<Wait>,
}

/// An answer that is not as wanted.
struct Wrong {
    /// In words.
    what: String,
    /// The record that must go, since this machine has no address of its family.
    stale: Option<String>,
}

#[async_trait]
impl Resource for Published {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        for name in self.names() {
            let authorities = match self.authorities(host, name).await {
                Ok(authorities) => authorities,
                Err(wait) => return Ok(wait.into()),
            };
            if let Some(wrong) = self.wrong(host, name, &authorities).await {
                return Ok(self.wait(&authorities, wrong).into());
            }
        }
        Ok(Drift::none())
    }
}

impl Published {
    /// Each name once, the site first.
    fn names(&self) -> Vec<&DomainName> {
        let mut seen = BTreeSet::new();
        self.wanted.iter().map(|wanted| &wanted.name).filter(|name| seen.insert(*name)).collect()
    }

    /// The API makes the records, and nothing stands in its way so far.
    fn by_api(&self) -> bool {
        self.linode.as_ref().is_some_and(|linode| !linode.given_up())
    }

    async fn authorities(&self, host: &dyn Probe, name: &DomainName) -> Result<Authorities, Wait> {
        let delegation = match authority::find(host, name.as_str()).await {
            Ok(Some(delegation)) => delegation,
            Ok(None) => return Err(self.undelegated(name)),
            Err(error) => {
                // Some networks let only their own resolver ask.
                log::info!("the servers of {name} cannot be asked themselves, so the resolver is: {error:#}");
                return Ok(Authorities { servers: Vec::new(), delegation: None, strict: false, instead: None });
            }
        };
        if delegation.at_linode() && delegation.signed {
            return Err(left_over_ds(&delegation));
        }
        if !self.by_api() || !delegation.at_linode() {
            let instead = self.by_api().then(|| self.elsewhere(name, &delegation));
            return Ok(Authorities { servers: delegation.servers.clone(), delegation: Some(delegation), strict: false, instead });
        }
        let servers = join_all(LINODE.map(|server| async move {
            let addresses = authority::addresses_of(host, server).await;
            Server { name: server.into(), addresses }
        }));
        Ok(Authorities { servers: servers.await, delegation: Some(delegation), strict: true, instead: None })
    }

    /// What is not as wanted, in words. `None`: all is right.
    async fn wrong(&self, host: &dyn Probe, name: &DomainName, authorities: &Authorities) -> Option<Wrong> {
        let rounds = if authorities.strict { 2 } else { 1 };
        for _ in 0..rounds {
            for kind in [RecordType::A, RecordType::Aaaa] {
                let right = self.right(name, kind);
                if let Some(wrong) = wrong_of(host, name, kind, &right, authorities).await {
                    return Some(wrong);
                }
            }
        }
        None
    }

    fn right(&self, name: &DomainName, kind: RecordType) -> BTreeSet<IpAddr> {
        let of_kind = |address: &IpAddr| address.is_ipv4() == (kind == RecordType::A);
        self.wanted.iter().filter(|wanted| wanted.name == *name).map(|wanted| wanted.address).filter(of_kind).collect()
    }

    fn wait(&self, authorities: &Authorities, wrong: Wrong) -> Wait {
        let Wrong { what: wrong, stale } = wrong;
        if let Some(instead) = &authorities.instead {
            return instead.clone();
        }
        if let Some(error) = self.linode.as_ref().and_then(|linode| linode.refusal()) {
            return Wait { what: wrong, remedy: self.by_hand(authorities) + "\nor: " + &about_token(error).remedy, soon: false };
        }
        if let (true, Some(record)) = (self.by_api(), stale) {
            // Records of a family that we do not have are not ours to remove.
            return Wait { what: wrong, remedy: format!("remove {record} in Cloud Manager; then: {AGAIN}"), soon: false };
        }
        let remedy = match (&self.linode, self.by_api()) {
            (Some(_), true) => format!("nothing: it usually takes less than a minute; {AGAIN} looks again"),
            (Some(_), false) => format!("see what the other DNS steps wait for; then: {AGAIN}"),
            (None, _) => self.by_hand(authorities),
        };
        Wait { what: wrong, remedy, soon: self.linode.is_none() || self.by_api() }
    }

    /// The records to make where there is no token.
    fn by_hand(&self, authorities: &Authorities) -> String {
        let place = authorities.delegation.as_ref().map_or_else(
            || "where the domain is managed".to_owned(),
            |found| format!("where {} is managed (it is served by {})", found.zone, found.names().join(", ")),
        );
        let token = match &authorities.delegation {
            Some(found) if found.at_linode() && self.linode.is_none() => format!("\nor let it be done: {WITH_TOKEN}"),
            _ => String::new(),
        };
        format!("create these records, and remove others of the same names and types, {place}:\n{}\nthen: {AGAIN}{token}", self.zone_file())
    }

    fn zone_file(&self) -> String {
        as_zone_file(&self.wanted)
    }

    fn undelegated(&self, name: &DomainName) -> Wait {
        let what = format!("{name} to exist: the top-level domain's name servers do not know it");
        let remedy = if self.linode.is_some() {
            format!("register the domain if it is not, and at the registrar enter the name servers {}; then: {AGAIN}", LINODE.join(", "))
        } else {
            format!("register the domain if it is not, and create these records:\n{}\nthen: {AGAIN}", self.zone_file())
        };
        Wait { what, remedy, soon: false }
    }

    fn elsewhere(&self, name: &DomainName, delegation: &Delegation) -> Wait {
        let (zone, servers) = (&delegation.zone, delegation.names().join(", "));
        let remedy = format!(
            "at the registrar of {zone} enter the name servers {}\nor create these records where {zone} is managed:\n{}\nthen: {AGAIN}",
            LINODE.join(", "),
            self.zone_file()
        );
        Wait { what: format!("{name} to be served by Linode: {zone} is delegated to {servers}"), remedy, soon: false }
    }
}

fn left_over_ds(delegation: &Delegation) -> Wait {
    let zone = &delegation.zone;
    Wait {
        what: format!("the DS record of {zone} to be removed: Linode does not sign zones, so resolvers refuse all its names"),
        remedy: format!("at the registrar of {zone} switch DNSSEC off (remove the DS record); then: {AGAIN}"),
        soon: false,
    }
}

async fn wrong_of(
    host: &dyn Probe,
    name: &DomainName,
    kind: RecordType,
    right: &BTreeSet<IpAddr>,
    authorities: &Authorities,
) -> Option<Wrong> {
    let asked: Vec<_> = match authorities.servers.as_slice() {
        [] => vec![("the resolver", None)],
        servers => servers.iter().map(|server| (server.name.as_str(), server.addresses.first().copied())).collect(),
    };
    let by_resolver = authorities.servers.is_empty();
    let answers = join_all(asked.iter().map(|(_, address)| async move {
        if address.is_none() && !by_resolver {
            return Err("it has no address".to_owned());
        }
        ask(host, name.as_str(), kind, *address).await
    }));
    let mut rights = 0;
    let mut silent = None;
    for ((server, _), answer) in asked.iter().zip(answers.await) {
        match answer {
            Ok(found) if found == *right => rights += 1,
            Ok(found) => {
                let what = sentence(name, kind, right, &format!("{server} says {}", words(&found)));
                let stale = right.is_empty().then(|| format!("the {} record of {name}", family(kind)));
                return Some(Wrong { what, stale });
            }
            Err(why) => silent = silent.or(Some(format!("{server}: {why}"))),
        }
    }
    let enough = if authorities.strict { silent.is_none() } else { rights > 0 };
    if enough { None } else { Some(Wrong { what: sentence(name, kind, right, &silent.unwrap_or_default()), stale: None }) }
}

/// The addresses that a server gives. An alias that leads out of the zone is followed by the resolver.
async fn ask(host: &dyn Probe, name: &str, kind: RecordType, server: Option<IpAddr>) -> Result<BTreeSet<IpAddr>, String> {
    let answer = question(host, name, kind, server).await?;
    let found = addresses(&answer, kind);
    let alias = answer.answers.iter().rfind(|record| record.kind == RecordType::Cname);
    match alias {
        Some(alias) if found.is_empty() && server.is_some() => Ok(addresses(&question(host, &alias.data, kind, None).await?, kind)),
        _ => Ok(found),
    }
}

async fn question(host: &dyn Probe, name: &str, kind: RecordType, server: Option<IpAddr>) -> Result<Answer, String> {
    let answer = host.dns(&Question { server, name: name.to_owned(), kind }).await.map_err(|error| error.to_string())?;
    match answer.failure {
        Some(failure) => Err(failure),
        None => Ok(answer),
    }
}

fn addresses(answer: &Answer, kind: RecordType) -> BTreeSet<IpAddr> {
    answer.answers.iter().filter(|record| record.kind == kind).filter_map(|record| record.data.parse().ok()).collect()
}

fn words(found: &BTreeSet<IpAddr>) -> String {
    if found.is_empty() {
        return "there is none".into();
    }
    found.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

fn sentence(name: &DomainName, kind: RecordType, right: &BTreeSet<IpAddr>, but: &str) -> String {
    let family = family(kind);
    if right.is_empty() {
        return format!("the {family} record of {name} to be removed, because this machine has no such address ({but})");
    }
    format!("the {family} record of {name} to be {} ({but})", words(right))
}

const fn family(kind: RecordType) -> &'static str {
    if matches!(kind, RecordType::A) { "A" } else { "AAAA" }
}
