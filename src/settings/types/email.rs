//! E-mail addresses.

use std::str::FromStr;

use super::{DomainName, name_of, text_type};

text_type!(
    /// A plain address, `local@domain`, in lower case: Mastodon folds the whole address when it signs someone in (mastodon.md §4.4), so one
    /// spelling has to serve everywhere.
    EmailAddress
);

impl EmailAddress {
    /// What stands after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl FromStr for EmailAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("is empty; give an address such as alice@example.org".into());
        }
        if text.contains(['<', '>']) || text.to_ascii_lowercase().starts_with("mailto:") {
            return Err("has more than the address; give only what looks like alice@example.org".into());
        }
        let (local, domain) = text.rsplit_once('@').ok_or("has no @; give an address such as alice@example.org")?;
        check_local(local)?;
        let domain: DomainName = domain.parse().map_err(|problem| format!("has the domain `{domain}`, which {problem}"))?;
        let address = format!("{}@{domain}", local.to_ascii_lowercase());
        if address.len() > 254 {
            return Err(format!("is {} characters long; at most 254 are possible", address.len()));
        }
        Ok(Self(address))
    }
}

/// A dot-atom of RFC 5322; quoted forms are refused, since no mail provider issues them, and so are braces and the backtick, which a
/// Caddyfile cannot carry (see [`escape`](crate::assets::escape)).
fn check_local(local: &str) -> Result<(), String> {
    if local.is_empty() {
        return Err("has nothing before the @".into());
    }
    if local.len() > 64 {
        return Err(format!("has {} characters before the @; at most 64 are possible", local.len()));
    }
    if let Some(c) = local.chars().find(|c| !(c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_|~.".contains(*c))) {
        return Err(format!("contains {} before the @", name_of(c)));
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err("has a dot at the beginning or end of the part before the @, or two in a row".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::table;
    use super::*;

    #[test]
    fn addresses_and_what_is_given_instead() {
        table::<EmailAddress>(&[
            ("alice@example.org", "alice@example.org"),
            (" Alice.B+tag@Example.ORG ", "alice.b+tag@example.org"),
            ("a!#$%&*+-/=?^_|~@example.org", "a!#$%&*+-/=?^_|~@example.org"),
            ("o'neil@example.org", "o'neil@example.org"),
            ("a{b@example.org", "!contains `{` before the @"),
            ("a}b@example.org", "!contains `}` before the @"),
            ("a`b@example.org", "!contains ``` before the @"),
            ("a\\b@example.org", "!contains `\\` before the @"),
            ("a@bücher.example", "a@xn--bcher-kva.example"),
            ("", "!is empty"),
            ("alice", "!has no @"),
            ("@example.org", "!nothing before the @"),
            ("alice@", "!is empty"),
            ("alice@localhost", "!is a single word"),
            ("alice@https://example.org", "!is a web address"),
            ("Alice <alice@example.org>", "!give only what looks like"),
            ("mailto:alice@example.org", "!give only what looks like"),
            ("a b@example.org", "!contains a space"),
            ("a@b@example.org", "!contains `@`"),
            ("\"a\"@example.org", "!contains `\"`"),
            (".a@example.org", "!dot"),
            ("a..b@example.org", "!dot"),
        ]);
        let long = format!("{}@example.org", "a".repeat(65));
        table::<EmailAddress>(&[(&long, "!65 characters before")]);
    }

    proptest! {
        #[test]
        fn accepted_text_round_trips(text in "[a-zA-Z0-9.+]{1,10}@[a-zA-Z0-9.-]{1,20}|\\PC{0,20}") {
            if let Ok(address) = text.parse::<EmailAddress>() {
                prop_assert_eq!(address.as_str().parse::<EmailAddress>(), Ok(address.clone()));
            }
        }
    }
}
