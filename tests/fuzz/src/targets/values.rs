//! Single values of settings: what is accepted is in its final form.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use secrecy::ExposeSecret;
use tootstrap::settings::{ApiToken, DomainName, EmailAddress, OwnerName, UserName};

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(name) = settled::<DomainName>(&text) {
        let labels_fit = name.as_str().split('.').all(|label| (1..=63).contains(&label.len()));
        assert!(name.as_str().len() <= 253 && labels_fit, "{name}");
        assert!(name.as_str().bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.'), "{name}");
        assert!(name.is_within(name.as_str()));
        if let Ok(below) = name.below("www") {
            assert!(below.is_within(name.as_str()) && settled::<DomainName>(below.as_str()).is_some());
        }
    }
    if let Some(address) = settled::<EmailAddress>(&text) {
        assert!(address.as_str().bytes().all(|c| c.is_ascii_graphic()), "{address}");
        assert!(address.domain().parse::<DomainName>().is_ok(), "{address}");
    }
    if let Some(name) = settled::<UserName>(&text) {
        let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(&c);
        assert!(name.as_str().starts_with(|c: char| c.is_ascii_lowercase()) && name.as_str().bytes().all(fits), "{name}");
    }
    if let Some(name) = settled::<OwnerName>(&text) {
        assert!(name.as_str().bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_'), "{name}");
    }
    if let Ok(token) = text.parse::<ApiToken>() {
        assert!(token.secret().expose_secret().bytes().all(|c| c.is_ascii_graphic()));
        let _told = token.remarks(&text);
    }
}

/// The value, if it is accepted; then its own text gives it again.
fn settled<T>(text: &str) -> Option<T>
where
    T: FromStr<Err = String> + Display + Debug + PartialEq,
{
    match text.parse::<T>() {
        Ok(value) => {
            assert_eq!(value.to_string().parse::<T>().as_ref(), Ok(&value));
            Some(value)
        }
        Err(problem) => {
            assert!(!problem.is_empty());
            None
        }
    }
}
