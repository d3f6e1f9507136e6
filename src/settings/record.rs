//! Settings on disk, and on their way to the process that applies them.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::options::Resolved;
use super::sources::VERSION;
use super::{DockerRepository, DomainName, EmailAddress, Images, OwnerName, PublicAddress, Registrations, Settings, Smtp, UserName};
use crate::facts::Facts;

const HEADER: &str = "\
# What this server was made from; tootstrap writes it and reads it on every later run. No secrets stand here.
# Change a line and run `tootstrap install` to apply it. The domain cannot be changed.
";

/// The content of `/etc/tootstrap/settings.toml`, without secrets. Read again it gives the same settings.
///
/// # Panics
/// Never: every value can be written as TOML.
pub fn record(settings: &Settings) -> String {
    let text = toml::to_string(&Record::of(settings)).expect("plain values");
    format!("{HEADER}{text}")
}

#[derive(Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
struct Record {
    version: u32,
    domain: DomainName,
    #[serde(skip_serializing_if = "Option::is_none")]
    subdomain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle_domain: Option<DomainName>,
    email: EmailAddress,
    owner: OwnerName,
    owner_email: EmailAddress,
    single_user: bool,
    registrations: Registrations,
    #[serde(skip_serializing_if = "Option::is_none")]
    sudo_user: Option<UserName>,
    disable_root: bool,
    harden: bool,
    #[serde(default)]
    behind_proxy: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    address: Vec<String>,
    images: Images,
    docker_repository: DockerRepository,
    #[serde(skip_serializing_if = "Option::is_none")]
    smtp: Option<SmtpRecord>,
    resolved: Resolved,
}

#[derive(Serialize, Deserialize)]
struct SmtpRecord {
    server: DomainName,
    port: u16,
    login: String,
    from: String,
}

impl Record {
    fn of(settings: &Settings) -> Self {
        let below = settings.site.as_str().strip_suffix(settings.domain.as_str()).map(|rest| rest.trim_end_matches('.'));
        let subdomain = if settings.www { Some("www") } else { below.filter(|rest| !rest.is_empty()) };
        let PublicAddress { v4, v6 } = settings.address;
        let address: Vec<_> = v4.map(|v4| v4.to_string()).into_iter().chain(v6.map(|v6| v6.to_string())).collect();
        Self {
            version: VERSION,
            domain: settings.domain.clone(),
            subdomain: subdomain.map(str::to_owned),
            handle_domain: (settings.handle_domain != settings.site).then(|| settings.handle_domain.clone()),
            email: settings.contact.clone(),
            owner: settings.owner.clone(),
            owner_email: settings.owner_email.clone(),
            single_user: settings.single_user,
            registrations: settings.registrations,
            sudo_user: settings.sudo_user.clone(),
            disable_root: settings.disable_root,
            harden: settings.harden,
            behind_proxy: settings.behind_proxy,
            address: if settings.address_given { address.clone() } else { Vec::new() },
            images: settings.images.clone(),
            docker_repository: settings.docker_repository.clone(),
            smtp: settings.smtp.as_ref().map(|smtp| SmtpRecord {
                server: smtp.server.clone(),
                port: smtp.port,
                login: smtp.login.clone(),
                from: smtp.from.clone(),
            }),
            resolved: Resolved {
                tootstrap: env!("CARGO_PKG_VERSION").into(),
                site: settings.site.to_string(),
                handle_domain: settings.handle_domain.to_string(),
                owner: settings.owner.to_string(),
                owner_email: settings.owner_email.to_string(),
                address,
            },
        }
    }

    fn settings(self, token: Option<&str>, smtp_password: Option<String>) -> Result<Settings, String> {
        let www = self.subdomain.as_deref() == Some("www");
        let site: DomainName = self.resolved.site.parse()?;
        let addresses = self.resolved.address.iter().filter_map(|text| text.parse().ok());
        let mut address = PublicAddress::default();
        for ip in addresses {
            match ip {
                std::net::IpAddr::V4(v4) => address.v4 = Some(v4),
                std::net::IpAddr::V6(v6) => address.v6 = Some(v6),
            }
        }
        let password = SecretString::from(smtp_password.unwrap_or_default());
        Ok(Settings {
            domain: self.domain,
            handle_domain: self.handle_domain.unwrap_or_else(|| site.clone()),
            site,
            www,
            contact: self.email,
            token: token.map(str::parse).transpose()?,
            replace_dns: false,
            sudo_user: self.sudo_user,
            disable_root: self.disable_root,
            owner: self.owner,
            owner_email: self.owner_email,
            single_user: self.single_user,
            registrations: self.registrations,
            harden: self.harden,
            behind_proxy: self.behind_proxy,
            address,
            address_given: !self.address.is_empty(),
            images: self.images,
            docker_repository: self.docker_repository,
            smtp: self.smtp.map(|smtp| Smtp { server: smtp.server, port: smtp.port, login: smtp.login, password, from: smtp.from }),
        })
    }
}

/// Settings with their secrets, as one JSON text for the pipe to the process that applies them. It is never written to a file.
#[derive(Serialize, Deserialize)]
pub struct Handover {
    record: Record,
    token: Option<String>,
    replace_dns: bool,
    smtp_password: Option<String>,
    /// What the machine was a moment ago.
    pub facts: Facts,
    /// How many steps may run at once.
    pub jobs: usize,
    /// Sentences for the operator, shown again in the record of the run.
    pub notes: Vec<String>,
    /// Where the trace of the run goes; absolute.
    pub trace: Option<PathBuf>,
}

impl Handover {
    /// Packs.
    pub fn new(settings: &Settings, facts: &Facts, jobs: usize, notes: Vec<String>) -> Self {
        Self {
            facts: facts.clone(),
            record: Record::of(settings),
            token: settings.token.as_ref().map(|token| token.secret().expose_secret().to_owned()),
            replace_dns: settings.replace_dns,
            smtp_password: settings.smtp.as_ref().map(|smtp| smtp.password.expose_secret().to_owned()),
            jobs,
            notes,
            trace: None,
        }
    }

    /// As text, secrets included.
    ///
    /// # Errors
    /// None in practice: every value can be written as JSON.
    pub fn to_secret(&self) -> anyhow::Result<SecretString> {
        Ok(SecretString::from(serde_json::to_string(self)?))
    }

    /// Unpacks.
    ///
    /// # Errors
    /// A text that the same version of this program did not write.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        serde_json::from_str(text)
            .map_err(|_| anyhow::anyhow!("what came through the pipe is no settings: start `tootstrap install` instead"))
    }

    /// The settings.
    ///
    /// # Errors
    /// A value that the same version of this program did not write.
    pub fn settings(self) -> anyhow::Result<Settings> {
        let settings = self.record.settings(self.token.as_deref(), self.smtp_password);
        let settings = settings.map_err(|problem| anyhow::anyhow!("a handed-over value {problem}"))?;
        Ok(Settings { replace_dns: self.replace_dns, ..settings })
    }
}
