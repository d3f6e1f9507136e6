//! What the sender's domain says in DNS about who may send for it: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489).

use super::{Preset, ReturnPath, address, spf};
use crate::host::{Probe, Question, RecordType};
use crate::settings::Smtp;

/// One of the three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `SPF`, `DKIM`, `DMARC`.
    pub name: &'static str,
    /// What is so.
    pub says: String,
    /// What would be better.
    pub advice: Option<Advice>,
}

/// A record to make or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// In words, before the record.
    pub what: String,
    /// Owner name, type and data in one line, as a zone file has it.
    pub record: String,
}

/// What stands there for mail of this relay.
pub async fn standing(smtp: &Smtp, probe: &dyn Probe) -> Vec<Standing> {
    let preset = Preset::of_server(smtp.server.as_str());
    let domain = domain_of(address(&smtp.from));
    if let Some(preset) = preset.filter(|preset| preset.own_domains.contains(&domain.to_ascii_lowercase().as_str())) {
        let says = format!("{domain} is a domain of {}'s own, which writes its records", preset.title);
        return vec![Standing { name: "SPF", says, advice: None }];
    }
    let (spf, dkim, dmarc) = tokio::join!(spf(domain, &smtp.login, preset, probe), dkim(domain, preset, probe), dmarc(domain, probe));
    vec![spf, dkim, dmarc]
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain)
}

async fn spf(sender: &str, login: &str, preset: Option<&Preset>, probe: &dyn Probe) -> Standing {
    let standing = |says| Standing { name: "SPF", says, advice: None };
    match preset.map(|preset| (preset.title, preset.return_path)) {
        None => spf_of(sender, None, probe).await,
        Some((title, ReturnPath::Provider)) => {
            standing(format!("needs no record at {sender}: bounces go to a domain that {title} looks after, so DKIM counts"))
        }
        Some((title, ReturnPath::Login(include))) => spf_of(domain_of(login), Some((title, include)), probe).await,
        Some((title, ReturnPath::Sender(include))) => spf_of(sender, Some((title, include)), probe).await,
    }
}

/// What the record of the domain that bounces go to says about a provider, and what it must include for it.
async fn spf_of(domain: &str, provider: Option<(&str, &str)>, probe: &dyn Probe) -> Standing {
    let standing = |says, advice| Standing { name: "SPF", says, advice };
    let found = match texts(domain, probe).await {
        Ok(texts) => spf::records(&texts),
        Err(why) => return standing(unknown(domain, &why), None),
    };
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    let (says, what) = match (found.as_slice(), provider) {
        ([], None) => return standing(format!("{domain} has no record; your provider says what it must include"), None),
        ([_], None) => return standing(format!("{domain} has one; whether your relay is in it cannot be seen from here"), None),
        ([], Some(_)) => (format!("{domain} has no record"), "add"),
        ([one], Some((title, include))) => match spf::reach(one, probe).await {
            reach if !reach.names.contains(include) => {
                (format!("{domain} names no include:{include} itself, which {title} asks for"), "replace the record of today by")
            }
            reach if reach.lookups > spf::MOST_LOOKUPS => return standing(too_many(&format!("the record of {domain}")), None),
            _ => return standing(format!("{domain} lets {title} send"), None),
        },
        (several, _) => {
            (format!("{domain} has {} records, and more than one counts as none", several.len()), "replace all of them by this one")
        }
    };
    let merged = spf::merged(&found, provider.map(|(_, include)| include));
    if spf::reach(&merged, probe).await.lookups > spf::MOST_LOOKUPS {
        return standing(format!("{says}; {}", too_many("one for all that it lets send")), None);
    }
    let record = format!("{domain}. TXT {}", spf::quoted(&merged));
    standing(says, Some(Advice { what: what.to_owned(), record }))
}

fn too_many(what: &str) -> String {
    format!("{what} takes more than {} look-ups, which is an error: take out who sends no more", spf::MOST_LOOKUPS)
}

async fn dkim(domain: &str, preset: Option<&Preset>, probe: &dyn Probe) -> Standing {
    let standing = |says| Standing { name: "DKIM", says, advice: None };
    let Some(Preset { title, dkim, selectors, .. }) = preset else {
        return standing("cannot be seen from here: only your provider knows the key's name".into());
    };
    if selectors.is_empty() {
        return standing(format!(
            "cannot be seen from here: {title} shows the records to add for {domain} ({dkim}), and whether they are there"
        ));
    }
    let mut trouble = None;
    for selector in *selectors {
        match texts(&format!("{selector}._domainkey.{domain}"), probe).await {
            Ok(texts) if texts.iter().any(|text| text.contains("p=")) => {
                return standing(format!("{domain} publishes a key of {title} ({selector})"));
            }
            Ok(_) => {}
            Err(why) => trouble = Some(why),
        }
    }
    standing(trouble.map_or_else(
        || format!("{domain} has no key under {}; {title} shows the records to add ({dkim})", selectors.join(", ")),
        |why| unknown(domain, &why),
    ))
}

/// A domain without a policy has its parents' (RFC 7489 §6.6.3 asks the organisation's domain).
async fn dmarc(domain: &str, probe: &dyn Probe) -> Standing {
    let name = "DMARC";
    let parents = std::iter::successors(Some(domain), |name| name.split_once('.').map(|(_, parent)| parent));
    for holder in parents.filter(|name| name.contains('.')) {
        match texts(&format!("_dmarc.{holder}"), probe).await {
            Ok(texts) if texts.iter().any(|text| text.to_ascii_lowercase().starts_with("v=dmarc1")) => {
                return Standing { name, says: format!("{holder} has a policy"), advice: None };
            }
            Ok(_) => {}
            Err(why) => return Standing { name, says: unknown(holder, &why), advice: None },
        }
    }
    let record = format!("_dmarc.{domain}. TXT \"v=DMARC1; p=none\"");
    Standing { name, says: format!("{domain} has no policy"), advice: Some(Advice { what: "add".into(), record }) }
}

fn unknown(name: &str, why: &str) -> String {
    format!("{name} could not be looked up ({why})")
}

/// What stands there as text.
pub(super) async fn texts(name: &str, probe: &dyn Probe) -> Result<Vec<String>, String> {
    let question = Question { server: None, name: name.to_owned(), kind: RecordType::Txt };
    let answer = probe.dns(&question).await.map_err(|error| error.to_string())?;
    if let Some(failure) = answer.failure {
        return Err(failure);
    }
    Ok(answer.answers.into_iter().filter(|record| record.kind == RecordType::Txt).map(|record| record.data).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Answer;
    use crate::host::fake::FakeHost;

    /// What is told about mail of `login` through `server` from `domain`, a line each.
    async fn told(host: &FakeHost, server: &str, login: &str, domain: &str) -> String {
        let from = format!("Mastodon <a@{domain}>");
        let smtp = Smtp { server: server.parse().unwrap(), port: 587, login: login.into(), password: "hunter22".into(), from };
        let line = |one: &Standing| {
            let record = one.advice.as_ref().map(|advice| format!(" | {}: {}", advice.what, advice.record));
            format!("{}: {}{}", one.name, one.says, record.unwrap_or_default())
        };
        standing(&smtp, host).await.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    async fn through_fastmail(host: &FakeHost) -> String {
        told(host, "smtp.fastmail.com", "me@fastmail.com", "social.a.org").await
    }

    #[tokio::test]
    async fn what_stands_there_and_what_to_change() {
        let host = FakeHost::debian();
        let bare = through_fastmail(&host).await;
        for part in [
            "SPF: social.a.org has no record | add: social.a.org. TXT \"v=spf1 include:spf.messagingengine.com ~all\"",
            "DKIM: social.a.org has no key under fm1, fm2, fm3; Fastmail shows the records to add (three CNAME records)",
            "DMARC: social.a.org has no policy | add: _dmarc.social.a.org. TXT \"v=DMARC1; p=none\"",
        ] {
            assert!(bare.contains(part), "{part}: {bare}");
        }

        host.machine().set_texts("social.a.org", &["google-site-verification=x", "v=spf1 mx -all\u{1b}[2J"]);
        host.machine().set_texts("_dmarc.a.org", &["v=DMARC1; p=reject"]);
        host.machine().set_texts("fm2._domainkey.social.a.org", &["v=DKIM1; k=rsa; p=AA"]);
        let some = through_fastmail(&host).await;
        for part in [
            "names no include:spf.messagingengine.com itself, which Fastmail asks for | replace the record of today by: ",
            "a key of Fastmail (fm2)",
            "DMARC: a.org has a policy",
        ] {
            assert!(some.contains(part), "{part}: {some}");
        }
        assert!(!some.contains('\u{1b}'), "{some}");
        assert!(told(&host, "smtp.b.org", "me", "social.a.org").await.contains("cannot be seen from here"));

        host.machine().set_texts("social.a.org", &["v=spf1 a -all", "V=SPF1 mx -all", "v=spf10 x"]);
        let several = told(&host, "smtp.b.org", "me", "social.a.org").await;
        assert!(several.contains("has 2 records, and more than one counts as none | replace all of them by this one: "), "{several}");

        host.machine().dns.insert("social.a.org Txt".into(), Answer { failure: Some("SERVFAIL".into()), ..Answer::default() });
        assert!(through_fastmail(&host).await.contains("SPF: social.a.org could not be looked up (SERVFAIL)"));
    }

    #[tokio::test]
    async fn a_provider_is_let_in_by_what_is_included_too() {
        let host = FakeHost::debian();
        host.machine().set_texts("_spf.a.org", &["v=spf1 include:spf.messagingengine.com -all"]);
        for record in ["include:spf.messagingengine.com -all", "redirect=spf.messagingengine.com", "mx include:_spf.a.org -all"] {
            host.machine().set_texts("social.a.org", &[&format!("v=spf1 {record}")]);
            let told = through_fastmail(&host).await;
            assert!(told.contains("SPF: social.a.org lets Fastmail send\n"), "{record}: {told}");
        }
    }

    #[tokio::test]
    async fn no_record_is_advised_that_would_be_an_error() {
        let host = FakeHost::debian();
        let names = |count: usize| (0..count).map(|n| format!("a:{n}.b.org ")).collect::<Vec<_>>().concat();
        host.machine().set_texts("social.a.org", &[&format!("v=spf1 {}-all", names(10))]);
        let told = through_fastmail(&host).await;
        assert!(told.contains("itself, which Fastmail asks for; one for all that it lets send takes more than 10 look-ups"), "{told}");
        assert!(!told.contains("| replace"), "{told}");
        host.machine().set_texts("social.a.org", &[&format!("v=spf1 {}include:spf.messagingengine.com -all", names(10))]);
        assert!(through_fastmail(&host).await.contains("SPF: the record of social.a.org takes more than 10 look-ups"));
        host.machine().set_texts("social.a.org", &[&format!("v=spf1 {}-all", names(9))]);
        assert!(through_fastmail(&host).await.contains(" include:spf.messagingengine.com -all\""));
    }

    #[tokio::test]
    async fn the_record_that_counts_is_the_one_of_the_return_path() {
        let host = FakeHost::debian();
        for (server, login, domain, part) in [
            ("smtp.postmarkapp.com", "key", "a.org", "SPF: needs no record at a.org: bounces go to a domain that Postmark looks after"),
            ("smtp.sendgrid.net", "apikey", "a.org", "SPF: needs no record at a.org"),
            ("email-smtp.eu-west-1.amazonaws.com", "key", "a.org", "Amazon SES shows the records to add for a.org (three CNAME records)"),
            ("smtp.mailgun.org", "postmaster@mg.a.org", "a.org", "| add: mg.a.org. TXT \"v=spf1 include:mailgun.org ~all\""),
            ("smtp.gmail.com", "me@a.org", "a.org", "| add: a.org. TXT \"v=spf1 include:_spf.google.com ~all\""),
        ] {
            let told = told(&host, server, login, domain).await;
            assert!(told.contains(part), "{part}: {told}");
        }
        let gmail = told(&host, "smtp.gmail.com", "me@gmail.com", "Gmail.com").await;
        assert_eq!(gmail, "SPF: Gmail.com is a domain of Gmail's own, which writes its records");
    }
}
