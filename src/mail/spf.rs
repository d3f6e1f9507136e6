//! Arithmetic with SPF records (RFC 7208): what one names, how many look-ups it takes, how several become one.

use std::collections::BTreeSet;

use crate::host::Probe;
use crate::report::harmless;

/// Look-ups that one evaluation may take; with more it ends in an error (RFC 7208 §4.6.4).
pub(super) const MOST_LOOKUPS: usize = 10;

/// Characters of one string of a TXT record (RFC 1035 §3.3); longer records stand in several (RFC 7208 §3.3).
const LONGEST_STRING: usize = 255;

/// What may stand before a mechanism (§4.6.1).
const QUALIFIERS: [char; 4] = ['+', '-', '~', '?'];

/// How far the evaluation of a record goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// Look-ups. Once they are too many, nothing more is followed, so that there may be still more.
    pub(super) lookups: usize,
    /// Whose records it includes, lower case.
    pub(super) names: BTreeSet<String>,
}

/// Those of the texts that are SPF records, as a zone file can hold them and a terminal show them: visible ASCII and blanks (§12).
pub(super) fn records(texts: &[String]) -> Vec<String> {
    let kept = |c: &char| (c.is_ascii_graphic() && !matches!(c, '"' | '\\')) || *c == ' ';
    let plain = texts.iter().map(|text| harmless(text).chars().filter(kept).collect::<String>());
    plain.filter(|text| text.split(' ').next().is_some_and(|version| version.eq_ignore_ascii_case("v=spf1"))).collect()
}

/// Follows every `include:` and `redirect=`. A name that cannot be looked up counts as one without a record.
pub(super) async fn reach(record: &str, probe: &dyn Probe) -> Reach {
    let mut reach = Reach::default();
    let mut ahead = vec![record.to_owned()];
    while let Some(record) = ahead.pop() {
        let has_all = terms(&record).any(is_all);
        for term in terms(&record).map(str::to_ascii_lowercase) {
            let unqualified = term.trim_start_matches(QUALIFIERS);
            let redirect = redirect(unqualified).filter(|_| !has_all);
            let other = unqualified.strip_prefix("include:").or(redirect);
            if other.is_none() && !matches!(unqualified.split([':', '/']).next(), Some("a" | "mx" | "ptr" | "exists")) {
                continue;
            }
            reach.lookups += 1;
            let Some(name) = other else { continue };
            if !term.starts_with(['-', '~', '?']) {
                reach.names.insert(name.to_owned());
            }
            if reach.lookups <= MOST_LOOKUPS {
                ahead.extend(records(&super::sender::texts(name, probe).await.unwrap_or_default()));
            }
        }
    }
    reach
}

/// Where a term sends whoever asks. Names of modifiers are the same in any case (RFC 7208, §4.6.1).
fn redirect(term: &str) -> Option<&str> {
    let (name, target) = term.split_once('=')?;
    name.eq_ignore_ascii_case("redirect").then_some(target)
}

/// One record that lets all of these and `include` send; what is said about everybody else stays, or is the mildest of what they say.
///
/// Other mail of the domain goes on as it did: no term is left out, but what never counts (`redirect=` beside `all`, §6.1).
pub(super) fn merged(records: &[&str], include: Option<&str>) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut last: Option<&str> = None;
    for record in records {
        let mut end = "?all";
        let has_all = terms(record).any(is_all);
        for term in terms(record) {
            match redirect(term) {
                _ if is_all(term) => end = term,
                Some(_) if has_all => {}
                Some(_) if records.len() == 1 => end = term,
                // Of one record among several, all that it lets send.
                Some(name) => add(&mut kept, format!("include:{name}")),
                None => add(&mut kept, term.to_owned()),
            }
        }
        last = Some(last.filter(|milder| mildness(milder) >= mildness(end)).unwrap_or(end));
    }
    if let Some(include) = include {
        add(&mut kept, format!("include:{include}"));
    }
    kept.push(last.unwrap_or("~all").to_owned());
    format!("v=spf1 {}", kept.join(" "))
}

/// Each once; of `exp=` only the first (§6).
fn add(kept: &mut Vec<String>, term: String) {
    let same = |other: &String| {
        other.trim_start_matches('+').eq_ignore_ascii_case(term.trim_start_matches('+'))
            || (other.to_ascii_lowercase().starts_with("exp=") && term.to_ascii_lowercase().starts_with("exp="))
    };
    if !kept.iter().any(same) {
        kept.push(term);
    }
}

/// The data of a TXT record, as a zone file has it.
pub(super) fn quoted(record: &str) -> String {
    let characters: Vec<_> = record.chars().collect();
    characters.chunks(LONGEST_STRING).map(|string| format!("\"{}\"", string.iter().collect::<String>())).collect::<Vec<_>>().join(" ")
}

/// All but the version.
fn terms(record: &str) -> impl Iterator<Item = &str> {
    record.split(' ').skip(1).filter(|term| !term.is_empty())
}

fn is_all(term: &str) -> bool {
    term.trim_start_matches(QUALIFIERS).eq_ignore_ascii_case("all")
}

/// How much the end of a record lets pass.
fn mildness(end: &str) -> usize {
    ["-", "~", "?"].iter().position(|qualifier| end.starts_with(qualifier)).unwrap_or(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn spf_records_become_one() {
        for (records, include, wanted) in [
            (&[][..], Some("x.org"), "v=spf1 include:x.org ~all"),
            (&["v=spf1 mx -all"], Some("x.org"), "v=spf1 mx include:x.org -all"),
            (&["v=spf1 mx"], Some("x.org"), "v=spf1 mx include:x.org ?all"),
            (&["v=spf1 mx  +include:X.org ?all"], Some("x.org"), "v=spf1 mx +include:X.org ?all"),
            (&["v=spf1 redirect=_spf.y.org"], Some("x.org"), "v=spf1 include:x.org redirect=_spf.y.org"),
            (&["v=spf1 Redirect=_spf.y.org"], Some("x.org"), "v=spf1 include:x.org Redirect=_spf.y.org"),
            (&["v=spf1 mx redirect=_spf.y.org -ALL"], Some("x.org"), "v=spf1 mx include:x.org -ALL"),
            (&["v=spf1 -all"], Some("x.org"), "v=spf1 include:x.org -all"),
            (&["v=spf1 mx -all", "v=spf1 a mx ~all"], Some("x.org"), "v=spf1 mx a include:x.org ~all"),
            (&["v=spf1 a ~all", "v=spf1 mx -all"], None, "v=spf1 a mx ~all"),
            (&["v=spf1 -all", "v=spf1 -all"], None, "v=spf1 -all"),
            (&["v=spf1 a -all", "v=spf1 redirect=_spf.y.org"], None, "v=spf1 a include:_spf.y.org ?all"),
            (&["v=spf1 redirect=y.org", "v=spf1 redirect=z.org"], None, "v=spf1 include:y.org include:z.org ?all"),
            (&["v=spf1 a exp=e.y.org -all", "v=spf1 exp=e.z.org -all"], None, "v=spf1 a exp=e.y.org -all"),
        ] {
            assert_eq!(merged(records, include), wanted, "{records:?}");
        }
    }

    #[tokio::test]
    async fn look_ups_are_counted_through_what_is_included() {
        let host = FakeHost::debian();
        host.machine().set_texts("y.org", &["v=spf1 include:z.org a:b.org mx/24 ip4:192.0.2.1 -all"]);
        host.machine().set_texts("z.org", &["no record of SPF", "v=spf1 exists:%{i}.z.org ?ptr -include:x.org ~all"]);
        host.machine().set_texts("loop.org", &["v=spf1 redirect=loop.org"]);
        for (record, lookups, names) in [
            ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all", 0, &[][..]),
            ("v=spf1 a mx -all", 2, &[]),
            ("v=spf1 include:unknown.org ~all", 1, &["unknown.org"]),
            ("v=spf1 +include:Z.org -all", 4, &["z.org"]),
            ("v=spf1 redirect=y.org -all", 0, &[]),
            ("v=spf1 mx redirect=y.org", 8, &["y.org", "z.org"]),
            ("v=spf1 include:loop.org", MOST_LOOKUPS + 1, &["loop.org"]),
        ] {
            let names = names.iter().map(ToString::to_string).collect();
            assert_eq!(reach(record, &host).await, Reach { lookups, names }, "{record}");
        }
    }

    #[test]
    fn a_long_record_stands_in_several_strings() {
        assert_eq!(quoted("v=spf1 -all"), "\"v=spf1 -all\"");
        let long = quoted(&"x".repeat(256));
        assert_eq!(long, format!("\"{}\" \"x\"", "x".repeat(255)));
    }

    #[test]
    fn what_is_no_record_or_would_be_obeyed_does_not_count() {
        let texts = ["v=spf10 a", "google-site-verification=x", "V=SPF1 m\u{1b}[2Jx \"-all", "v=spf1"].map(String::from);
        assert_eq!(records(&texts), ["V=SPF1 mx -all", "v=spf1"]);
    }
}
