//! Hides secrets in text, once, where events enter the stream.

use std::sync::RwLock;

use secrecy::{ExposeSecret, SecretString};

use super::harmless;

/// Shorter values are not hidden: they would blank ordinary words.
const SHORTEST: usize = 6;

/// Knows every secret of this run and replaces it wherever it shows.
#[derive(Default)]
pub struct Redactor {
    secrets: RwLock<Vec<SecretString>>,
}

impl Redactor {
    /// Hides this value from now on.
    pub fn hide(&self, secret: &SecretString) {
        if secret.expose_secret().len() < SHORTEST {
            return;
        }
        let mut secrets = self.secrets.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        secrets.push(secret.clone());
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
    }

    /// The text with every known secret replaced by `[hidden]`, and [harmless] to a terminal.
    pub fn clean(&self, text: &str) -> String {
        // Once more: what is left out of a text can have stood within a secret.
        self.without(&harmless(&self.without(text)))
    }

    fn without(&self, text: &str) -> String {
        let secrets = self.secrets.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.expose_secret()) { text.replace(secret.expose_secret(), "[hidden]") } else { text }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_the_longer_secret_first_and_leaves_short_ones() {
        let redactor = Redactor::default();
        redactor.hide(&"abcdef".into());
        redactor.hide(&"abcdef123456".into());
        redactor.hide(&"no".into());
        assert_eq!(redactor.clean("no abcdef123456, abcdef"), "no [hidden], [hidden]");
    }

    #[test]
    fn a_secret_is_hidden_whatever_stands_within_or_around() {
        let redactor = Redactor::default();
        redactor.hide(&"abcdef".into());
        redactor.hide(&"turn\u{202e}ed".into());
        assert_eq!(redactor.clean("abc\u{1b}[1mdef \u{1b}[1mabcdef\u{1b}[0m turn\u{202e}ed"), "[hidden] [hidden] [hidden]");
    }
}
