//! What the machine keeps to itself: `/etc/tootstrap/secrets.toml`, 0600.
//!
//! `[generated]` exists before the first step and is never regenerated; `[entered]` is what the operator gave and may change.

use secrecy::SecretString;

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
    /// Password of a sudo user that we make: 32 alphanumerics.
    pub sudo_password: SecretString,
}
