//! What the machine keeps to itself: `/etc/tootstrap/secrets.toml`, 0600.
//!
//! `[generated]` exists before the first step and is never regenerated (a new sudo user's password is added); `[entered]` is what the operator gave and may change.
//! From Mastodon 4.7 on, losing the encryption keys destroys the identity of every account (mastodon.md §0.4), so a file that is
//! damaged, newer than this program, or gone while the database is still there is refused, never replaced.

mod generate;
mod store;

use std::collections::BTreeMap;

use secrecy::SecretString;

use crate::settings::UserName;
pub use store::{PATH, keep, load, load_or_create};

/// Every secret of the installation.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Mastodon's `SECRET_KEY_BASE`: 64 random bytes as 128 lower-case hexadecimal digits (mastodon.md §2.2).
    pub secret_key_base: SecretString,
    /// `ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY`: 32 alphanumerics.
    pub encryption_primary_key: SecretString,
    /// `ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY`: 32 alphanumerics.
    pub encryption_deterministic_key: SecretString,
    /// `ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT`: 32 alphanumerics.
    pub encryption_key_derivation_salt: SecretString,
    /// `VAPID_PRIVATE_KEY`: P-256 scalar, padded URL-safe base64, 44 characters (mastodon.md §2.3).
    pub vapid_private_key: SecretString,
    /// `VAPID_PUBLIC_KEY`: uncompressed point, padded URL-safe base64, 88 characters. Not secret, but one with the private key.
    pub vapid_public_key: String,
    /// PostgreSQL: 32 alphanumerics.
    pub database_password: SecretString,
    /// Redis: 32 alphanumerics.
    pub redis_password: SecretString,
    /// First password of the owner: 32 alphanumerics.
    pub owner_password: SecretString,
    /// Passwords of the sudo users that were ever asked for: 32 alphanumerics each. Set only for accounts that we make.
    pub sudo_passwords: BTreeMap<UserName, SecretString>,
    /// What the operator entered.
    pub entered: Entered,
}

/// Secrets that the operator gave; a later run may bring others.
#[derive(Clone, Debug, Default)]
pub struct Entered {
    /// Password at the mail relay.
    pub smtp_password: Option<SecretString>,
}

impl Secrets {
    /// Every value that must not show anywhere: register each at the [`Redactor`](crate::report::Redactor).
    pub fn all(&self) -> Vec<&SecretString> {
        let generated = [
            &self.secret_key_base,
            &self.encryption_primary_key,
            &self.encryption_deterministic_key,
            &self.encryption_key_derivation_salt,
            &self.vapid_private_key,
            &self.database_password,
            &self.redis_password,
            &self.owner_password,
        ];
        generated.into_iter().chain(self.sudo_passwords.values()).chain(&self.entered.smtp_password).collect()
    }
}
