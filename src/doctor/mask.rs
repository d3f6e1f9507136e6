//! Hides what a text must not tell strangers: secrets, addresses of people, addresses of visitors.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use crate::report::Redactor;

/// Makes a text fit to be shown to anybody.
pub struct Mask {
    redactor: Arc<Redactor>,
    own: Vec<IpAddr>,
}

impl Mask {
    /// Hides what the redactor knows, every e-mail address, and every public IP address but the machine's own.
    pub fn new(redactor: Arc<Redactor>, own: Vec<IpAddr>) -> Self {
        Self { redactor, own }
    }

    /// The text without them.
    pub fn clean(&self, text: &str) -> String {
        let text = self.redactor.clean(text);
        let mut clean = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let in_word = |c: char| c.is_alphanumeric() || "@.:-_+%".contains(c);
            let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            clean.push_str(&self.word(word));
            let next = after.chars().next().map_or(0, char::len_utf8);
            clean.push_str(&after[..next]);
            rest = &after[next..];
        }
        clean
    }

    /// The same in every text of a value, names of members included. (Masked as text, JSON would lose its escapes, and keep what they hide.)
    pub fn clean_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.clean(&text)),
            Value::Array(values) => values.into_iter().map(|value| self.clean_json(value)).collect(),
            Value::Object(members) => members.into_iter().map(|(name, value)| (self.clean(&name), self.clean_json(value))).collect(),
            other => other,
        }
    }

    fn word(&self, word: &str) -> String {
        let bare = word.trim_end_matches(['.', ':']);
        let end = &word[bare.len()..];
        if is_mailbox(bare) {
            return format!("[e-mail address]{end}");
        }
        let (host, port) = match bare.rsplit_once(':') {
            Some((host, port)) if host.parse::<std::net::Ipv4Addr>().is_ok() => (host, format!(":{port}")),
            _ => (bare, String::new()),
        };
        match host.parse::<IpAddr>() {
            Ok(address) if !self.own.contains(&address) && !is_local(address) => format!("[address]{port}{end}"),
            _ => word.to_owned(),
        }
    }
}

/// `name@domain` with a dot behind the `@`; not `@name@domain`, which is a public handle.
fn is_mailbox(word: &str) -> bool {
    word.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.') && !domain.contains('@'))
}

/// Says nothing about a person.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_unspecified() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local() || v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_mailboxes_and_strangers_are_hidden() {
        let redactor = Arc::new(Redactor::default());
        redactor.hide(&"hunter22".into());
        let mask = Mask::new(redactor, vec!["203.0.113.10".parse().unwrap(), "2001:db8::10".parse().unwrap()]);
        for (text, clean) in [
            ("535 bad password hunter22.", "535 bad password [hidden]."),
            ("mail to <ada.l+x@other-mail.org>: refused", "mail to <[e-mail address]>: refused"),
            ("@ada@social.fedi-test.org posts", "@ada@social.fedi-test.org posts"),
            ("from 198.51.100.7:4711, 198.51.100.8.", "from [address]:4711, [address]."),
            ("to 203.0.113.10:443 over 2001:db8::10", "to 203.0.113.10:443 over 2001:db8::10"),
            ("[2001:db8:1::99]:80 127.0.0.1:3000 172.18.0.3 ::1", "[[address]]:80 127.0.0.1:3000 172.18.0.3 ::1"),
            ("v4.7.4 at 12:30:05 2026-11-23T08:00:00.123Z é", "v4.7.4 at 12:30:05 2026-11-23T08:00:00.123Z é"),
        ] {
            assert_eq!(mask.clean(text), clean);
        }
    }

    #[test]
    fn json_is_masked_behind_its_escapes() {
        let redactor = Arc::new(Redactor::default());
        redactor.hide(&"quo\"ted\\22".into());
        let mask = Mask::new(redactor, Vec::new());
        let value = serde_json::json!({ "logs": ["\u{8}ada@mail.org", "bad quo\"ted\\22"], "198.51.100.7": { "age": 22 } });
        let clean = serde_json::json!({ "logs": ["\u{fffd}[e-mail address]", "bad [hidden]"], "[address]": { "age": 22 } });
        assert_eq!(mask.clean_json(value), clean);
    }
}
