//! The zone of the site at Linode. An existing one is used as it is: its SOA is never touched.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::authority::{self, Delegation};
use super::{AGAIN, Published, Wanted, about_token, as_zone_file, judge};
use crate::host::{Host, Probe};
use crate::linode::{ApiError, Linode, WithoutZone, Zone};
use crate::resource::{Drift, Resource, Wait};
use crate::settings::{DomainName, EmailAddress};

/// The longest zone that holds the site; made if there is none.
#[derive(Debug)]
pub struct DnsZone {
    /// The API.
    pub linode: Arc<Linode>,
    /// What was given as domain: the zone to make where the parent does not say otherwise.
    pub domain: DomainName,
    /// The name that must be in the zone.
    pub site: DomainName,
    /// For the SOA of a zone that is made.
    pub contact: EmailAddress,
    /// The records to make by hand where Linode cannot.
    pub wanted: Vec<Wanted>,
}

impl fmt::Display for DnsZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DNS zone of {}", self.site)
    }
}

#[async_trait]
impl Resource for DnsZone {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        if let Some(error) = self.linode.refusal() {
            return Ok(about_token(error).into());
        }
        match self.linode.zone_of(host, self.site.as_str()).await {
            Ok(Some(zone)) if zone.role != "slave" => Ok(Drift::none()),
            Ok(slave) => self.without_zone(host, slave).await,
            Err(error) => judge(error, &self.linode),
        }
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let name = self.name(host.probe()).await;
        match self.linode.create_zone(host, &name, self.contact.as_str()).await {
            Ok(_) => Ok(()),
            Err(error @ ApiError::ZoneElsewhere { .. }) => {
                // The next check tells it.
                self.linode.do_without_zone(WithoutZone::Wait(self.by_hand(&error.to_string())));
                Ok(())
            }
            Err(error) => judge(error, &self.linode).map(|_told_by_the_next_check| ()),
        }
    }
}

impl DnsZone {
    async fn without_zone(&self, host: &dyn Probe, slave: Option<Zone>) -> anyhow::Result<Drift> {
        if let Some(WithoutZone::Wait(wait)) = self.linode.without_zone() {
            return Ok(wait.clone().into());
        }
        if self.right_all_the_same(host).await? {
            self.linode.do_without_zone(WithoutZone::Fine);
            return Ok(Drift::none());
        }
        if let Some(zone) = slave {
            return Ok(self.blocked(self.slave(&zone)));
        }
        if let Some(elsewhere) = self.delegation(host).await.filter(|found| !found.at_linode()) {
            let servers = elsewhere.names().join(", ");
            let wait = self.by_hand(&format!("{} is served by {servers}, not by Linode", elsewhere.zone));
            return Ok(self.blocked(wait));
        }
        if !self.linode.may_write() {
            return judge(ApiError::MissingScope { reason: "it can only read".into() }, &self.linode);
        }
        Ok(Drift::to_do(format!("create the DNS zone {}", self.name(host).await)))
    }

    /// Someone else keeps the names, and rightly.
    async fn right_all_the_same(&self, host: &dyn Probe) -> anyhow::Result<bool> {
        let gate = Published { wanted: self.wanted.clone(), linode: None };
        Ok(gate.check(host).await?.is_empty())
    }

    /// A parent that cannot be asked does not stand in the way of making the zone.
    async fn delegation(&self, host: &dyn Probe) -> Option<Delegation> {
        match authority::find(host, self.site.as_str()).await {
            Ok(found) => found,
            Err(error) => {
                log::info!("cannot ask who serves {}: {error:#}", self.site);
                None
            }
        }
    }

    /// The zone as its parent knows it, else the domain as given.
    async fn name(&self, host: &dyn Probe) -> String {
        self.delegation(host).await.map_or_else(|| self.domain.to_string(), |found| found.zone)
    }

    fn blocked(&self, wait: Wait) -> Drift {
        self.linode.do_without_zone(WithoutZone::Wait(wait.clone()));
        wait.into()
    }

    fn slave(&self, zone: &Zone) -> Wait {
        self.by_hand(&format!("the zone {} at Linode is a secondary one, copied from elsewhere", zone.domain))
    }

    fn by_hand(&self, why: &str) -> Wait {
        let records = as_zone_file(&self.wanted);
        Wait {
            what: format!("the DNS records of {} ({why})", self.site),
            remedy: format!("create these records where the domain is managed:\n{records}\nthen: {AGAIN}"),
            soon: false,
        }
    }
}
