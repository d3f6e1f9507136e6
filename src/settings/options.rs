//! Everything that can be asked for, as written: by flag, environment variable or file. Nothing here is checked yet.

use clap::Args;
use serde::{Deserialize, Deserializer, Serialize};

/// What was asked for. An empty string counts as not given: a form sends every field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Format of the file
    #[arg(skip)]
    pub version: Option<u32>,

    /// Domain of the site, such as example.org. It is part of every handle and can never be changed
    #[arg(long, value_name = "NAME", env = "DOMAIN", hide_env_values = true, help_heading = "Site")]
    pub domain: Option<String>,
    /// Name of the site below the domain. `www`: the domain itself, to which www redirects
    #[arg(long, value_name = "NAME", env = "SUBDOMAIN", hide_env_values = true, help_heading = "Site")]
    pub subdomain: Option<String>,
    /// Your e-mail address: contact of the site, of the DNS zone and for Let's Encrypt
    #[arg(long, value_name = "ADDRESS", env = "SOA_EMAIL_ADDRESS", hide_env_values = true, help_heading = "Site")]
    pub email: Option<String>,
    /// Name in handles, if it is not the site's own; it must redirect /.well-known/webfinger to the site
    #[arg(long, value_name = "NAME", help_heading = "Site")]
    pub handle_domain: Option<String>,
    /// Public address of this machine, if it cannot be found. Twice: IPv4 and IPv6
    #[arg(long, value_name = "IP", help_heading = "Site")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub address: Vec<String>,
    /// File with a Linode API token that may read and write domains; without one, the records to make are printed
    #[arg(long, value_name = "FILE", help_heading = "Site")]
    #[arg(help = "File with a Linode API token that may read and write domains; without one, the records to make are printed \
        [env: TOKEN_PASSWORD= or LINODE_TOKEN= with the token itself]")]
    #[serde(skip)]
    pub linode_token_file: Option<String>,
    /// DNS records of the site that point to another machine are replaced even if that machine is in use; never recorded
    #[arg(long, help_heading = "Site")]
    #[serde(skip)]
    pub replace_dns: bool,

    /// Name of the owner's Mastodon account
    #[arg(long, value_name = "NAME", env = "OWNER_USERNAME", hide_env_values = true, help_heading = "Mastodon")]
    pub owner: Option<String>,
    /// The owner's e-mail address, which is also the sign-in [default: --email]
    #[arg(long, value_name = "ADDRESS", env = "OWNER_EMAIL", hide_env_values = true, help_heading = "Mastodon")]
    pub owner_email: Option<String>,
    /// Only the owner has an account, and nobody can join [default: no]
    #[arg(long, value_name = "YES|NO", env = "SINGLE_USER_MODE", hide_env_values = true, help_heading = "Mastodon")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    #[serde(deserialize_with = "text")]
    pub single_user: Option<String>,
    /// Who may join: open, approved or closed; set once, later the web interface decides [default: open]
    #[arg(long, value_name = "WHO", help_heading = "Mastodon")]
    pub registrations: Option<String>,

    /// Account with sudo to make or adopt
    #[arg(long, value_name = "NAME", env = "USER_NAME", hide_env_values = true, help_heading = "Machine")]
    pub sudo_user: Option<String>,
    /// Root can no longer log in over SSH, as soon as someone with sudo can [default: no]
    #[arg(long, value_name = "YES|NO", env = "DISABLE_ROOT", hide_env_values = true, help_heading = "Machine")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    #[serde(deserialize_with = "text")]
    pub disable_root: Option<String>,
    /// Hostname, SSH, firewall, fail2ban and automatic upgrades are set up as on a new server [default: no]
    #[arg(long, value_name = "YES|NO", help_heading = "Machine")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    #[serde(deserialize_with = "text")]
    pub harden: Option<String>,
    /// Your own web server (nginx, Caddy, ...) on this machine stands in front and has the certificate; ports 80 and 443 stay its own [default: no]
    #[arg(long, value_name = "YES|NO", help_heading = "Machine")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    #[serde(deserialize_with = "text")]
    pub behind_proxy: Option<String>,
    /// The same as --harden=no
    #[arg(long, conflicts_with = "harden", help_heading = "Machine")]
    #[serde(skip)]
    pub no_harden: bool,

    /// Mail relay
    #[command(flatten)]
    #[serde(skip_serializing_if = "is_default")]
    pub smtp: SmtpOptions,
    /// Images and version
    #[arg(skip)]
    #[serde(skip_serializing_if = "is_default")]
    pub images: ImageOptions,
    /// Mirror of Docker's packages
    #[arg(skip)]
    #[serde(skip_serializing_if = "is_default")]
    pub docker_repository: RepositoryOptions,
    /// What a former run made of it (written by this program, never read as a wish)
    #[arg(skip)]
    pub resolved: Option<Resolved>,
}

/// Mail relay, section `[smtp]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpOptions {
    /// Mail relay that sends the site's mail; without one, no mail is sent
    #[arg(
        id = "smtp_server",
        long = "smtp-server",
        value_name = "NAME",
        env = "SMTP_SERVER",
        hide_env_values = true,
        help_heading = "Mail"
    )]
    pub server: Option<String>,
    /// Its port; 465 means TLS from the start [default: 587]
    #[arg(id = "smtp_port", long = "smtp-port", value_name = "PORT", env = "SMTP_PORT", hide_env_values = true, help_heading = "Mail")]
    #[serde(deserialize_with = "text")]
    pub port: Option<String>,
    /// Login name at the relay
    #[arg(id = "smtp_login", long = "smtp-login", value_name = "NAME", env = "SMTP_LOGIN", hide_env_values = true, help_heading = "Mail")]
    pub login: Option<String>,
    /// Sender, an address or `Name <address>` [default: Mastodon <notifications@SITE>]
    #[arg(
        id = "smtp_from",
        long = "smtp-from",
        value_name = "SENDER",
        env = "SMTP_FROM_ADDRESS",
        hide_env_values = true,
        help_heading = "Mail"
    )]
    pub from: Option<String>,
    /// File with the password at the relay
    #[arg(help = "File with the password at the relay [env: SMTP_PASSWORD= with the password itself]")]
    #[arg(id = "smtp_password_file", long = "smtp-password-file", value_name = "FILE", help_heading = "Mail")]
    #[serde(skip)]
    pub password_file: Option<String>,
}

/// What runs in containers, section `[images]`. A reference without tag gets Mastodon's version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "see settings::Images")]
pub struct ImageOptions {
    pub mastodon_version: Option<String>,
    pub mastodon: Option<String>,
    pub streaming: Option<String>,
    pub postgres: Option<String>,
    pub redis: Option<String>,
    pub caddy: Option<String>,
}

/// Where Docker's packages come from, section `[docker_repository]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "see settings::DockerRepository")]
pub struct RepositoryOptions {
    pub url: Option<String>,
    pub key_file: Option<String>,
    pub fingerprint: Option<String>,
}

/// What a run made of the settings, section `[resolved]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resolved {
    /// Version of this program.
    pub tootstrap: String,
    /// Name of the site.
    pub site: String,
    /// Name in handles.
    pub handle_domain: String,
    /// Name of the owner's account.
    pub owner: String,
    /// The address with which that account was made.
    pub owner_email: String,
    /// Where its names point.
    pub address: Vec<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Accepts `true`, `587` and `"text"`.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Switch(bool),
        Number(i64),
    }
    Ok(Some(match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Switch(switch) => if switch { "yes" } else { "no" }.to_owned(),
        Written::Number(number) => number.to_string(),
    }))
}

/// The first that is given, field by field.
macro_rules! first {
    ($self:ident, $other:ident, $type:ident { $($field:ident),* $(,)? } $($rest:tt)*) => {
        $type { $($field: $self.$field.or($other.$field),)* $($rest)* }
    };
}

impl Options {
    /// These, and `other` where nothing is given here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let harden_here = self.harden.is_some() || self.no_harden;
        first!(self, other, Options {
            version, domain, subdomain, email, handle_domain, linode_token_file, owner, owner_email, single_user, registrations, sudo_user,
            disable_root, harden, behind_proxy, resolved
        }
            no_harden: self.no_harden || (!harden_here && other.no_harden),
            replace_dns: self.replace_dns || other.replace_dns,
            address: if self.address.is_empty() { other.address } else { self.address },
            smtp: self.smtp.or(other.smtp),
            images: self.images.or(other.images),
            docker_repository: self.docker_repository.or(other.docker_repository),
        )
    }

    /// Empty strings removed, `--no-harden` written as `--harden=no`.
    #[must_use]
    pub fn tidied(mut self) -> Self {
        if std::mem::take(&mut self.no_harden) {
            self.harden = Some("no".into());
        }
        let (smtp, images, repository) = (&mut self.smtp, &mut self.images, &mut self.docker_repository);
        let fields = [
            &mut self.domain,
            &mut self.subdomain,
            &mut self.email,
            &mut self.handle_domain,
            &mut self.linode_token_file,
            &mut self.owner,
            &mut self.owner_email,
            &mut self.single_user,
            &mut self.registrations,
            &mut self.sudo_user,
            &mut self.disable_root,
            &mut self.harden,
            &mut self.behind_proxy,
            &mut smtp.server,
            &mut smtp.port,
            &mut smtp.login,
            &mut smtp.from,
            &mut smtp.password_file,
            &mut images.mastodon_version,
            &mut images.mastodon,
            &mut images.streaming,
            &mut images.postgres,
            &mut images.redis,
            &mut images.caddy,
            &mut repository.url,
            &mut repository.key_file,
            &mut repository.fingerprint,
        ];
        for field in fields {
            if field.as_ref().is_some_and(|text| text.trim().is_empty()) {
                *field = None;
            }
        }
        self.address.retain(|address| !address.trim().is_empty());
        self
    }
}

impl SmtpOptions {
    fn or(self, other: Self) -> Self {
        first!(self, other, SmtpOptions { server, port, login, from, password_file })
    }
}

impl ImageOptions {
    /// A version given here means its own images, not those that `other` names for another version.
    fn or(self, mut other: Self) -> Self {
        if self.mastodon_version.is_some() && self.mastodon_version != other.mastodon_version {
            other.mastodon = None;
            other.streaming = None;
        }
        first!(self, other, ImageOptions { mastodon_version, mastodon, streaming, postgres, redis, caddy })
    }
}

impl RepositoryOptions {
    fn or(self, other: Self) -> Self {
        first!(self, other, RepositoryOptions { url, key_file, fingerprint })
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn command() -> Command {
        Options::augment_args(Command::new("install"))
    }

    #[test]
    fn a_setting_is_the_same_by_flag_and_by_key() {
        for (flag, key) in [
            ("--domain=a.org", "domain = 'a.org'"),
            ("--subdomain=social", "subdomain = 'social'"),
            ("--email=a@b.org", "email = 'a@b.org'"),
            ("--handle-domain=a.org", "handle_domain = 'a.org'"),
            ("--address=203.0.113.10", "address = ['203.0.113.10']"),
            ("--owner=alice", "owner = 'alice'"),
            ("--owner-email=a@b.org", "owner_email = 'a@b.org'"),
            ("--single-user", "single_user = true"),
            ("--registrations=closed", "registrations = 'closed'"),
            ("--sudo-user=alice", "sudo_user = 'alice'"),
            ("--disable-root=no", "disable_root = 'no'"),
            ("--harden", "harden = 'yes'"),
            ("--no-harden", "harden = false"),
            ("--behind-proxy", "behind_proxy = true"),
            ("--smtp-server=a.org", "[smtp]\nserver = 'a.org'"),
            ("--smtp-port=465", "[smtp]\nport = 465"),
            ("--smtp-login=alice", "[smtp]\nlogin = 'alice'"),
            ("--smtp-from=a@b.org", "[smtp]\nfrom = 'a@b.org'"),
        ] {
            let matches = command().try_get_matches_from(["install", flag]).expect(flag);
            let by_flag = Options::from_arg_matches(&matches).expect(flag).tidied();
            assert_ne!(by_flag, Options::default(), "{flag}");
            assert_eq!(by_flag, toml::from_str(key).expect(key), "{flag}");
        }
        for flag in ["--linode-token-file=/f", "--smtp-password-file=/f", "--replace-dns"] {
            command().try_get_matches_from(["install", flag]).expect(flag);
        }
    }

    #[test]
    fn a_setting_is_also_a_field_of_the_form() {
        let command = command();
        let variables: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
        let expected = [
            "DOMAIN",
            "SUBDOMAIN",
            "SOA_EMAIL_ADDRESS",
            "OWNER_USERNAME",
            "OWNER_EMAIL",
            "SINGLE_USER_MODE",
            "USER_NAME",
            "DISABLE_ROOT",
            "SMTP_SERVER",
            "SMTP_PORT",
            "SMTP_LOGIN",
            "SMTP_FROM_ADDRESS",
        ];
        assert_eq!(variables, expected);
    }
}
