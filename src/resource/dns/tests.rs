use std::net::SocketAddr;
use std::sync::Arc;

use super::*;
use crate::host::RecordType;
use crate::host::fake::FakeHost;
use crate::host::fake::linode::{Fault, record as served};
use crate::resource::Resource;
use crate::resource::testing::converge;

const SITE: &str = "social.fedi-test.org";
const DOMAINS: &str = "POST https://api.linode.com/v4/domains";

fn api() -> Arc<Linode> {
    Arc::new(Linode::impatient("a".repeat(64).parse().unwrap()))
}

fn wanted(name: &str, address: &str) -> Wanted {
    Wanted { name: name.parse().unwrap(), address: address.parse().unwrap() }
}

fn record(name: &str) -> DnsRecord {
    let ours = ["203.0.113.10", "2001:db8::10"].map(|address| address.parse().unwrap()).to_vec();
    DnsRecord { linode: api(), wanted: wanted(name, "203.0.113.10"), ours, replace: false }
}

fn zone(linode: &Arc<Linode>) -> DnsZone {
    DnsZone {
        linode: Arc::clone(linode),
        domain: "fedi-test.org".parse().unwrap(),
        site: SITE.parse().unwrap(),
        contact: "me@other.org".parse().unwrap(),
        wanted: vec![wanted(SITE, "203.0.113.10")],
    }
}

fn host(records: &[(&str, &str, &str)]) -> FakeHost {
    let host = FakeHost::debian();
    host.machine().linode.with_zone("fedi-test.org", records);
    host
}

fn changes(drift: &Drift) -> Vec<String> {
    drift.changes.iter().map(ToString::to_string).collect()
}

async fn wait_of(host: &FakeHost, resource: &dyn Resource) -> Wait {
    let drift = resource.check(host).await.unwrap();
    assert!(drift.changes.is_empty(), "{drift:?}");
    drift.wait.unwrap()
}

/// State of the name → what is to change → records afterwards.
#[tokio::test]
async fn records_are_made_or_replaced_and_others_left_alone() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str, &'a str)], &'a str, &'a [&'a str]);
    let cases: [Case; 5] = [
        (SITE, &[], "create the A record social.fedi-test.org → 203.0.113.10", &["A social.fedi-test.org 203.0.113.10 300"]),
        ("fedi-test.org", &[], "create the A record fedi-test.org → 203.0.113.10", &["A fedi-test.org 203.0.113.10 300"]),
        (
            SITE,
            &[("A", "social", "203.0.113.99"), ("MX", "social", "mail.other.org"), ("A", "", "203.0.113.99")],
            "A record of social.fedi-test.org: 203.0.113.99 → 203.0.113.10",
            &["A social.fedi-test.org 203.0.113.10 300", "MX social.fedi-test.org mail.other.org 0", "A fedi-test.org 203.0.113.99 0"],
        ),
        (SITE, &[("A", "social", "203.0.113.10")], "", &["A social.fedi-test.org 203.0.113.10 0"]),
        (SITE, &[("A", "Social.Fedi-Test.org", "203.0.113.10")], "", &["A Social.Fedi-Test.org.fedi-test.org 203.0.113.10 0"]),
    ];
    for (name, before, change, after) in cases {
        let host = host(before);
        let resource = record(name);
        assert_eq!(changes(&resource.check(&host).await.unwrap()).join("; "), change);
        let log = converge(&host, &resource).await;
        assert_eq!(log.len(), usize::from(!change.is_empty()), "{log:?}");
        assert_eq!(host.machine().linode.all(), after);
        assert_eq!(host.machine().linode.zones[0].body["soa_email"], "someone@else.org");
    }
}

#[tokio::test]
async fn what_only_the_operator_can_decide_is_waited_for() {
    type Case<'a> = (&'a [(&'a str, &'a str, &'a str)], &'a str, &'a str);
    let cases: [Case; 3] = [
        (&[("CNAME", "social", "web.other.org")], "alias, CNAME, of web.other.org", "remove the CNAME record"),
        (&[("A", "social", "203.0.113.10"), ("A", "social", "203.0.113.99")], "several A records", "leave only one A record"),
        (&[("A", "social", "203.0.113.50")], "203.0.113.50, where something answers on port 443", "install --replace-dns"),
    ];
    for (records, what, remedy) in cases {
        let host = host(records);
        host.machine().listening.insert(SocketAddr::from(([203, 0, 113, 50], 443)));
        let resource = record(SITE);
        let wait = wait_of(&host, &resource).await;
        assert!(wait.what.contains(what) && wait.remedy.contains(remedy) && !wait.soon, "{wait:?}");
        assert!(resource.linode.given_up());
        resource.apply(&host).await.unwrap();
        assert!(host.take_log().is_empty());
    }
}

#[tokio::test]
async fn a_name_in_use_over_one_family_gets_no_record_of_the_other() {
    let of_v6 = |replace| DnsRecord { wanted: wanted(SITE, "2001:db8::10"), replace, ..record(SITE) };
    let cases = [
        ("203.0.113.50", false, Some("points to 203.0.113.50, where something answers on port 443")),
        ("203.0.113.50", true, None),
        // Nobody is there, or only we.
        ("203.0.113.99", false, None),
        ("203.0.113.10", false, None),
    ];
    for (target, replace, waits) in cases {
        let host = host(&[("A", "social", target), ("MX", "social", "mail.other.org")]);
        host.machine().listening.extend([50, 10].map(|last| SocketAddr::from(([203, 0, 113, last], 443))));
        let drift = of_v6(replace).check(&host).await.unwrap();
        let created = if waits.is_some() { "" } else { "create the AAAA record social.fedi-test.org → 2001:db8::10" };
        assert_eq!(changes(&drift).join("; "), created);
        assert_eq!(drift.wait.is_some_and(|wait| wait.what.contains(waits.unwrap_or("?"))), waits.is_some(), "{target}");
    }
}

#[tokio::test]
async fn a_used_record_is_replaced_when_told_to() {
    let host = host(&[("A", "social", "203.0.113.50")]);
    host.machine().listening.insert(SocketAddr::from(([203, 0, 113, 50], 22)));
    let resource = DnsRecord { replace: true, ..record(SITE) };
    assert_eq!(converge(&host, &resource).await.len(), 1);
    assert_eq!(host.machine().linode.all(), ["A social.fedi-test.org 203.0.113.10 300"]);
}

#[tokio::test]
async fn a_missing_zone_is_made_as_the_parent_knows_it() {
    let host = FakeHost::debian();
    let resource = zone(&api());
    assert_eq!(changes(&resource.check(&host).await.unwrap()), ["create the DNS zone fedi-test.org"]);
    assert_eq!(converge(&host, &resource).await, [DOMAINS]);
    assert_eq!(converge(&host, &resource).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_zone_that_is_elsewhere_leaves_the_records_to_the_operator() {
    let delegated_elsewhere = FakeHost::debian();
    delegated_elsewhere.machine().linode.delegated.insert("fedi-test.org".into(), vec!["ns1.other-dns.net".into()]);
    let taken = FakeHost::debian();
    taken.machine().linode.elsewhere.insert("fedi-test.org".into());
    for (host, why) in [(delegated_elsewhere, "is served by ns1.other-dns.net, not by Linode"), (taken, "DNS zone already exists")] {
        let linode = api();
        let resource = zone(&linode);
        if !resource.check(&host).await.unwrap().changes.is_empty() {
            resource.apply(&host).await.unwrap();
        }
        let wait = wait_of(&host, &resource).await;
        assert!(wait.what.contains(why), "{wait:?}");
        assert!(wait.remedy.contains("social.fedi-test.org.  300  IN  A     203.0.113.10"), "{wait:?}");
        let record = DnsRecord { linode, ..record(SITE) };
        assert_eq!(wait_of(&host, &record).await, wait);
    }
}

#[tokio::test]
async fn names_that_someone_else_keeps_rightly_need_no_zone() {
    let host = FakeHost::debian();
    host.machine().linode.delegated.insert("fedi-test.org".into(), vec!["ns1.other-dns.net".into()]);
    host.machine().linode.other = vec![served(SITE, RecordType::A, "203.0.113.10")];
    let linode = api();
    let wanted = vec![wanted(SITE, "203.0.113.10")];
    assert_eq!(zone(&linode).check(&host).await.unwrap(), Drift::none());
    assert_eq!(DnsRecord { linode: Arc::clone(&linode), ..record(SITE) }.check(&host).await.unwrap(), Drift::none());
    assert_eq!(Published { wanted, linode: Some(linode) }.check(&host).await.unwrap(), Drift::none());
}

#[tokio::test]
async fn a_token_that_is_refused_holds_up_nothing_else() {
    for (token, scopes) in [("b", "domains:read_write"), ("a", "linodes:read_write"), ("a", "domains:read_only")] {
        let host = host(&[]);
        host.machine().linode.scopes = scopes.into();
        let linode = Arc::new(Linode::impatient(token.repeat(64).parse().unwrap()));
        let resource = DnsRecord { linode: Arc::clone(&linode), ..record(SITE) };
        let wait = wait_of(&host, &resource).await;
        assert!(wait.what.starts_with("a usable API token") && wait.remedy.contains("domains:read_write"), "{wait:?}");
        let gate = Published { wanted: vec![wanted(SITE, "203.0.113.10")], linode: Some(linode) };
        let wait = wait_of(&host, &gate).await;
        assert!(!wait.soon && wait.remedy.contains("social.fedi-test.org.  300  IN  A"), "{wait:?}");
    }
}

#[tokio::test]
async fn a_token_that_can_only_read_is_enough_where_all_is_right() {
    let host = host(&[("A", "social", "203.0.113.10")]);
    host.machine().linode.scopes = "domains:read_only".into();
    assert_eq!(record(SITE).check(&host).await.unwrap(), Drift::none());
}

fn gate(linode: Option<Arc<Linode>>) -> Published {
    Published { wanted: vec![wanted(SITE, "203.0.113.10"), wanted(SITE, "2001:db8:88::10")], linode }
}

const BOTH: [(&str, &str, &str); 2] = [("A", "social", "203.0.113.10"), ("AAAA", "social", "2001:db8:88::10")];

#[tokio::test]
async fn published_once_every_server_says_so() {
    let host = host(&BOTH);
    host.machine().linode.unpublished = true;
    let wait = wait_of(&host, &gate(Some(api()))).await;
    assert_eq!(wait.what, "the A record of social.fedi-test.org to be 203.0.113.10 (ns1.linode.com: REFUSED)");
    assert!(wait.soon);
    host.machine().linode.unpublished = false;
    assert_eq!(gate(Some(api())).check(&host).await.unwrap(), Drift::none());
    assert_eq!(gate(None).check(&host).await.unwrap(), Drift::none());

    let key = "social.fedi-test.org A @198.51.100.4".to_owned();
    let stale = crate::host::Answer { answers: vec![served(SITE, RecordType::A, "203.0.113.99")], ..Default::default() };
    host.machine().dns.insert(key, stale);
    let wait = wait_of(&host, &gate(Some(api()))).await;
    assert_eq!(wait.what, "the A record of social.fedi-test.org to be 203.0.113.10 (ns4.linode.com says 203.0.113.99)");
}

#[tokio::test]
async fn a_family_that_we_do_not_have_must_not_be_there() {
    let host = host(&BOTH);
    let gate = Published { wanted: vec![wanted(SITE, "203.0.113.10")], linode: Some(api()) };
    let wait = wait_of(&host, &gate).await;
    assert!(wait.what.starts_with("the AAAA record of social.fedi-test.org to be removed"), "{wait:?}");
    let remedy = "remove the AAAA record of social.fedi-test.org in Cloud Manager";
    assert!(wait.remedy.starts_with(remedy) && !wait.soon, "{wait:?}");
}

#[tokio::test]
async fn without_a_token_the_zones_own_servers_are_asked() {
    let host = FakeHost::debian();
    host.machine().linode.delegated.insert("fedi-test.org".into(), vec!["ns1.other-dns.net".into()]);
    let wait = wait_of(&host, &gate(None)).await;
    assert_eq!(wait.what, "the A record of social.fedi-test.org to be 203.0.113.10 (ns1.other-dns.net says there is none)");
    assert!(wait.remedy.contains("    social.fedi-test.org.  300  IN  AAAA  2001:db8:88::10\n"), "{wait:?}");
    assert!(wait.remedy.contains("(it is served by ns1.other-dns.net)") && wait.soon, "{wait:?}");

    host.machine().linode.other = vec![
        served(SITE, RecordType::Cname, "web.fedi-test.org"),
        served("web.fedi-test.org", RecordType::A, "203.0.113.10"),
        served("web.fedi-test.org", RecordType::Aaaa, "2001:db8:88::10"),
    ];
    assert_eq!(gate(None).check(&host).await.unwrap(), Drift::none());
}

/// With a token, and nothing of it can come about by waiting.
#[tokio::test]
async fn what_the_registrar_must_change_is_told_at_once() {
    let elsewhere = host(&[]);
    elsewhere.machine().linode.delegated.insert("fedi-test.org".into(), vec!["ns1.other-dns.net".into()]);
    let nowhere = host(&BOTH);
    nowhere.machine().linode.delegated.clear();
    let signed = host(&BOTH);
    signed.machine().linode.signed.insert("fedi-test.org".into());
    for (host, what, remedy) in [
        (elsewhere, "fedi-test.org is delegated to ns1.other-dns.net", "enter the name servers ns1.linode.com, ns2.linode.com"),
        (nowhere, "the top-level domain's name servers do not know it", "enter the name servers ns1.linode.com"),
        (signed, "the DS record of fedi-test.org to be removed", "switch DNSSEC off"),
    ] {
        let wait = wait_of(&host, &gate(Some(api()))).await;
        assert!(wait.what.contains(what) && wait.remedy.contains(remedy) && !wait.soon, "{wait:?}");
    }
}

#[tokio::test]
async fn what_the_api_refuses_for_good_is_not_put_off() {
    let host = host(&[]);
    let full = r#"{"errors":[{"reason":"A domain may have at most 12000 active records"}]}"#;
    let resource = record(SITE);
    assert_eq!(resource.check(&host).await.unwrap().changes.len(), 1);
    host.machine().linode.faults.push_back(Fault::Answer(400, full));
    let error = resource.check(&host).await.unwrap_err();
    assert!(format!("{error:#}").contains("at most 12000 active records"), "{error:#}");
    assert!(crate::report::Problem::remedy_of(&error).unwrap().contains("Cloud Manager (Domains)"));
}
