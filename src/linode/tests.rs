use super::*;
use crate::host::fake::FakeHost;
use crate::host::fake::linode::Fault;

fn api() -> Linode {
    Linode::impatient("a".repeat(64).parse().unwrap())
}

fn record(name: &str, target: &str) -> ZoneRecord {
    ZoneRecord { kind: "A".into(), name: name.into(), target: target.into(), ..ZoneRecord::default() }
}

async fn host_with_zone() -> (FakeHost, Zone) {
    let host = FakeHost::debian();
    host.machine().linode.with_zone("fedi-test.org", &[]);
    let zone = api().zone_of(&host, "fedi-test.org").await.unwrap().unwrap();
    (host, zone)
}

#[tokio::test]
async fn the_longest_zone_holds_the_name() {
    let host = FakeHost::debian();
    for domain in ["fedi-test.org", "social.fedi-test.org", "notfedi-test.org"] {
        host.machine().linode.with_zone(domain, &[]);
    }
    for (name, zone) in [
        ("social.fedi-test.org", Some("social.fedi-test.org")),
        ("www.social.fedi-test.org", Some("social.fedi-test.org")),
        ("a.b.fedi-test.org", Some("fedi-test.org")),
        ("other.org", None),
    ] {
        let found = api().zone_of(&host, name).await.unwrap();
        assert_eq!(found.map(|zone| zone.domain).as_deref(), zone, "{name}");
    }
}

#[tokio::test]
async fn all_pages_are_read() {
    let host = FakeHost::debian();
    host.machine()
        .linode
        .with_zone("fedi-test.org", &[("A", "", "203.0.113.1"), ("A", "b", "203.0.113.2"), ("MX", "", "mail.fedi-test.org")]);
    let zone = api().zone_of(&host, "fedi-test.org").await.unwrap().unwrap();
    let targets: Vec<_> = api().records(&host, &zone).await.unwrap().into_iter().map(|record| record.target).collect();
    assert_eq!(targets, ["203.0.113.1", "203.0.113.2", "mail.fedi-test.org"]);
}

#[tokio::test]
async fn a_post_whose_answer_is_lost_makes_no_second_record() {
    let (host, zone) = host_with_zone().await;
    host.machine().linode.faults.push_back(Fault::Lost);
    api().create_record(&host, &zone, &record("social", "203.0.113.10")).await.unwrap();
    assert_eq!(host.machine().linode.all(), ["A social.fedi-test.org 203.0.113.10 300"]);
    assert_eq!(host.take_log().len(), 1);
}

#[tokio::test]
async fn a_zone_whose_answer_is_lost_is_found_again() {
    let host = FakeHost::debian();
    host.machine().linode.faults.push_back(Fault::Lost);
    let zone = api().create_zone(&host, "fedi-test.org", "me@other.org").await.unwrap();
    assert_eq!((zone.domain.as_str(), host.machine().linode.zones.len()), ("fedi-test.org", 1));
    assert_eq!(host.machine().linode.zones[0].body["ttl_sec"], TTL);
}

#[tokio::test]
async fn what_passes_is_tried_again_and_only_so_often() {
    let (host, zone) = host_with_zone().await;
    let passing = [(429, ""), (400, r#"{"errors":[{"reason":"Linode busy."}]}"#), (502, "<html>Bad Gateway</html>"), (503, "")];
    for (status, body) in passing {
        host.machine().linode.faults.push_back(Fault::Answer(status, body));
    }
    assert_eq!(api().records(&host, &zone).await.unwrap(), []);
    host.machine().linode.faults.extend(std::iter::repeat_n(Fault::Answer(503, ""), TRIES as usize));
    assert!(matches!(api().records(&host, &zone).await, Err(ApiError::Busy { .. })));
    assert!(host.machine().linode.faults.is_empty());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let (host, zone) = host_with_zone().await;
    let wrong = Linode::impatient("b".repeat(64).parse().unwrap());
    assert!(matches!(wrong.records(&host, &zone).await, Err(ApiError::BadToken { .. })));

    host.machine().linode.scopes = "linodes:read_only domains:read_only".into();
    let reader = api();
    assert!(reader.records(&host, &zone).await.is_ok());
    assert!(!reader.may_write());
    assert!(matches!(reader.create_record(&host, &zone, &record("", "203.0.113.10")).await, Err(ApiError::MissingScope { .. })));

    host.machine().linode.scopes = "linodes:read_write".into();
    assert!(matches!(api().records(&host, &zone).await, Err(ApiError::MissingScope { .. })));

    host.machine().linode.scopes = "*".into();
    host.machine().linode.elsewhere.insert("taken.org".into());
    let api = api();
    assert!(matches!(api.create_zone(&host, "taken.org", "me@other.org").await, Err(ApiError::ZoneElsewhere { .. })));
    assert!(api.may_write());
}

#[test]
fn names_and_targets_compare_as_the_api_means_them() {
    let zone = Zone { id: 1, domain: "Fedi-Test.org".into(), role: "master".into() };
    assert_eq!(zone.relative("fedi-test.org"), Some(String::new()));
    assert_eq!(zone.relative("a.b.fedi-test.org"), Some("a.b".into()));
    assert_eq!(zone.relative("notfedi-test.org"), None);
    for (name, relative) in [("", ""), ("WWW", "www"), ("www.fedi-test.org", "www"), ("fedi-test.org", "")] {
        assert!(record(name, "").is_at(relative, &zone), "{name}");
    }
    assert_eq!(record("", "2001:DB8:0::1").plain_target(), "2001:db8::1");
    assert_eq!(record("", "Web.Example.org.").plain_target(), "web.example.org");
}
