//! What Linode's API and the name servers of the world answer.

use std::sync::Arc;

use tootstrap::linode::Linode;
use tootstrap::mail::{Advice, PRESETS, standing};
use tootstrap::resource::{DnsRecord, DnsZone, Published, Wanted};
use tootstrap::settings::{ApiToken, DomainName, EmailAddress, Smtp};

use super::{Machine, Trial, wait};

const SLOTS: [&str; 5] = [
    "http https://api.linode.com/v4/domains?",
    "http https://api.linode.com/v4/domains/",
    "http https://api.linode.com/v4/domains",
    "dns",
    "reachable",
];

pub fn run(data: &[u8]) {
    let mut trial = Trial::new(data, &SLOTS, 6);
    let token: ApiToken = "0123456789abcdef".repeat(4).parse().expect("a token");
    let linode = || Arc::new(Linode::new(token.clone()));
    let site: DomainName = "social.fedi-test.org".parse().expect("a name");
    let contact: EmailAddress = "a@fedi-test.org".parse().expect("an address");
    let wanted =
        ["203.0.113.10", "2001:db8:88::10"].map(|address| Wanted { name: site.clone(), address: address.parse().expect("an address") });
    let domain = "fedi-test.org".parse().expect("a name");
    trial.converge(&DnsZone { linode: linode(), domain, site, contact, wanted: wanted.to_vec() });
    for wanted in &wanted {
        trial.converge(&DnsRecord { linode: linode(), wanted: wanted.clone(), ours: vec![wanted.address], replace: false });
    }
    trial.converge(&Published { wanted: wanted.to_vec(), linode: Some(linode()) });
    trial.converge(&Published { wanted: wanted.to_vec(), linode: None });
    if let Some(machine) = trial.next() {
        sender(&machine);
    }
}

/// What is advised is one record that a zone file can hold.
fn sender(machine: &Machine) {
    for server in PRESETS.iter().map(|preset| preset.server.unwrap_or("email-smtp.eu-west-1.amazonaws.com")).chain(["smtp.fedi-test.org"]) {
        let smtp = Smtp {
            server: server.parse().expect("a name"),
            port: 587,
            login: "postmaster@mg.fedi-test.org".into(),
            password: "password".into(),
            from: "Mastodon <a@fedi-test.org>".into(),
        };
        for standing in wait(standing(&smtp, machine)) {
            let Some(Advice { record, .. }) = standing.advice else { continue };
            assert!(!record.contains(char::is_control), "{record:?}");
            let strings: Vec<_> = record.split('"').skip(1).step_by(2).collect();
            assert!(strings[0].starts_with("v=") && strings.iter().all(|string| string.len() <= 255), "{record:?}");
        }
    }
}
