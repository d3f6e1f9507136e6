//! What is written to a machine, rendered from the templates in `assets/`, which look as the files will.

pub mod escape;
pub mod page;

use anyhow::{Context, anyhow};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::plan::Inputs;
use crate::report::WithRemedy;
use crate::resource::stamp::hex;
use crate::settings::{DomainName, Images, Settings};
use crate::sizing::Sizing;

/// Docker's configuration on machines where this program installed it. Logs are JSON: of a log that a power cut tore, the `local` driver of
/// Docker 20.10 makes the daemon itself panic as soon as somebody reads it (daemon/logger/local/read.go at v20.10.5, `Decode`).
pub const DAEMON_JSON: &str = include_str!("../../assets/daemon.json");
/// The Rails script that makes the owner and seeds the settings.
pub const OWNER_SCRIPT: &str = include_str!("../../assets/mastodon/owner.rb");
/// The Rails script that has Sidekiq send a message and follows it.
pub const TEST_MESSAGE_SCRIPT: &str = include_str!("../../assets/mastodon/test_message.rb");

/// The rendered files of the Compose project.
#[derive(Debug)]
pub struct Project {
    /// `compose.yaml`.
    pub compose: String,
    /// Digest of Mastodon's environment, also a label of its containers.
    pub digest: String,
    /// `env.production`: what is not secret of Mastodon's environment.
    pub environment: String,
    /// `secrets.env`: what is.
    pub secrets: SecretString,
    /// `caddy/conf/Caddyfile`.
    pub caddyfile: String,
    /// `postgres/secret/password`.
    pub postgres: SecretString,
    /// `redis/conf/redis.conf`.
    pub redis: SecretString,
}

#[derive(Template)]
#[template(path = "mastodon/compose.yaml")]
struct Compose<'a> {
    images: &'a Images,
    sizing: Sizing,
    environment: &'a str,
    behind_proxy: bool,
}

#[derive(Template)]
#[template(path = "mastodon/env.production")]
struct Environment<'a> {
    settings: &'a Settings,
    sizing: Sizing,
}

#[derive(Template)]
#[template(path = "mastodon/secrets.env")]
struct SecretEnvironment<'a> {
    secret_key_base: &'a str,
    encryption_primary_key: &'a str,
    encryption_deterministic_key: &'a str,
    encryption_key_derivation_salt: &'a str,
    vapid_private_key: &'a str,
    vapid_public_key: &'a str,
    database_password: &'a str,
    redis_password: &'a str,
    smtp_password: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "mastodon/Caddyfile", escape = "caddy")]
struct Caddyfile<'a> {
    site: &'a str,
    www: Option<&'a str>,
    contact: &'a str,
    /// What a browser may do with the page that stands in for Mastodon.
    policy: &'a str,
}

#[derive(Template)]
#[template(path = "mastodon/proxy/nginx.conf", escape = "none")]
struct Nginx<'a> {
    version: &'a str,
    names: &'a str,
    site: &'a str,
    www: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "mastodon/proxy/Caddyfile", escape = "none")]
struct ProxyingCaddy<'a> {
    version: &'a str,
    site: &'a str,
    www: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "mastodon/redis.conf", escape = "none")]
struct Redis<'a> {
    password: &'a str,
    memory: u64,
}

impl Project {
    /// Renders all files.
    ///
    /// # Errors
    /// A value that a format cannot hold; settings that were parsed hold none.
    pub fn render(with: &Inputs) -> anyhow::Result<Self> {
        check_relay(&with.settings)?;
        let sizing = Sizing::of(&with.facts);
        let environment = Environment { settings: &with.settings, sizing }.render().context("cannot write env.production")?;
        let secrets = SecretString::from(secret_environment(with)?);
        let digest = digest([&environment, secrets.expose_secret()]);
        let compose = Compose { images: &with.settings.images, sizing, environment: &digest, behind_proxy: with.settings.behind_proxy };
        Ok(Self {
            compose: compose.render().context("cannot write compose.yaml")?,
            caddyfile: caddyfile(&with.settings)?,
            redis: Redis { password: with.secrets.redis_password.expose_secret(), memory: sizing.redis_memory }.render()?.into(),
            postgres: with.secrets.database_password.clone(),
            digest,
            environment,
            secrets,
        })
    }
}

fn check_relay(settings: &Settings) -> anyhow::Result<()> {
    let Some(smtp) = &settings.smtp else { return Ok(()) };
    let values = [("SMTP_LOGIN", smtp.login.as_str()), ("SMTP_PASSWORD", smtp.password.expose_secret()), ("SMTP_FROM", smtp.from.as_str())];
    for (name, value) in values {
        escape::storable(value).map_err(|why| anyhow!("{name} {why}")).remedy(format!("give another {name}"))?;
    }
    Ok(())
}

fn secret_environment(with: &Inputs) -> anyhow::Result<String> {
    let secrets = &with.secrets;
    let template = SecretEnvironment {
        secret_key_base: secrets.secret_key_base.expose_secret(),
        encryption_primary_key: secrets.encryption_primary_key.expose_secret(),
        encryption_deterministic_key: secrets.encryption_deterministic_key.expose_secret(),
        encryption_key_derivation_salt: secrets.encryption_key_derivation_salt.expose_secret(),
        vapid_private_key: secrets.vapid_private_key.expose_secret(),
        vapid_public_key: &secrets.vapid_public_key,
        database_password: secrets.database_password.expose_secret(),
        redis_password: secrets.redis_password.expose_secret(),
        smtp_password: with.settings.smtp.as_ref().map(|smtp| smtp.password.expose_secret()),
    };
    template.render().context("cannot write secrets.env")
}

fn caddyfile(settings: &Settings) -> anyhow::Result<String> {
    let www = settings.www.then(|| settings.site.under("www"));
    let template = Caddyfile {
        site: settings.site.as_str(),
        www: www.as_ref().map(DomainName::as_str),
        contact: settings.contact.as_str(),
        policy: &page::CONTENT_SECURITY_POLICY,
    };
    let refused = || format!("the contact address {} has characters that a Caddyfile cannot hold", settings.contact);
    template.render().with_context(refused).remedy("give a contact address of letters, digits, dots, - and _")
}

/// What the operator's own web server needs in order to stand in front of Mastodon.
#[derive(Debug)]
pub struct ProxySnippets {
    /// For nginx.
    pub nginx: String,
    /// For Caddy.
    pub caddy: String,
}

impl ProxySnippets {
    /// Renders both.
    ///
    /// # Errors
    /// None in practice: names of hosts have no character that means something there.
    pub fn render(settings: &Settings) -> anyhow::Result<Self> {
        let names: Vec<_> = settings.names().iter().map(ToString::to_string).collect();
        let (version, site, www) = (env!("CARGO_PKG_VERSION"), settings.site.as_str(), names.get(1).map(String::as_str));
        let nginx = Nginx { version, names: &names.join(" "), site, www }.render().context("cannot write nginx.conf")?;
        Ok(Self { nginx, caddy: ProxyingCaddy { version, site, www }.render().context("cannot write the Caddyfile")? })
    }
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    parts.into_iter().for_each(|part| hash.update(part));
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests;
