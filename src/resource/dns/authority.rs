//! Who answers for a name, asked from the top-level domain downwards, so that no resolver's memory is in between.

use std::net::IpAddr;

use anyhow::{Context, bail};
use futures_util::future::join_all;

use crate::host::{Answer, Probe, Question, Record, RecordType};

/// So many cuts a name never has.
const DEEPEST: usize = 10;

/// How many servers of one zone are tried on the way down.
const TRIED: usize = 3;

/// A zone as its parent delegates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delegation {
    pub(super) zone: String,
    pub(super) servers: Vec<Server>,
    /// The parent has a DS record: without valid signatures nobody believes the zone.
    pub(super) signed: bool,
}

/// A name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
}

impl Delegation {
    /// Whether every server is one of Linode's.
    pub(super) fn at_linode(&self) -> bool {
        self.servers.iter().all(|server| server.name.ends_with(".linode.com"))
    }

    /// Names of its servers.
    pub(super) fn names(&self) -> Vec<&str> {
        self.servers.iter().map(|server| server.name.as_str()).collect()
    }
}

/// The zone that the name is in. `None`: no parent delegates it.
pub(super) async fn find(host: &dyn Probe, name: &str) -> anyhow::Result<Option<Delegation>> {
    let top = name.rsplit('.').next().unwrap_or(name);
    let mut zone = Delegation { zone: top.to_owned(), servers: top_servers(host, top).await?, signed: false };
    for depth in 0..DEEPEST {
        let step = down(host, &zone, name).await;
        match step {
            Ok(Step::Below(below)) => zone = below,
            Ok(Step::NoSuchName) if depth == 0 => return Ok(None),
            Ok(Step::Here | Step::NoSuchName) => return Ok(Some(zone)),
            // The parent names them, so they are the ones, whether they answer or not.
            Err(error) if depth > 0 => {
                log::debug!("{error:#}");
                return Ok(Some(zone));
            }
            Err(error) => return Err(error),
        }
    }
    bail!("{name} is delegated round in circles")
}

enum Step {
    Here,
    NoSuchName,
    Below(Delegation),
}

async fn down(host: &dyn Probe, zone: &Delegation, name: &str) -> anyhow::Result<Step> {
    for address in zone.servers.iter().filter_map(|server| server.addresses.first()).take(TRIED) {
        let question = Question { server: Some(*address), name: name.to_owned(), kind: RecordType::A };
        match host.dns(&question).await {
            Ok(answer) if answer.failure.is_some() => {}
            Ok(answer) if answer.no_such_name => return Ok(Step::NoSuchName),
            Ok(answer) if answer.authoritative || !answer.answers.is_empty() => return Ok(Step::Here),
            Ok(answer) => {
                if let Some(below) = referral(host, *address, zone, name, &answer).await? {
                    return Ok(Step::Below(below));
                }
            }
            Err(error) => log::debug!("{error}"),
        }
    }
    bail!("no name server of {} says who serves {name}", zone.zone)
}

async fn referral(host: &dyn Probe, parent: IpAddr, zone: &Delegation, name: &str, answer: &Answer) -> anyhow::Result<Option<Delegation>> {
    let leads_down = |record: &&Record| {
        let within = name == record.name || name.strip_suffix(&record.name).is_some_and(|rest| rest.ends_with('.'));
        record.kind == RecordType::Ns && within && record.name.len() > zone.zone.len()
    };
    let servers: Vec<_> = answer.authority.iter().filter(leads_down).collect();
    let Some(below) = servers.first().map(|record| record.name.clone()) else { return Ok(None) };
    let names = servers.iter().map(|record| record.data.clone());
    let question = Question { server: Some(parent), name: below.clone(), kind: RecordType::Ds };
    let ds = host.dns(&question).await?;
    let signed = ds.answers.iter().any(|record| record.kind == RecordType::Ds);
    let servers = with_addresses(host, names, &answer.additional).await;
    Ok(Some(Delegation { zone: below, servers, signed }))
}

async fn top_servers(host: &dyn Probe, top: &str) -> anyhow::Result<Vec<Server>> {
    let answer = ask(host, top, RecordType::Ns).await.with_context(|| format!("cannot find the name servers of .{top}"))?;
    let names = answer.answers.iter().filter(|record| record.kind == RecordType::Ns).map(|record| record.data.clone()).take(TRIED);
    let servers = with_addresses(host, names, &answer.additional).await;
    if servers.iter().all(|server| server.addresses.is_empty()) {
        bail!("the resolver knows no name servers of .{top}");
    }
    Ok(servers)
}

async fn with_addresses(host: &dyn Probe, names: impl Iterator<Item = String>, glue: &[Record]) -> Vec<Server> {
    join_all(names.map(|name| async move {
        let glued: Vec<_> = addresses(glue.iter().filter(|record| record.name == name));
        let addresses = if glued.is_empty() { addresses_of(host, &name).await } else { glued };
        Server { name, addresses }
    }))
    .await
}

/// Addresses of a name by the resolver, IPv4 where there is any. None where it cannot tell.
pub(super) async fn addresses_of(host: &dyn Probe, name: &str) -> Vec<IpAddr> {
    for kind in [RecordType::A, RecordType::Aaaa] {
        match ask(host, name, kind).await {
            Ok(answer) => {
                let found = addresses(answer.answers.iter());
                if !found.is_empty() {
                    return found;
                }
            }
            Err(error) => log::debug!("{error}"),
        }
    }
    Vec::new()
}

/// Addresses of a name at one of its own servers, IPv4 first. `None`: it does not say, or names another name.
pub(super) async fn addresses_at(host: &dyn Probe, server: IpAddr, name: &str) -> Option<Vec<IpAddr>> {
    let mut found = Vec::new();
    for kind in [RecordType::A, RecordType::Aaaa] {
        let answer = host.dns(&Question { server: Some(server), name: name.to_owned(), kind }).await.ok()?;
        if answer.failure.is_some() || !answer.authoritative || answer.answers.iter().any(|record| record.kind == RecordType::Cname) {
            return None;
        }
        found.extend(addresses(answer.answers.iter()));
    }
    Some(found)
}

async fn ask(host: &dyn Probe, name: &str, kind: RecordType) -> crate::host::Result<Answer> {
    host.dns(&Question { server: None, name: name.to_owned(), kind }).await
}

/// IPv4 first: a machine without IPv6 is common, one without IPv4 is not.
fn addresses<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<IpAddr> {
    let is_address = |record: &&Record| matches!(record.kind, RecordType::A | RecordType::Aaaa);
    let mut found: Vec<IpAddr> = records.filter(is_address).filter_map(|record| record.data.parse().ok()).collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found
}
