//! What can be refused, and how each setting is called by those who gave it.

use std::fmt;

use super::Options;

/// A setting, or the machine itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the setting of that name")]
pub enum Field {
    Domain,
    Subdomain,
    Email,
    HandleDomain,
    Address,
    Token,
    Owner,
    OwnerEmail,
    SingleUser,
    Registrations,
    SudoUser,
    DisableRoot,
    Harden,
    BehindProxy,
    SmtpServer,
    SmtpPort,
    SmtpLogin,
    SmtpFrom,
    SmtpPassword,
    Images,
    DockerRepository,
    Machine,
}

impl Field {
    /// The field of the `StackScript`'s form, if it is one.
    pub const fn form(self) -> Option<&'static str> {
        Some(match self {
            Self::Domain => "domain",
            Self::Subdomain => "subdomain",
            Self::Email => "soa_email_address",
            Self::Token => "token_password",
            Self::Owner => "owner_username",
            Self::OwnerEmail => "owner_email",
            Self::SingleUser => "single_user_mode",
            Self::SudoUser => "user_name",
            Self::DisableRoot => "disable_root",
            _ => return None,
        })
    }

    /// The flag with a word for its value; what has no flag stands in the settings file.
    pub const fn flag(self) -> Option<&'static str> {
        Some(match self {
            Self::Domain => "--domain NAME",
            Self::Subdomain => "--subdomain NAME",
            Self::Email => "--email ADDRESS",
            Self::HandleDomain => "--handle-domain NAME",
            Self::Address => "--address IP",
            Self::Token => "--linode-token-file FILE",
            Self::Owner => "--owner NAME",
            Self::OwnerEmail => "--owner-email ADDRESS",
            Self::SingleUser => "--single-user=YES|NO",
            Self::Registrations => "--registrations WHO",
            Self::SudoUser => "--sudo-user NAME",
            Self::DisableRoot => "--disable-root=YES|NO",
            Self::Harden => "--harden=YES|NO",
            Self::BehindProxy => "--behind-proxy=YES|NO",
            Self::SmtpServer => "--smtp-server NAME",
            Self::SmtpPort => "--smtp-port PORT",
            Self::SmtpLogin => "--smtp-login NAME",
            Self::SmtpFrom => "--smtp-from SENDER",
            Self::SmtpPassword => "--smtp-password-file FILE",
            Self::Images | Self::DockerRepository | Self::Machine => return None,
        })
    }

    /// Takes the refused value out of the answers that are kept.
    fn forget(self, kept: &mut Options) {
        match self {
            Self::Domain => kept.domain = None,
            Self::Subdomain => kept.subdomain = None,
            Self::Email => kept.email = None,
            Self::HandleDomain => kept.handle_domain = None,
            Self::Address => kept.address.clear(),
            Self::Owner => kept.owner = None,
            Self::OwnerEmail => kept.owner_email = None,
            Self::SingleUser => kept.single_user = None,
            Self::Registrations => kept.registrations = None,
            Self::SudoUser => kept.sudo_user = None,
            Self::DisableRoot => kept.disable_root = None,
            Self::Harden => kept.harden = None,
            Self::BehindProxy => kept.behind_proxy = None,
            Self::SmtpServer => kept.smtp.server = None,
            Self::SmtpPort => kept.smtp.port = None,
            Self::SmtpLogin => kept.smtp.login = None,
            Self::SmtpFrom => kept.smtp.from = None,
            Self::Images => kept.images = super::options::ImageOptions::default(),
            Self::DockerRepository => kept.docker_repository = super::options::RepositoryOptions::default(),
            Self::Token | Self::SmtpPassword | Self::Machine => {}
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = self.flag().map(|flag| flag.split([' ', '=']).next().unwrap_or(flag));
        match (self.form(), flag) {
            (Some(form), Some(flag)) => write!(f, "{form} ({flag})"),
            (None, Some(flag)) => f.write_str(flag),
            _ => f.write_str(match self {
                Self::Images => "[images]",
                Self::DockerRepository => "[docker_repository]",
                _ => "this machine",
            }),
        }
    }
}

/// Every problem of a set of settings.
#[derive(Debug, Default)]
pub struct Refusal {
    problems: Vec<(Field, String)>,
    /// Secrets that came with the settings: they are not kept, so they have to come again.
    again: Vec<Field>,
    /// No other answer helps.
    in_vain: bool,
}

impl Refusal {
    /// Remembers that a secret came with the settings.
    pub(super) fn secret_given(&mut self, field: Field) {
        self.again.push(field);
    }

    /// Remembers that the machine cannot be made what was asked for, whatever else is answered.
    pub(super) fn in_vain(&mut self) {
        self.in_vain = true;
    }

    /// One more problem; `value` is shown in quotes.
    pub(super) fn value(&mut self, field: Field, value: &str, problem: impl fmt::Display) {
        self.add(field, format!("{value:?} {problem}"));
    }

    /// One more problem, as a whole sentence.
    pub(super) fn add(&mut self, field: Field, problem: impl Into<String>) {
        self.problems.push((field, problem.into()));
    }

    /// Notes a parser's refusal.
    pub(super) fn check<T, E: fmt::Display>(&mut self, field: Field, value: &str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|problem| self.value(field, value, problem)).ok()
    }

    /// Whether nothing is refused.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether a problem with this setting was found.
    pub fn names(&self, field: Field) -> bool {
        self.problems.iter().any(|(refused, _)| *refused == field)
    }

    /// The answers without those that were refused.
    #[must_use]
    pub fn kept(&self, mut answers: Options) -> Options {
        self.problems.iter().for_each(|(field, _)| field.forget(&mut answers));
        answers.resolved = None;
        answers
    }

    /// The one command that goes on, once the kept answers are written. `None`: it is not the settings that are wrong.
    pub fn next_command(&self) -> Option<String> {
        let mut flags: Vec<&str> = Vec::new();
        for flag in self.problems.iter().map(|(field, _)| field).chain(&self.again).copied().filter_map(Field::flag) {
            if !flags.contains(&flag) {
                flags.push(flag);
            }
        }
        let settings_only = !self.in_vain && self.problems.iter().all(|(field, _)| field.flag().is_some());
        settings_only.then(|| format!("sudo tootstrap install {}", flags.join(" ")))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (field, problem) in &self.problems {
            writeln!(f, "  {field}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
