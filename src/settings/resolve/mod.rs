//! From what was asked for to settings that are whole and good, or to every reason why not.

mod software;

use std::net::Ipv4Addr;

use clap::ValueEnum;
use secrecy::{ExposeSecret, SecretString};

use super::field::{Field, Refusal};
use super::options::{Options, SmtpOptions};
use super::{
    ApiToken, DockerRepository, DomainName, EmailAddress, Given, Images, OwnerName, PublicAddress, Registrations, Settings, Smtp, UserName,
    address, machine,
};
use crate::assets::escape::storable;
use crate::facts::Facts;
use crate::host::Host;

/// Good settings, and what is remarkable about them.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The settings.
    pub settings: Settings,
    /// Sentences for the operator.
    pub notes: Vec<String>,
}

/// Checks everything and asks the machine and the world where needed. Nothing is changed.
///
/// # Errors
/// Every problem at once.
pub async fn resolve(given: &Given, facts: &Facts, host: &dyn Host) -> Result<Accepted, Refusal> {
    let (mut refusal, mut notes) = (Refusal::default(), Vec::new());
    if given.token.is_some() {
        refusal.secret_given(Field::Token);
    }
    if given.smtp_password_is_new {
        refusal.secret_given(Field::SmtpPassword);
    }
    let proxied = given.options.behind_proxy.as_deref().and_then(|text| yes_or_no(text).ok()).unwrap_or_default();
    // Where no record is made and no certificate is asked for, the address is the proxy's affair.
    let found = if proxied && given.token.is_none() && given.options.address.is_empty() {
        PublicAddress::default()
    } else {
        address::find(&given.options.address, facts.linode, host, &mut refusal, &mut notes).await
    };
    let mut reading = Reading { options: &given.options, refusal, notes };
    let parsed = reading.parse(given, facts.linode, found);
    let Reading { mut refusal, mut notes, .. } = reading;
    machine::judge(&parsed, given.recorded.as_ref(), host.probe(), &mut refusal, &mut notes).await;
    match parsed.whole() {
        Some(settings) if refusal.is_empty() => {
            notes.extend(facts.notes(settings.harden, jiff::Zoned::now().date()));
            Ok(Accepted { settings, notes })
        }
        _ => Err(refusal),
    }
}

#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
/// Each setting by itself; `None` where it is missing or bad, so that all problems are found at once.
pub(super) struct Parsed {
    pub(super) site: Option<Site>,
    pub(super) handle_domain: Option<DomainName>,
    pub(super) contact: Option<EmailAddress>,
    pub(super) owner: Option<OwnerName>,
    pub(super) owner_email: Option<EmailAddress>,
    pub(super) sudo_user: Option<UserName>,
    pub(super) token: Option<ApiToken>,
    replace_dns: bool,
    pub(super) docker_repository: DockerRepository,
    address: PublicAddress,
    address_given: bool,
    disable_root: bool,
    single_user: bool,
    harden: bool,
    pub(super) behind_proxy: bool,
    registrations: Registrations,
    images: Images,
    smtp: Option<Smtp>,
}

impl Parsed {
    /// All together, if nothing is missing.
    fn whole(self) -> Option<Settings> {
        let (site, contact) = (self.site?, self.contact?);
        Some(Settings {
            handle_domain: self.handle_domain.unwrap_or_else(|| site.name.clone()),
            domain: site.domain,
            site: site.name,
            www: site.www,
            owner_email: self.owner_email.unwrap_or_else(|| contact.clone()),
            contact,
            token: self.token,
            replace_dns: self.replace_dns,
            sudo_user: self.sudo_user,
            disable_root: self.disable_root,
            owner: self.owner?,
            single_user: self.single_user,
            registrations: self.registrations,
            harden: self.harden,
            behind_proxy: self.behind_proxy,
            address: self.address,
            address_given: self.address_given,
            images: self.images,
            docker_repository: self.docker_repository,
            smtp: self.smtp,
        })
    }
}

struct Reading<'a> {
    options: &'a Options,
    refusal: Refusal,
    notes: Vec<String>,
}

/// Names of the site.
pub(super) struct Site {
    pub(super) domain: DomainName,
    pub(super) name: DomainName,
    www: bool,
}

impl Site {
    /// Every name that is served.
    pub(super) fn names(&self) -> Vec<String> {
        let www = self.www.then(|| format!("www.{}", self.name));
        std::iter::once(self.name.to_string()).chain(www).collect()
    }

    /// The subdomain that was asked for; empty if none was.
    pub(super) fn subdomain(&self) -> &str {
        let below = self.name.as_str().strip_suffix(self.domain.as_str()).unwrap_or_default();
        if self.www { "www" } else { below.trim_end_matches('.') }
    }
}

impl Reading<'_> {
    fn parse(&mut self, given: &Given, linode: bool, address: PublicAddress) -> Parsed {
        let options = self.options;
        let site = self.site(linode, address.v4);
        let single_user = self.yes(Field::SingleUser, options.single_user.as_ref());
        Parsed {
            handle_domain: self.optional(Field::HandleDomain, options.handle_domain.as_ref()),
            contact: self.required(Field::Email, options.email.as_ref(), "give your e-mail address"),
            owner: self.required(Field::Owner, options.owner.as_ref(), "give the name of your Mastodon account"),
            owner_email: self.optional(Field::OwnerEmail, options.owner_email.as_ref()),
            sudo_user: self.optional(Field::SudoUser, options.sudo_user.as_ref()),
            token: self.token(given.token.as_ref()),
            replace_dns: options.replace_dns,
            address,
            address_given: !options.address.is_empty(),
            disable_root: self.yes(Field::DisableRoot, options.disable_root.as_ref()),
            single_user,
            harden: self.yes(Field::Harden, options.harden.as_ref()),
            behind_proxy: self.yes(Field::BehindProxy, options.behind_proxy.as_ref()),
            registrations: self.registrations(single_user),
            images: self.images(&options.images),
            docker_repository: self.repository(&options.docker_repository),
            smtp: self.smtp(&options.smtp, given.smtp_password.as_ref(), site.as_ref().map(|site| &site.name)),
            site,
        }
    }

    fn optional<T: std::str::FromStr<Err = String>>(&mut self, field: Field, text: Option<&String>) -> Option<T> {
        let text = text?;
        self.refusal.check(field, text, text.parse())
    }

    fn required<T: std::str::FromStr<Err = String>>(&mut self, field: Field, text: Option<&String>, what: &str) -> Option<T> {
        if text.is_none() {
            self.refusal.add(field, format!("is missing; {what}"));
        }
        self.optional(field, text)
    }

    fn yes(&mut self, field: Field, text: Option<&String>) -> bool {
        text.is_some_and(|text| self.refusal.check(field, text, yes_or_no(text)).unwrap_or_default())
    }

    fn site(&mut self, linode: bool, v4: Option<Ipv4Addr>) -> Option<Site> {
        let subdomain = self.options.subdomain.as_ref().map(|text| text.trim().to_ascii_lowercase());
        let Some(text) = &self.options.domain else { return self.default_site(linode, v4, subdomain.as_deref()) };
        let domain: DomainName = self.refusal.check(Field::Domain, text, text.parse())?;
        if let Some(problem) = domain.never_public() {
            self.refusal.value(Field::Domain, text, problem);
        }
        let (name, www) = match subdomain.as_deref() {
            None => (domain.clone(), false),
            Some("www") => {
                // It is served too, so the domain has to leave room for it.
                self.refusal.check(Field::Domain, text, domain.below("www").map_err(|problem| format!("with www. before it {problem}")))?;
                (domain.clone(), true)
            }
            Some(subdomain) => (self.below(&domain, subdomain)?, false),
        };
        if ["mastodon", "mstdn"].iter().any(|mark| name.as_str().contains(mark)) {
            self.notes.push(format!("{name} contains a trademark of Mastodon gGmbH; joinmastodon.org/trademark says when that is allowed"));
        }
        Some(Site { domain, name, www })
    }

    fn below(&mut self, domain: &DomainName, subdomain: &str) -> Option<DomainName> {
        if let Some(part) = subdomain.trim_end_matches('.').strip_suffix(&format!(".{domain}")) {
            self.refusal.value(Field::Subdomain, subdomain, format!("repeats the domain; give only: {part}"));
            return None;
        }
        self.refusal.check(Field::Subdomain, subdomain, domain.below(subdomain))
    }

    /// Linode gives every address a name (linode.md §5).
    fn default_site(&mut self, linode: bool, v4: Option<Ipv4Addr>, subdomain: Option<&str>) -> Option<Site> {
        if let Some(subdomain) = subdomain {
            self.refusal.value(Field::Subdomain, subdomain, "needs a domain to stand below; give both or neither");
        }
        let Some(v4) = v4.filter(|_| linode) else {
            self.refusal.add(Field::Domain, "is missing; give the name of your site, such as social.example.org");
            return None;
        };
        let name = format!("{}.ip.linodeusercontent.com", v4.to_string().replace('.', "-"));
        self.notes.push(format!("no domain was given: the site is {name}, for ever, since a Mastodon server cannot change its name"));
        let domain: DomainName = self.refusal.check(Field::Domain, &name, name.parse())?;
        Some(Site { name: domain.clone(), domain, www: false })
    }

    fn token(&mut self, pasted: Option<&SecretString>) -> Option<ApiToken> {
        let pasted = pasted?.expose_secret();
        match pasted.parse::<ApiToken>() {
            Ok(token) => {
                self.notes.extend(token.remarks(pasted));
                Some(token)
            }
            Err(problem) => {
                self.refusal.add(Field::Token, format!("the token {problem}"));
                None
            }
        }
    }

    fn registrations(&mut self, single_user: bool) -> Registrations {
        let default = if single_user { Registrations::Closed } else { Registrations::Open };
        let Some(text) = &self.options.registrations else { return default };
        let parsed = Registrations::from_str(text.trim(), true).map_err(|_| "is none of: open, approved, closed");
        self.refusal.check(Field::Registrations, text, parsed).unwrap_or(default)
    }

    fn smtp(&mut self, options: &SmtpOptions, password: Option<&SecretString>, site: Option<&DomainName>) -> Option<Smtp> {
        let others = [(Field::SmtpPort, &options.port), (Field::SmtpLogin, &options.login), (Field::SmtpFrom, &options.from)];
        let Some(server) = &options.server else {
            for (field, value) in others {
                if let Some(value) = value {
                    self.refusal.value(field, value, "needs a mail relay; give smtp.server (--smtp-server) too");
                }
            }
            return None;
        };
        let server = self.refusal.check(Field::SmtpServer, server, server.parse());
        let port = options.port.as_deref().unwrap_or("587");
        let port = port.trim().parse::<u16>().ok().filter(|port| *port > 0).ok_or("is no port; give a number from 1 to 65535");
        let port = self.refusal.check(Field::SmtpPort, options.port.as_deref().unwrap_or_default(), port);
        let login = self.smtp_login(options.login.as_ref());
        let password = self.smtp_password(password);
        let from = match &options.from {
            Some(from) => self.refusal.check(Field::SmtpFrom, from, sender(from))?,
            None => self.default_sender(site?)?,
        };
        Some(Smtp { server: server?, port: port?, login: login?, password: password?, from })
    }

    /// What is written must be accepted when it is read again.
    fn default_sender(&mut self, site: &DomainName) -> Option<String> {
        let from = usual_sender(site.as_str());
        let parsed = sender(&from);
        if let Err(problem) = &parsed {
            self.refusal.add(Field::SmtpFrom, format!("is missing, and {from:?} {problem}; give another sender"));
        }
        parsed.ok()
    }

    fn smtp_login(&mut self, login: Option<&String>) -> Option<String> {
        let Some(login) = login else {
            self.refusal.add(Field::SmtpLogin, "is missing; give the login name at the mail relay");
            return None;
        };
        let stored = storable(login).map(|()| login.clone());
        self.refusal.check(Field::SmtpLogin, login, stored)
    }

    /// The refusal does not show the value.
    fn smtp_password(&mut self, password: Option<&SecretString>) -> Option<SecretString> {
        let Some(password) = password else {
            self.refusal.add(Field::SmtpPassword, "is missing; give the password at the mail relay (in a file, or as SMTP_PASSWORD)");
            return None;
        };
        let password = password.expose_secret().trim_end_matches(['\r', '\n']);
        match storable(password) {
            Ok(()) => Some(password.into()),
            Err(why) => {
                self.refusal.add(Field::SmtpPassword, format!("the password {why}; have the mail relay issue another one"));
                None
            }
        }
    }
}

/// `Yes`, `true`, `1`… in any case.
fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err("is neither Yes nor No"),
    }
}

/// The sender where none is given.
pub(crate) fn usual_sender(site: &str) -> String {
    format!("Mastodon <notifications@{site}>")
}

/// `Name <address>` or an address.
pub(crate) fn sender(text: &str) -> Result<String, String> {
    let text = text.trim();
    storable(text)?;
    match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => {
            let address: EmailAddress = address.parse()?;
            let name = name.trim();
            if name.contains(['"', '<', '>', ',', ';', ':', '@', '(', ')', '[', ']']) {
                return Err("has a name with a character that needs quoting; use letters, digits and blanks".into());
            }
            Ok(if name.is_empty() { address.to_string() } else { format!("{name} <{address}>") })
        }
        None => Ok(text.parse::<EmailAddress>()?.to_string()),
    }
}

#[cfg(test)]
mod tests;
