//! One A or AAAA record at Linode.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::{AGAIN, Wanted, about_token, judge};
use crate::host::{Host, Probe};
use crate::linode::{ApiError, Linode, WithoutZone, Zone, ZoneRecord};
use crate::resource::{Drift, Resource, Wait};

/// A machine that answers on one of these is in use.
const IN_USE: [u16; 3] = [22, 80, 443];

/// The only record of its type at its name. Records of other types are never touched.
#[derive(Debug)]
pub struct DnsRecord {
    /// The API.
    pub linode: Arc<Linode>,
    /// Name and address.
    pub wanted: Wanted,
    /// Every address of this machine's, of both families.
    pub ours: Vec<IpAddr>,
    /// Replaces a record also where the old address is in use.
    pub replace: bool,
}

/// What there is and what follows from it.
enum Found {
    /// As wanted.
    Right,
    /// Nothing at this name, in this zone (or a zone that is still to be made).
    Nothing(Option<Zone>),
    /// One record with another target, which may be replaced.
    Other(Zone, ZoneRecord),
    /// Only the operator can decide.
    Stuck(Wait),
}

impl fmt::Display for DnsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} record of {}", self.wanted.kind(), self.wanted.name)
    }
}

#[async_trait]
impl Resource for DnsRecord {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        if let Some(error) = self.linode.refusal() {
            return Ok(about_token(error).into());
        }
        let (name, kind, address) = (&self.wanted.name, self.wanted.kind(), self.wanted.address);
        let drift = match self.find(host).await {
            Ok(Found::Right) => return Ok(Drift::none()),
            Ok(Found::Nothing(_)) => Drift::to_do(format!("create the {kind} record {name} → {address}")),
            Ok(Found::Other(_, old)) => {
                let mut drift = Drift::none();
                drift.push_set(format!("{kind} record of {name}"), old.plain_target(), address.to_string());
                drift
            }
            Ok(Found::Stuck(wait)) => {
                self.linode.give_up();
                return Ok(wait.into());
            }
            Err(error) => return judge(error, &self.linode),
        };
        if self.linode.may_write() {
            return Ok(drift);
        }
        judge(ApiError::MissingScope { reason: "it can only read".into() }, &self.linode)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        // A refusal is told by the next check.
        self.change(host).await.or_else(|error| judge(error, &self.linode).map(|_told| ()))
    }
}

impl DnsRecord {
    async fn change(&self, host: &dyn Host) -> Result<(), ApiError> {
        match self.find(host.probe()).await? {
            Found::Nothing(Some(zone)) => {
                let name = zone.relative(self.wanted.name.as_str()).unwrap_or_default();
                let record = ZoneRecord { kind: self.wanted.kind().into(), name, target: self.target(), ..ZoneRecord::default() };
                self.linode.create_record(host, &zone, &record).await
            }
            Found::Other(zone, old) => self.linode.update_record(host, &zone, &ZoneRecord { target: self.target(), ..old }).await,
            Found::Nothing(None) | Found::Right | Found::Stuck(_) => Ok(()),
        }
    }

    fn target(&self) -> String {
        self.wanted.address.to_string()
    }

    async fn find(&self, host: &dyn Probe) -> Result<Found, ApiError> {
        let zone = self.linode.zone_of(host, self.wanted.name.as_str()).await?;
        let Some(zone) = zone.filter(|zone| zone.role != "slave") else {
            return Ok(match self.linode.without_zone() {
                Some(WithoutZone::Fine) => Found::Right,
                Some(WithoutZone::Wait(wait)) => Found::Stuck(wait.clone()),
                None => Found::Nothing(None),
            });
        };
        let relative = zone.relative(self.wanted.name.as_str()).unwrap_or_default();
        let mut here = self.linode.records(host, &zone).await?;
        here.retain(|record| record.is_at(&relative, &zone));
        if let Some(alias) = here.iter().find(|record| record.kind == "CNAME") {
            return Ok(Found::Stuck(self.alias(alias)));
        }
        let (here, others): (Vec<_>, Vec<_>) = here.into_iter().partition(|record| record.kind == self.wanted.kind());
        Ok(self.judge_records(host, zone, here, &others).await)
    }

    /// `here`: records of the wanted type; `others`: of other types at the same name.
    async fn judge_records(&self, host: &dyn Probe, zone: Zone, mut here: Vec<ZoneRecord>, others: &[ZoneRecord]) -> Found {
        let right = self.target();
        if !here.is_empty() && here.iter().all(|record| record.plain_target() == right) {
            return Found::Right;
        }
        if here.len() > 1 {
            return Found::Stuck(self.several(&here));
        }
        let Some(old) = here.pop() else { return self.judge_none(host, zone, others).await };
        match self.in_use(host, &old).await {
            Some(port) if !self.replace => Found::Stuck(self.used(&old, port)),
            _ => Found::Other(zone, old),
        }
    }

    /// A record beside that of another machine in use would lead half of its visitors here.
    async fn judge_none(&self, host: &dyn Probe, zone: Zone, others: &[ZoneRecord]) -> Found {
        for other in others.iter().filter(|other| !self.replace && !self.is_ours(other)) {
            if let Some(port) = self.in_use(host, other).await {
                return Found::Stuck(self.used(other, port));
            }
        }
        Found::Nothing(Some(zone))
    }

    fn is_ours(&self, record: &ZoneRecord) -> bool {
        record.plain_target().parse().is_ok_and(|address| self.ours.contains(&address))
    }

    /// A port on which the old address answers.
    async fn in_use(&self, host: &dyn Probe, old: &ZoneRecord) -> Option<u16> {
        let address: IpAddr = old.plain_target().parse().ok()?;
        let answers = join_all(IN_USE.map(|port| host.connects(SocketAddr::new(address, port)))).await;
        IN_USE.into_iter().zip(answers).find_map(|(port, answers)| answers.then_some(port))
    }

    fn stuck(&self, why: &str, remedy: String) -> Wait {
        let Wanted { name, address } = &self.wanted;
        Wait { what: format!("{name} to point to {address} ({why})"), remedy, soon: false }
    }

    fn alias(&self, alias: &ZoneRecord) -> Wait {
        let name = &self.wanted.name;
        let why = format!("it is an alias, CNAME, of {}", alias.plain_target());
        self.stuck(&why, format!("remove the CNAME record of {name} in Cloud Manager (Domains) if it is no longer needed, then: {AGAIN}"))
    }

    fn several(&self, here: &[ZoneRecord]) -> Wait {
        let Wanted { name, address } = &self.wanted;
        let kind = self.wanted.kind();
        let targets: Vec<_> = here.iter().map(ZoneRecord::plain_target).collect();
        let why = format!("it has several {kind} records: {}", targets.join(", "));
        self.stuck(
            &why,
            format!("in Cloud Manager (Domains) leave only one {kind} record of {name}, best the one with {address}, then: {AGAIN}"),
        )
    }

    fn used(&self, old: &ZoneRecord, port: u16) -> Wait {
        let why = format!("it points to {}, where something answers on port {port}", old.plain_target());
        let remedy = "if that server is not needed under this name any more: \
                      sudo tootstrap install --replace-dns --linode-token-file FILE";
        self.stuck(&why, remedy.into())
    }
}
