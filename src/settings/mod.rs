//! 1. settings: what the operator wants.
//!
//! One set of settings is the flags, the environment (the StackScript's form fields) and the TOML file; see `docs/settings.md`.
//! Parse, don't validate: each value has a type, and a bad value is refused before anything is changed, naming the field as the form calls it.

mod types;

use std::net::{Ipv4Addr, Ipv6Addr};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use types::{ApiToken, DomainName, EmailAddress, OwnerName, UserName};

/// Everything that was asked for, resolved and checked. The plan reads nothing else of the operator's wishes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name under which the site answers (Mastodon's `WEB_DOMAIN`).
    pub site: DomainName,
    /// `www.` redirects to the site and is served too.
    pub www: bool,
    /// Name in handles, `@owner@…` (Mastodon's `LOCAL_DOMAIN`); usually the site.
    pub handle_domain: DomainName,
    /// For the zone's SOA, Let's Encrypt and the site's contact.
    pub contact: EmailAddress,
    /// Linode API token, never recorded.
    pub token: Option<ApiToken>,
    /// Account with sudo to make or adopt.
    pub sudo_user: Option<UserName>,
    /// Root may no longer log in over SSH (only where someone with sudo still can).
    pub disable_root: bool,
    /// Name of the owner's Mastodon account.
    pub owner: OwnerName,
    /// The owner's address, which is also the sign-in.
    pub owner_email: EmailAddress,
    /// Single-user mode, converged on every run.
    pub single_user: bool,
    /// Who may sign up; seeded once.
    pub registrations: Registrations,
    /// Whether the hardening group is applied.
    pub harden: bool,
    /// Where the names shall point.
    pub address: PublicAddress,
    /// What runs in containers.
    pub images: Images,
    /// Where Docker's packages come from.
    pub docker_repository: DockerRepository,
    /// Mail relay.
    pub smtp: Option<Smtp>,
}

/// Public addresses of this machine, already judged public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAddress {
    /// Address for the A record.
    pub v4: Option<Ipv4Addr>,
    /// Address for the AAAA record: only after IPv6 was seen to work.
    pub v6: Option<Ipv6Addr>,
}

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Registrations {
    /// Anyone.
    Open,
    /// Anyone, after approval by a moderator.
    Approved,
    /// Nobody.
    Closed,
}

/// Image references, with tag and, once resolved at the first pull, digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// Mastodon's version, for example `v4.7.4`.
    pub mastodon_version: String,
    /// Web, Sidekiq and one-off commands.
    pub mastodon: String,
    /// Streaming.
    pub streaming: String,
    /// PostgreSQL 17.
    pub postgres: String,
    /// Redis 7.
    pub redis: String,
    /// Caddy 2.
    pub caddy: String,
}

/// Where Docker's packages come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DockerRepository {
    /// Base of the repository: `https://download.docker.com/linux/debian`.
    pub url: String,
    /// Armored public key file of a mirror; `None` is Docker's own key, which this program carries.
    pub key_file: Option<std::path::PathBuf>,
    /// Fingerprint that the key must have, 40 hexadecimal digits.
    pub fingerprint: String,
}

/// Mail relay.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Host name of the relay.
    pub server: DomainName,
    /// Port; 465 means implicit TLS.
    pub port: u16,
    /// Login name.
    pub login: String,
    /// Password.
    pub password: SecretString,
    /// `Name <address>` or an address.
    pub from: String,
}

impl Settings {
    /// Every name that is served, the site first.
    pub fn names(&self) -> Vec<DomainName> {
        let www = self.www.then(|| self.site.under("www"));
        std::iter::once(self.site.clone()).chain(www).collect()
    }
}
