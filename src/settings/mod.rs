//! 1. settings: what the operator wants.
//!
//! One set of settings is the flags, the environment (the StackScript's form fields) and the TOML file; see `docs/settings.md`.
//! Parse, don't validate: each value has a type, and a bad value is refused before anything is changed, naming the field as the form calls it.

mod address;
mod field;
mod key;
mod machine;
mod mail;
mod options;
mod record;
mod resolve;
mod sources;
mod types;

use std::net::{Ipv4Addr, Ipv6Addr};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use field::{Field, Refusal};
pub use key::{Fixed, KEYS, Key, Later};
pub(crate) use mail::why_unreachable;
pub use options::{ImageOptions, Options, RepositoryOptions, Resolved, SmtpOptions};
pub use record::{Handover, record};
pub use resolve::{Accepted, resolve};
pub(crate) use resolve::{sender, usual_sender};
pub use sources::{ANSWERS, Given, RECORDED, SecretEnv, gather};
pub use types::{ApiToken, DomainName, EmailAddress, OwnerName, UserName};

/// Everything that was asked for, resolved and checked. The plan reads nothing else of the operator's wishes.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Settings {
    /// Domain as asked for, without subdomain: the zone to make when there is none.
    pub domain: DomainName,
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
    /// Replaces a DNS record also where its old address is in use; only for this run.
    pub replace_dns: bool,
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
    /// Another web server, which is the operator's, stands in front: no Caddy.
    pub behind_proxy: bool,
    /// Where the names shall point.
    pub address: PublicAddress,
    /// The address was given by the operator, so it is recorded; otherwise each run finds it again.
    pub address_given: bool,
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

impl Default for Images {
    /// The official images of the newest release that this version of the program knows (mastodon.md §0, §1).
    fn default() -> Self {
        let version = "v4.7.4";
        Self {
            mastodon_version: version.into(),
            mastodon: format!("ghcr.io/mastodon/mastodon:{version}"),
            streaming: format!("ghcr.io/mastodon/mastodon-streaming:{version}"),
            postgres: "postgres:17-alpine".into(),
            redis: "redis:7-alpine".into(),
            caddy: "caddy:2-alpine".into(),
        }
    }
}

impl Default for DockerRepository {
    /// Docker's own.
    fn default() -> Self {
        Self {
            url: "https://download.docker.com/linux/debian".into(),
            key_file: None,
            fingerprint: "9DC858229FC7DD38854AE2D88D81803C0EBFCD88".into(),
        }
    }
}

impl Settings {
    /// Every name that is served, the site first.
    pub fn names(&self) -> Vec<DomainName> {
        let www = self.www.then(|| self.site.under("www"));
        std::iter::once(self.site.clone()).chain(www).collect()
    }
}

#[cfg(test)]
impl Settings {
    /// What a test asks for unless it says otherwise: `social.fedi-test.org` with a token, on 203.0.113.10 and `2001:db8:88::10`.
    pub(crate) fn sample() -> Self {
        Self {
            domain: "fedi-test.org".parse().expect("a name"),
            site: "social.fedi-test.org".parse().expect("a name"),
            www: false,
            handle_domain: "social.fedi-test.org".parse().expect("a name"),
            contact: "hostmaster@other-mail.org".parse().expect("an address"),
            token: Some("a".repeat(64).parse().expect("a token")),
            replace_dns: false,
            sudo_user: Some("alice".parse().expect("a name")),
            disable_root: false,
            owner: "Alice".parse().expect("a name"),
            owner_email: "alice@other-mail.org".parse().expect("an address"),
            single_user: false,
            registrations: Registrations::Open,
            harden: true,
            behind_proxy: false,
            address: PublicAddress { v4: Some(Ipv4Addr::new(203, 0, 113, 10)), v6: "2001:db8:88::10".parse().ok() },
            address_given: false,
            images: Images::default(),
            docker_repository: DockerRepository::default(),
            smtp: None,
        }
    }
}
