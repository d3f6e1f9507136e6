//! Host names.

use std::net::IpAddr;
use std::str::FromStr;

use super::{name_of, text_type};

text_type!(
    /// A host name of at least two labels, lower case, punycode, no final dot.
    DomainName
);

impl DomainName {
    /// The name of a label below this one: `www` under `example.org` is `www.example.org`.
    ///
    /// # Panics
    /// If `label` is no label; it is always a constant.
    #[must_use]
    pub fn under(&self, label: &str) -> Self {
        self.below(label).expect("a constant label")
    }

    /// The name that a subdomain as typed makes below this one.
    pub fn below(&self, subdomain: &str) -> Result<Self, String> {
        format!("{subdomain}.{}", self.0).parse()
    }

    /// Whether this name is `zone` or below it.
    pub fn is_within(&self, zone: &str) -> bool {
        self.0 == zone || self.0.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
    }

    /// Why no public certificate authority can ever vouch for this name, if so (RFC 6761, 6762, 7686, 8375, 9476).
    pub fn never_public(&self) -> Option<String> {
        const SPECIAL: [&str; 11] =
            ["alt", "example", "home.arpa", "internal", "invalid", "lan", "local", "localdomain", "localhost", "onion", "test"];
        let ending = SPECIAL.into_iter().find(|ending| self.is_within(ending))?;
        Some(format!("ends in .{ending}, which no public certificate can name; give a name of a domain that you registered"))
    }
}

impl FromStr for DomainName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = text.strip_suffix('.').unwrap_or(text);
        refuse_other_things(text)?;
        let name = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::EMPTY)
            .map_err(|_| "is not a valid international name; its form in plain letters (xn--…) can be given instead".to_owned())?
            .into_owned();
        check_labels(&name)?;
        Ok(Self(name))
    }
}

/// What people give instead of a name.
fn refuse_other_things(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty; give a name such as social.example.org".into());
    }
    if text.contains("://") || text.contains('/') {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let name = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
        return Err(format!("is a web address; give only the name: {}", if name.is_empty() { "social.example.org" } else { name }));
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err("is an IP address; give a name such as social.example.org".into());
    }
    if let Some((_, name)) = text.rsplit_once('@') {
        return Err(format!("is an e-mail address or a handle; give only the name after the @: {name}"));
    }
    if text.contains(':') {
        return Err("has a port or a colon; give only the name, without `:`".into());
    }
    match text.chars().find(|c| !(c.is_alphanumeric() || *c == '-' || *c == '.' || is_mark(*c))) {
        Some(c) => Err(format!("contains {}; a name has letters, digits, hyphens and dots only", name_of(c))),
        None => Ok(()),
    }
}

/// Characters that are no letters, but stand in names of some scripts: combining marks, joiners, middle dots, other full stops.
fn is_mark(c: char) -> bool {
    !c.is_ascii() && !c.is_whitespace() && !c.is_control() && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202F}' | '\u{FEFF}')
}

fn check_labels(name: &str) -> Result<(), String> {
    if name.len() > 253 {
        return Err(format!("is {} characters long; at most 253 are possible", name.len()));
    }
    let labels: Vec<_> = name.split('.').collect();
    for label in &labels {
        if label.is_empty() {
            return Err("has two dots in a row or begins with a dot".into());
        }
        if label.len() > 63 {
            return Err(format!("has a part of {} characters between two dots; at most 63 are possible", label.len()));
        }
        if let Some(c) = label.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '-')) {
            return Err(format!("contains {}; a name has letters, digits, hyphens and dots only", name_of(c)));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(format!("has the part `{label}`, which begins or ends with a hyphen"));
        }
    }
    match labels.as_slice() {
        [_] => Err("is a single word; give a full name such as social.example.org".into()),
        [.., last] if last.chars().all(|c| c.is_ascii_digit()) => {
            Err("ends in a number, so it is no name; give one such as social.example.org".into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::table;
    use super::*;

    #[test]
    fn names_and_what_is_given_instead() {
        table::<DomainName>(&[
            ("social.example.org", "social.example.org"),
            (" Social.EXAMPLE.org.\n", "social.example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("a-b.co", "a-b.co"),
            ("203-0-113-0.ip.linodeusercontent.com", "203-0-113-0.ip.linodeusercontent.com"),
            ("", "!is empty"),
            ("  ", "!is empty"),
            ("https://social.example.org/about", "!is a web address; give only the name: social.example.org"),
            ("http://x.org:80", "!give only the name: x.org"),
            ("social.example.org/", "!is a web address; give only the name: social.example.org"),
            ("203.0.113.10", "!is an IP address"),
            ("2001:db8::1", "!is an IP address"),
            ("alice@example.org", "!give only the name after the @: example.org"),
            ("example.org:443", "!has a port"),
            ("example", "!is a single word"),
            ("example.123", "!ends in a number"),
            ("a..b.org", "!two dots in a row"),
            (".example.org", "!begins with a dot"),
            ("-a.example.org", "!hyphen"),
            ("a_b.example.org", "!contains `_`"),
            ("my site.org", "!contains a space"),
            ("\"example.org\"", "!contains `\"`"),
            ("exam\u{200b}ple.org", "!U+200B"),
        ]);
        let long = format!("{}.org", "a".repeat(64));
        table::<DomainName>(&[(&long, "!a part of 64 characters")]);
        let longer = format!("{}org", "abcdefgh.".repeat(30));
        table::<DomainName>(&[(&longer, "!is 273 characters long")]);
    }

    #[test]
    fn within_is_by_whole_labels() {
        let name: DomainName = "social.example.org".parse().expect("a name");
        let found = ["social.example.org", "example.org", "org", "ample.org", "x.social.example.org"].map(|zone| name.is_within(zone));
        assert_eq!(found, [true, true, true, false, false]);
    }

    #[test]
    fn special_endings_are_never_public() {
        for (name, never) in [("a.local", true), ("x.home.arpa", true), ("x.test", true), ("example.org", false), ("local.org", false)] {
            assert_eq!(name.parse::<DomainName>().expect("a name").never_public().is_some(), never, "{name}");
        }
    }

    proptest! {
        #[test]
        fn accepted_text_round_trips(text in "[a-zA-Z0-9ü.-]{1,40}|\\PC{0,20}") {
            if let Ok(name) = text.parse::<DomainName>() {
                prop_assert!(name.as_str().is_ascii());
                prop_assert_eq!(name.as_str().parse::<DomainName>(), Ok(name.clone()));
            }
        }
    }
}
