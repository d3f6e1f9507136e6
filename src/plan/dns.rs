//! Names: a zone if there is none, a record for every name and address family, and the gate that waits until the world sees them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Inputs, Patience, Plan, StepRef};
use crate::linode::Linode;
use crate::resource::{DnsRecord, DnsZone, Published, Wanted};
use crate::settings::Settings;

/// Linode publishes in less than a minute; its caches take up to some more (linode.md §1.8).
const PUBLISHED_BY_LINODE: Patience = Patience::settle(Duration::from_mins(3), Duration::from_secs(3));

/// Perhaps the operator is making the records just now.
const PUBLISHED_BY_HAND: Patience = Patience::settle(Duration::from_secs(30), Duration::from_secs(3));

/// Names under this belong to Linode, which serves them itself, with A records only.
const LINODES_OWN: &str = "ip.linodeusercontent.com";

/// What depends on DNS.
#[derive(Clone, Copy, Debug)]
pub struct Dns {
    /// The world sees every name. `None`: no records are made, and the proxy is asked by name.
    pub published: Option<StepRef>,
}

/// Adds the DNS steps.
pub fn add(plan: &mut Plan, with: &Inputs) -> Dns {
    let settings = &with.settings;
    let wanted = wanted(settings);
    let token = settings.token.clone().filter(|_| !settings.site.is_within(LINODES_OWN));
    if settings.behind_proxy && token.is_none() {
        return Dns { published: None };
    }
    let Some(linode) = token.map(|token| Arc::new(Linode::new(token))) else {
        let gate = Published { wanted, linode: None };
        return Dns { published: Some(plan.step("dns/published", gate).patience(PUBLISHED_BY_HAND).add()) };
    };
    let zone = DnsZone {
        linode: Arc::clone(&linode),
        domain: settings.domain.clone(),
        site: settings.site.clone(),
        contact: settings.contact.clone(),
        wanted: wanted.clone(),
    };
    let zone = plan.step("dns/zone", zone).add();
    let ours: Vec<_> = wanted.iter().map(|wanted| wanted.address).collect();
    let resource = |wanted: &Wanted| DnsRecord {
        linode: Arc::clone(&linode),
        wanted: wanted.clone(),
        ours: ours.clone(),
        replace: settings.replace_dns,
    };
    let records: Vec<_> = wanted.iter().map(|wanted| record(plan, resource(wanted), zone)).collect();
    let gate = Published { wanted, linode: Some(linode) };
    let published = plan.step("dns/published", gate).needs(records).patience(PUBLISHED_BY_LINODE).add();
    Dns { published: Some(published) }
}

fn record(plan: &mut Plan, record: DnsRecord, zone: StepRef) -> StepRef {
    let id = format!("dns/record-{}-{}", record.wanted.kind().to_ascii_lowercase(), record.wanted.name);
    plan.step(id, record).needs([zone]).add()
}

/// Every name with every address of this machine.
fn wanted(settings: &Settings) -> Vec<Wanted> {
    let v6 = settings.address.v6.filter(|_| !settings.site.is_within(LINODES_OWN));
    let addresses = [settings.address.v4.map(IpAddr::from), v6.map(IpAddr::from)];
    let addresses: Vec<_> = addresses.into_iter().flatten().collect();
    let of_name = |name| addresses.iter().map(move |&address| Wanted { name: Clone::clone(&name), address });
    settings.names().into_iter().flat_map(of_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(settings: Settings) -> Vec<String> {
        let mut plan = Plan::default();
        add(&mut plan, &Inputs { settings, ..Inputs::sample() });
        plan.steps().iter().map(|step| step.id.clone()).collect()
    }

    #[test]
    fn a_record_for_every_name_and_family() {
        let site = "social.fedi-test.org";
        let steps = [format!("dns/record-a-{site}"), format!("dns/record-aaaa-{site}")];
        assert_eq!(ids(Settings::sample()), ["dns/zone", &steps[0], &steps[1], "dns/published"]);
        let mut with_www = Settings { site: "fedi-test.org".parse().unwrap(), www: true, ..Settings::sample() };
        with_www.address.v6 = None;
        assert_eq!(ids(with_www), ["dns/zone", "dns/record-a-fedi-test.org", "dns/record-a-www.fedi-test.org", "dns/published"]);
    }

    #[test]
    fn behind_a_proxy_records_are_made_only_with_a_token() {
        assert_eq!(ids(Settings { token: None, behind_proxy: true, ..Settings::sample() }), [""; 0]);
        assert_eq!(ids(Settings { behind_proxy: true, ..Settings::sample() }).len(), 4);
    }

    #[test]
    fn without_a_token_and_under_linodes_own_name_nothing_is_made() {
        assert_eq!(ids(Settings { token: None, ..Settings::sample() }), ["dns/published"]);
        let own = "203-0-113-10.ip.linodeusercontent.com".parse().unwrap();
        assert_eq!(ids(Settings { site: own, ..Settings::sample() }), ["dns/published"]);
    }
}
