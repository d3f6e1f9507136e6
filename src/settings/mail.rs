//! Whether a domain can receive mail, by Mastodon's own rule (mastodon.md §4.3).

use crate::host::{Probe, Question, RecordType, Result};

/// Why the domain of an address cannot receive mail, or `None` if it can.
///
/// `ours` are the names whose records this program makes: they will have an address. Inside `zone` (with a token) Linode's name servers are
/// asked when the world does not know the domain yet, since the delegation may come later.
pub(crate) async fn why_unreachable(domain: &str, ours: &[String], zone: Option<&str>, probe: &dyn Probe) -> Result<Option<String>> {
    let within = |zone: &str| domain == zone || domain.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'));
    let found = look(domain, ours, None, probe).await?;
    if found.is_none() || !zone.is_some_and(within) {
        return Ok(found);
    }
    let Some(server) = lookup("ns1.linode.com", RecordType::A, None, probe).await?.into_iter().find_map(|data| data.parse().ok()) else {
        return Ok(found);
    };
    // A server that does not know the zone yet refuses; what the world said stands then.
    Ok(look(domain, ours, Some(server), probe).await.unwrap_or(found))
}

async fn look(domain: &str, ours: &[String], server: Option<std::net::IpAddr>, probe: &dyn Probe) -> Result<Option<String>> {
    let exchangers = lookup(domain, RecordType::Mx, server, probe).await?;
    // The root, a null MX, is an empty name.
    let hosts: Vec<_> = exchangers.iter().map(|data| data.split_whitespace().nth(1).unwrap_or_default().trim_end_matches('.')).collect();
    if !hosts.is_empty() && hosts.iter().all(|host| host.is_empty()) {
        return Ok(Some(format!("is an address at {domain}, which says that it takes no mail (null MX)")));
    }
    if ours.iter().any(|name| name == domain) {
        return Ok(None);
    }
    for name in std::iter::once(domain).chain(hosts.iter().copied().filter(|host| !host.is_empty())) {
        // Only the domain's own records stand at the given server.
        let server = server.filter(|_| name == domain);
        for kind in [RecordType::A, RecordType::Aaaa] {
            if !lookup(name, kind, server, probe).await?.is_empty() || ours.iter().any(|our| our == name) {
                return Ok(None);
            }
        }
    }
    let why = if hosts.is_empty() {
        "has neither a mail server (MX) nor an address in DNS"
    } else {
        "has mail servers without an address in DNS"
    };
    Ok(Some(format!("is an address at {domain}, which {why}, so it cannot receive mail; give one that can")))
}

async fn lookup(name: &str, kind: RecordType, server: Option<std::net::IpAddr>, probe: &dyn Probe) -> Result<Vec<String>> {
    let answer = probe.dns(&Question { server, name: name.to_owned(), kind }).await?;
    if let Some(failure) = answer.failure {
        let server = server.map_or_else(|| "the resolver".to_owned(), |server| server.to_string());
        return Err(crate::host::HostError::Dns { name: name.to_owned(), server, reason: failure });
    }
    Ok(answer.answers.into_iter().filter(|record| record.kind == kind).map(|record| record.data).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::host::{Answer, Record};

    fn tell(host: &FakeHost, question: &str, data: &[&str]) {
        let kind = match question.split(' ').nth(1) {
            Some("Mx") => RecordType::Mx,
            Some("Aaaa") => RecordType::Aaaa,
            _ => RecordType::A,
        };
        let record = |data: &&str| Record { name: String::new(), kind, ttl: 300, data: (*data).to_owned() };
        let answer = Answer { answers: data.iter().map(record).collect(), ..Answer::default() };
        host.machine().dns.insert(question.to_owned(), answer);
    }

    #[tokio::test]
    async fn domains() {
        let host = FakeHost::debian();
        tell(&host, "good.org Mx", &["10 mx.good.org"]);
        tell(&host, "mx.good.org Aaaa", &["2001:db8::25"]);
        tell(&host, "only-a.org A", &["203.0.113.1"]);
        tell(&host, "null.org Mx", &["0 ."]);
        tell(&host, "null.org A", &["203.0.113.1"]);
        tell(&host, "null-2.org Mx", &["0 "]);
        tell(&host, "dead.org Mx", &["10 mx.dead.org"]);
        tell(&host, "our.org Mx", &["10 social.our.org"]);
        tell(&host, "ns1.linode.com A", &["198.51.100.1"]);
        tell(&host, "later.org Mx @198.51.100.1", &["10 mx.good.org"]);
        host.machine().dns.insert("ill.org Mx".into(), Answer { failure: Some("SERVFAIL".into()), ..Answer::default() });
        let ours = ["social.our.org".to_owned(), "www.nowhere.org".into()];
        for (domain, zone, wanted) in [
            ("good.org", None, None),
            ("only-a.org", None, None),
            ("null.org", None, Some("null MX")),
            ("null-2.org", None, Some("null MX")),
            ("dead.org", None, Some("mail servers without an address")),
            ("nowhere.org", None, Some("neither a mail server (MX) nor an address")),
            ("nowhere.org", Some("nowhere.org"), Some("neither a mail server")),
            ("www.nowhere.org", Some("nowhere.org"), None),
            ("our.org", None, None),
            ("later.org", None, Some("neither a mail server")),
            ("later.org", Some("later.org"), None),
        ] {
            let found = why_unreachable(domain, &ours, zone, &host).await.expect("an answer");
            assert_eq!(found.is_some(), wanted.is_some(), "{domain}: {found:?}");
            assert!(found.unwrap_or_default().contains(wanted.unwrap_or_default()), "{domain}");
        }
        assert!(why_unreachable("ill.org", &ours, None, &host).await.is_err());
    }
}
