//! Types of single values. A value that exists is good.
//!
//! A parser's error is the end of a sentence that begins with the value: *`https://x.org` is a web address; give only …*.

mod account;
mod address;
mod domain;
mod email;
mod token;

pub use account::{OwnerName, UserName};
pub(crate) use address::{check_public_v4, check_public_v6};
pub use domain::DomainName;
pub use email::EmailAddress;
pub use token::ApiToken;

/// A text type that is made only by parsing, and that serde reads and writes as a string.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
use text_type;

/// Names a character so that an invisible one can be recognised.
fn name_of(c: char) -> String {
    match c {
        ' ' => "a space".into(),
        '\t' => "a tab".into(),
        '\n' | '\r' => "a line break".into(),
        '!'..='~' => format!("`{c}`"),
        _ if c.is_alphanumeric() => format!("`{c}`"),
        _ => format!("the invisible or unusual character U+{:04X}", c as u32),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::fmt::Display;
    use std::str::FromStr;

    /// Parses each text and compares what becomes of it: the value, or a part of the refusal after `!`.
    pub(crate) fn table<T: FromStr<Err = String> + Display>(cases: &[(&str, &str)]) {
        for (text, wanted) in cases {
            let found = text.parse::<T>();
            match (wanted.strip_prefix('!'), found) {
                (None, Ok(value)) => assert_eq!(value.to_string(), *wanted, "{text:?}"),
                (Some(part), Err(problem)) => assert!(problem.contains(part), "{text:?}: {problem:?} lacks {part:?}"),
                (Some(_), Ok(value)) => panic!("{text:?} was accepted as {value}"),
                (None, Err(problem)) => panic!("{text:?} was refused: {problem}"),
            }
        }
    }
}
