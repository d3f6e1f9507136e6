//! The Linode API token.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use super::name_of;

/// A Linode API token.
#[derive(Clone, Debug)]
pub struct ApiToken(SecretString);

impl ApiToken {
    /// The token, to be sent.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    /// What is remarkable about a token as it was pasted, without showing it.
    pub fn remarks(&self, pasted: &str) -> Vec<String> {
        let mut remarks = Vec::new();
        if pasted.trim_end_matches('\n') != self.0.expose_secret() {
            remarks.push("the API token was pasted with blanks, line breaks or quotes around it; they were removed".to_owned());
        }
        let token = self.0.expose_secret();
        if token.len() != 64 || !token.chars().all(|c| c.is_ascii_hexdigit()) {
            remarks.push(format!(
                "the API token has {} characters; Linode's usually have 64 hexadecimal digits, so it may be incomplete",
                token.len()
            ));
        }
        remarks
    }
}

impl FromStr for ApiToken {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let token = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '\u{FEFF}'));
        if token.is_empty() {
            return Err("is empty".into());
        }
        let strange = token.chars().enumerate().find(|(_, c)| !(c.is_ascii_alphanumeric() || *c == '-' || *c == '_'));
        if let Some((index, c)) = strange {
            return Err(format!("contains {} as character {}, which no token has; copy it again", name_of(c), index + 1));
        }
        Ok(Self(SecretString::from(token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surroundings_are_trimmed_with_a_remark() {
        let good = "0123456789abcdef".repeat(4);
        for (pasted, remarks) in [
            (good.clone(), 0),
            (format!("{good}\n"), 0),
            (format!(" {good}\r\n"), 1),
            (format!("\"{good}\""), 1),
            (format!("\u{feff}{good}"), 1),
            ("abc".into(), 1),
            (" abc ".into(), 2),
        ] {
            let token: ApiToken = pasted.parse().expect("a token");
            assert_eq!(token.remarks(&pasted).len(), remarks, "{pasted:?}");
            assert!(!token.secret().expose_secret().contains([' ', '"', '\r', '\u{feff}']));
        }
    }

    #[test]
    fn invisible_characters_inside_are_refused_without_showing_the_token() {
        for (pasted, part) in [
            ("aaaa\u{200b}bbbb", "U+200B as character 5"),
            ("aaaa bbbb", "a space as character 5"),
            ("aaaa\rbbbb", "a line break"),
            ("", "is empty"),
            ("''", "is empty"),
        ] {
            let problem = pasted.parse::<ApiToken>().expect_err(pasted);
            assert!(problem.contains(part) && !problem.contains("aaaa"), "{problem}");
        }
    }

    #[test]
    fn debug_hides_it() {
        assert!(!format!("{:?}", "abcdef".parse::<ApiToken>()).contains("abcdef"));
    }
}
