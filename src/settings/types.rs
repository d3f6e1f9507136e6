//! Types of single values. A value that exists is good.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(value: String) -> Result<Self, String> {
                value.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

text_type!(
    /// A host name of at least two labels, lower case, punycode, no final dot.
    DomainName
);
text_type!(
    /// A plain address, `local@domain`.
    EmailAddress
);
text_type!(
    /// Name of an ordinary Linux account: `[a-z][-a-z0-9_]*`, at most 32 characters, no system user's name.
    UserName
);
text_type!(
    /// Name of a Mastodon account: letters, digits and `_`, at most 30 characters.
    OwnerName
);

/// A Linode API token.
#[derive(Clone, Debug)]
pub struct ApiToken(SecretString);

impl ApiToken {
    /// The token, to be sent.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl DomainName {
    /// The name of a label below this one: `www` under `example.org` is `www.example.org`.
    ///
    /// # Panics
    /// If `label` is no label; it is always a constant.
    #[must_use]
    pub fn under(&self, label: &str) -> Self {
        format!("{label}.{}", self.0).parse().expect("a constant label")
    }

    /// Whether this name is `zone` or below it.
    pub fn is_within(&self, zone: &str) -> bool {
        self.0 == zone || self.0.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl EmailAddress {
    /// What stands after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

// The parsers below accept what is plainly right; `refuse.rs` has the sentences.

impl FromStr for DomainName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for EmailAddress {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for UserName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for OwnerName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for ApiToken {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let token = SecretString::from(text);
        if token.expose_secret().is_empty() { Err("is empty".into()) } else { Ok(Self(token)) }
    }
}
