//! The owner's account, and the first values of settings that belong to the web interface.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::super::{Drift, Resource, stamp};
use super::psql::{Rows, number};
use super::{Content, rails, wait_for_earlier};
use crate::assets::OWNER_SCRIPT;
use crate::host::{Host, Probe};
use crate::report::WithRemedy;
use crate::settings::{EmailAddress, OwnerName, Registrations};

/// Says that the settings have had their first values.
const STAMP: &str = "app/seeds";
/// Begins the line in which the script tells what it did; log lines may stand around it.
const MARKER: &str = "tootstrap-owner: ";
/// Ends the values before the script.
const HEREDOC: &str = "END_OF_VALUES";

/// First values of settings; the web interface owns them afterwards.
#[derive(Clone, Debug)]
pub struct Seeds {
    /// Who may sign up.
    pub registrations: Registrations,
    /// Contact address of the site.
    pub contact: EmailAddress,
    /// After how many days copies of other servers' media are removed; Mastodon's default is never (mastodon.md §3.5).
    pub media_days: u32,
}

/// Someone owns the site: the named account, confirmed, approved, with the role Owner; or, once the site is in use, any administrator.
#[derive(Debug)]
pub struct Owner {
    /// Name of the account.
    pub name: OwnerName,
    /// What the database tells of it.
    pub content: Arc<Content>,
    /// Its address.
    pub email: EmailAddress,
    /// Its first password.
    pub password: SecretString,
    /// The address lies under a name that our own DNS records are just publishing, so its DNS is not asked for.
    pub email_is_ours: bool,
    /// Set together with the account.
    pub seeds: Seeds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Account {
    /// To be made.
    Wanted,
    /// Made, but a crash left it unconfirmed or not approved.
    Unfinished,
    /// Nothing to do.
    Settled,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    errors: Vec<(String, String)>,
    owner: Option<String>,
}

impl Owner {
    fn account(&self, rows: Option<Rows>) -> anyhow::Result<Account> {
        let Some(rows) = rows.filter(|rows| rows.contains_key("administrators")) else {
            return Ok(Account::Wanted);
        };
        let administrators = number(&rows, "administrators")?;
        match rows.get("owner").map(String::as_str) {
            Some("unfinished") => Ok(Account::Unfinished),
            None if administrators == 0 => Ok(Account::Wanted),
            Some("present") if administrators == 0 => Err(anyhow!("the account {} exists, but is not the owner", self.name))
                .remedy(format!("if it is yours: sudo tootstrap tootctl accounts modify {} --role Owner", self.name)),
            Some("present") | None => Ok(Account::Settled),
            Some(other) => bail!("the database told `{other}` about the owner"),
        }
    }

    /// The Ruby program with the values before it. Whatever a container's environment or command line says, Docker writes to the disk and
    /// keeps there after the container is gone; standard input it only hands on. In a heredoc with a quoted name nothing is special, and
    /// JSON is one line, so no value can end it.
    fn script(&self, create: bool) -> SecretString {
        let given = serde_json::json!({
            "create": create,
            "owner": self.name.as_str(),
            "email": self.email.as_str(),
            "password": self.password.expose_secret(),
            "settings": self.settings(),
        });
        format!("TOOTSTRAP_GIVEN = <<'{HEREDOC}'\n{given}\n{HEREDOC}\n{OWNER_SCRIPT}").into()
    }

    fn settings(&self) -> serde_json::Value {
        let registrations = match self.seeds.registrations {
            Registrations::Open => "open",
            Registrations::Approved => "approved",
            Registrations::Closed => "none",
        };
        serde_json::json!({
            "registrations_mode": registrations,
            "site_contact_username": self.name.as_str(),
            "site_contact_email": self.seeds.contact.as_str(),
            "media_cache_retention_period": self.seeds.media_days,
        })
    }

    fn explain(&self, errors: &[(String, String)]) -> anyhow::Result<()> {
        let list: Vec<_> = errors.iter().map(|(attribute, kind)| format!("{attribute}: {kind}")).collect();
        let error = anyhow!("Mastodon refuses the owner's account ({})", list.join(", "));
        let has = |attribute: &str, kind: &str| errors.iter().any(|(a, k)| a == attribute && k == kind);
        Err(error).remedy(if has("email", "unreachable") {
            format!("the domain of {} cannot receive mail: give another OWNER_EMAIL, or wait until its DNS records are there", self.email)
        } else if has("email", "taken") {
            format!("another account has the address {}: give another OWNER_EMAIL", self.email)
        } else if has("account.username", "taken") {
            format!("the name {} was in use before and stays reserved: give another OWNER_USERNAME", self.name)
        } else {
            "give another OWNER_USERNAME or OWNER_EMAIL".to_owned()
        })
    }
}

fn told(stdout: &str) -> anyhow::Result<Told> {
    let line = stdout.lines().filter_map(|line| line.strip_prefix(MARKER)).next_back();
    let line = line.with_context(|| {
        let tail: Vec<_> = stdout.lines().rev().take(10).collect();
        format!("Rails ended without telling what it did: {}", tail.into_iter().rev().collect::<Vec<_>>().join(" | "))
    })?;
    serde_json::from_str(line).with_context(|| format!("Rails told `{line}`"))
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "owner {}", self.name)
    }
}

#[async_trait]
impl Resource for Owner {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        match self.account(self.content.kept_or_ask(host).await?)? {
            Account::Wanted => drift.push_do(format!("create the account {} with the role Owner", self.name)),
            Account::Unfinished => drift.push_do(format!("confirm and approve the account {}", self.name)),
            Account::Settled => {}
        }
        if stamp::read(host, STAMP).await?.is_none() {
            drift.push_do("give registrations, contact and media retention their first values");
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        wait_for_earlier(host).await?;
        let create = self.account(self.content.ask(host.probe()).await?)? != Account::Settled;
        let allow = format!("EMAIL_DOMAIN_ALLOWLIST={}", self.email.domain());
        let mut options = vec!["-e", "RAILS_LOG_LEVEL=error"];
        if self.email_is_ours {
            options.extend(["-e", &allow]);
        }
        let script = rails(options, ["runner", "-"]).stdin(self.script(create));
        let output = host.run(&script).await.context("cannot make the owner's account")?;
        let told = told(&output.stdout)?;
        if !told.errors.is_empty() {
            return self.explain(&told.errors);
        }
        told.owner.context("Rails did not tell what became of the owner")?;
        stamp::write(host, STAMP, "done").await
    }
}

#[cfg(test)]
mod tests;
