//! What the sender's domain says in DNS about who may send for it: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489).

use super::Preset;
use crate::host::{Probe, Question, RecordType};
use crate::report::harmless;

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

/// What stands there for mail from `domain` through this provider's relay; `None` is a relay that is not known.
pub async fn standing(domain: &str, preset: Option<&Preset>, probe: &dyn Probe) -> [Standing; 3] {
    let (spf, dkim, dmarc) = tokio::join!(spf(domain, preset, probe), dkim(domain, preset, probe), dmarc(domain, probe));
    [spf, dkim, dmarc]
}

async fn spf(domain: &str, preset: Option<&Preset>, probe: &dyn Probe) -> Standing {
    let name = "SPF";
    let texts = match texts(domain, probe).await {
        Ok(texts) => texts,
        Err(why) => return Standing { name, says: unknown(domain, &why), advice: None },
    };
    let texts: Vec<_> = texts.iter().map(|text| plain(text)).collect();
    let found: Vec<_> = texts.iter().filter(|text| is_spf(text)).map(String::as_str).collect();
    let merged = merged(&found, preset.map(|preset| preset.spf));
    let record = |record: &str| format!("{domain}. TXT \"{record}\"");
    let advice = |what: &str| merged.as_ref().map(|text| Advice { what: what.to_owned(), record: record(text) });
    let (says, advice) = match (found.as_slice(), preset) {
        ([], Some(_)) => (format!("{domain} has no record"), advice("add")),
        ([], None) => (format!("{domain} has no record; your provider says what it must include"), None),
        ([_], None) => (format!("{domain} has one; whether your relay is in it cannot be seen from here"), None),
        ([one], Some(preset)) if includes(one, preset.spf) => (format!("{domain} lets {} send", preset.title), None),
        ([_], Some(preset)) => (format!("{domain} does not let {} send", preset.title), advice("replace the record of today by")),
        (several, _) => {
            (format!("{domain} has {} records, and more than one counts as none", several.len()), advice("replace all of them by this one"))
        }
    };
    Standing { name, says, advice }
}

/// As a zone file can hold it and a terminal show it: a record has visible ASCII and blanks only (RFC 7208 §12).
fn plain(text: &str) -> String {
    harmless(text).chars().filter(|c| (c.is_ascii_graphic() && !matches!(c, '"' | '\\')) || *c == ' ').collect()
}

fn is_spf(text: &str) -> bool {
    text.split(' ').next().is_some_and(|version| version.eq_ignore_ascii_case("v=spf1"))
}

/// Also by `redirect=`, as gmail.com itself does.
fn includes(record: &str, wanted: &str) -> bool {
    let wanted = [format!("include:{wanted}"), format!("redirect={wanted}")];
    let names = |term: &str| wanted.iter().any(|wanted| term.trim_start_matches('+').eq_ignore_ascii_case(wanted));
    record.split(' ').any(names)
}

/// One record that lets all of these and `include` send; what is said about everybody else stays. `None`: nothing to write.
///
/// Other mail of the domain goes on as it did: no term is left out.
fn merged(records: &[&str], include: Option<&str>) -> Option<String> {
    let mut terms: Vec<&str> = Vec::new();
    let mut last = None;
    for term in records.iter().flat_map(|record| record.split(' ').skip(1)).filter(|term| !term.is_empty()) {
        let bare = term.trim_start_matches(['+', '-', '~', '?']).to_ascii_lowercase();
        if bare == "all" || bare.starts_with("redirect=") {
            // A soft answer of one record must not become a hard one for what the other lets through.
            last = Some(last.filter(|kept: &&str| !kept.starts_with('-')).unwrap_or(term));
        } else if !terms.iter().any(|kept| kept.eq_ignore_ascii_case(term)) {
            terms.push(term);
        }
    }
    let include = include.map(|include| format!("include:{include}"));
    if let Some(include) = include.as_deref().filter(|include| !terms.iter().any(|term| term.trim_start_matches('+') == *include)) {
        terms.push(include);
    }
    (!terms.is_empty()).then(|| format!("v=spf1 {} {}", terms.join(" "), last.unwrap_or("~all")))
}

async fn dkim(domain: &str, preset: Option<&Preset>, probe: &dyn Probe) -> Standing {
    let standing = |says| Standing { name: "DKIM", says, advice: None };
    let Some(preset) = preset else {
        return standing("cannot be seen from here: only your provider knows the key's name".into());
    };
    if preset.selectors.is_empty() {
        return standing(format!("cannot be seen from here: {} shows the record for {domain}", preset.title));
    }
    let mut trouble = None;
    for selector in preset.selectors {
        match texts(&format!("{selector}._domainkey.{domain}"), probe).await {
            Ok(texts) if texts.iter().any(|text| text.contains("p=")) => {
                return standing(format!("{domain} publishes a key of {} ({selector})", preset.title));
            }
            Ok(_) => {}
            Err(why) => trouble = Some(why),
        }
    }
    standing(trouble.map_or_else(
        || format!("{domain} has no key under {}; {} shows what to add", preset.selectors.join(", "), preset.title),
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

async fn texts(name: &str, probe: &dyn Probe) -> Result<Vec<String>, String> {
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
    use crate::host::fake::FakeHost;
    use crate::host::{Answer, Record};

    fn tell(host: &FakeHost, name: &str, texts: &[&str]) {
        let record = |data: &&str| Record { name: name.into(), kind: RecordType::Txt, ttl: 300, data: (*data).to_owned() };
        let answer = Answer { answers: texts.iter().map(record).collect(), ..Answer::default() };
        host.machine().dns.insert(format!("{name} Txt"), answer);
    }

    #[test]
    fn spf_records_become_one() {
        for (records, include, wanted) in [
            (&[][..], None, None),
            (&[], Some("x.org"), Some("v=spf1 include:x.org ~all")),
            (&["v=spf1 mx -all"], Some("x.org"), Some("v=spf1 mx include:x.org -all")),
            (&["v=spf1 mx  include:x.org ?all"], Some("x.org"), Some("v=spf1 mx include:x.org ?all")),
            (&["v=spf1 redirect=_spf.y.org"], Some("x.org"), Some("v=spf1 include:x.org redirect=_spf.y.org")),
            (&["v=spf1 mx -all", "v=spf1 a mx ~all"], Some("x.org"), Some("v=spf1 mx a include:x.org ~all")),
            (&["v=spf1 a ~all", "v=spf1 mx -all"], None, Some("v=spf1 a mx ~all")),
            (&["v=spf1 -all"], Some("x.org"), Some("v=spf1 include:x.org -all")),
        ] {
            assert_eq!(merged(records, include).as_deref(), wanted, "{records:?}");
        }
    }

    #[tokio::test]
    async fn what_stands_there_and_what_to_change() {
        let (host, fastmail) = (FakeHost::debian(), Preset::named("fastmail"));
        let shown = async |domain: &str, preset| {
            let shown = standing(domain, preset, &host).await;
            let line = |one: &Standing| {
                let record = one.advice.as_ref().map(|advice| format!(" | {}: {}", advice.what, advice.record));
                format!("{}: {}{}", one.name, one.says, record.unwrap_or_default())
            };
            shown.iter().map(line).collect::<Vec<_>>().join("\n")
        };
        let bare = shown("social.a.org", fastmail).await;
        assert!(
            bare.contains("SPF: social.a.org has no record | add: social.a.org. TXT \"v=spf1 include:spf.messagingengine.com ~all\""),
            "{bare}"
        );
        assert!(bare.contains("no key under fm1, fm2, fm3"), "{bare}");
        assert!(bare.contains("DMARC: social.a.org has no policy | add: _dmarc.social.a.org. TXT \"v=DMARC1; p=none\""), "{bare}");

        tell(&host, "social.a.org", &["google-site-verification=x", "v=spf1 mx -all\u{1b}[2J"]);
        tell(&host, "_dmarc.a.org", &["v=DMARC1; p=reject"]);
        tell(&host, "fm2._domainkey.social.a.org", &["v=DKIM1; k=rsa; p=AA"]);
        let some = shown("social.a.org", fastmail).await;
        assert!(some.contains("does not let Fastmail send | replace the record of today by: "), "{some}");
        assert!(
            some.contains("a key of Fastmail (fm2)") && some.contains("DMARC: a.org has a policy") && !some.contains('\u{1b}'),
            "{some}"
        );

        tell(&host, "social.a.org", &["v=spf1 include:spf.messagingengine.com -all"]);
        assert!(shown("social.a.org", fastmail).await.contains("SPF: social.a.org lets Fastmail send\n"));

        tell(&host, "social.a.org", &["v=spf1 redirect=spf.messagingengine.com"]);
        assert!(shown("social.a.org", fastmail).await.contains("SPF: social.a.org lets Fastmail send\n"));
        assert!(shown("social.a.org", None).await.contains("cannot be seen from here"));
        tell(&host, "social.a.org", &["v=spf1 a -all", "V=SPF1 mx -all", "v=spf10 x"]);
        assert!(
            shown("social.a.org", None)
                .await
                .contains("has 2 records, and more than one counts as none | replace all of them by this one: ")
        );

        host.machine().dns.insert("social.a.org Txt".into(), Answer { failure: Some("SERVFAIL".into()), ..Answer::default() });
        assert!(shown("social.a.org", fastmail).await.contains("SPF: social.a.org could not be looked up (SERVFAIL)"));
    }
}
