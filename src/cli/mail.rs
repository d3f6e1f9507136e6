//! `tootstrap mail`: the relay that sends the site's mail.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{self, IsTerminal};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};

use super::exit::{End, Exit, Trouble};
use super::prepare::{self, Ask, Prepared, Wishes};
use super::questions::dialogue::Dialogue;
use super::{install, lock, need_root, secret, tell, tell_wrapped};
use crate::host::Probe;
use crate::host::system::System;
use crate::mail::{self, Fate, PRESETS, Preset, Setback};
use crate::report::{Problem, WIDTH, WithRemedy, part, wrap};
use crate::settings::{self, DomainName, EmailAddress, Handover, Options, SecretEnv, Settings, Smtp, SmtpOptions};

/// Have the site send mail, and see that it does
#[derive(Debug, Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  sudo tootstrap mail set     asks for everything
  sudo tootstrap mail test    does it still send?"
)]
pub(super) struct Mail {
    #[command(subcommand)]
    command: MailCommand,
}

#[derive(Debug, Subcommand)]
enum MailCommand {
    Set(Set),
    Test(Test),
}

/// Set the relay that sends the site's mail, once it is known to work
///
/// Tries the ports from this machine, signs in, and has the relay accept sender and recipient. Only then is anything saved; a test message
/// through Mastodon follows. PROVIDER is fastmail, gmail, mailgun, postmark, sendgrid or ses; any other relay is given with --server.
/// The password is asked for, or comes through standard input or from a file. What is missing is asked on a terminal.
///
/// `sudo tootstrap set smtp.server ...` saves a relay without trying it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap mail set                           asks for everything
  sudo tootstrap mail set postmark --from me@example.org
  sudo tootstrap mail set --server smtp.example.org --login me --port 465
  sudo tootstrap mail set ses --server email-smtp.eu-west-1.amazonaws.com")]
struct Set {
    /// Provider whose relay it is
    provider: Option<String>,
    /// The relay, if it is another one than the provider's usual
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Its port; 465 is TLS from the start, others STARTTLS [default: one that is open]
    #[arg(long)]
    port: Option<u16>,
    /// Login name at the relay
    #[arg(long, value_name = "NAME")]
    login: Option<String>,
    /// Sender: an address, or `Name <address>`
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// File with the password at the relay
    #[arg(long, value_name = "FILE")]
    password_file: Option<String>,
    /// Who gets the test message [default: the owner]
    #[arg(long, value_name = "ADDRESS")]
    to: Option<EmailAddress>,
}

/// Send a test message, the way all of Mastodon's mail goes
///
/// Sidekiq sends it, and what its log and its queues say of it is told: that the relay took it, what the relay said, or that nothing is known.
/// Whether it arrives shows your mailbox. What DNS says about the sender is told as well.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap mail test
  sudo tootstrap mail test me@example.org")]
struct Test {
    /// Who gets it [default: the owner]
    address: Option<EmailAddress>,
}

impl Mail {
    pub(super) async fn run(self) -> End<Exit> {
        match self.command {
            MailCommand::Set(set) => set.run().await,
            MailCommand::Test(test) => test.run().await,
        }
    }
}

impl Test {
    async fn run(self) -> End<Exit> {
        let system = prepare::machine();
        prepare::installed(&system).await?;
        let Prepared { judged, .. } = prepare::recorded(&system, &prepare::redactor()).await?;
        let settings = judged.map_err(|refusal| Trouble::refused(prepare::refused(&refusal)))?.settings;
        let Some(smtp) = &settings.smtp else {
            let none = Err(anyhow!("no mail relay is set, so no mail is sent")).remedy("sudo tootstrap mail set");
            return none.map_err(Trouble::refused);
        };
        tell(tell_standing(smtp, &system).await.trim_end());
        let to = self.address.unwrap_or_else(|| settings.owner_email.clone());
        send(&settings, smtp, &to, &system).await?;
        Ok(Exit::Done)
    }
}

impl Set {
    async fn run(mut self) -> End<Exit> {
        need_root()?;
        let redactor = prepare::redactor();
        let system = prepare::machine();
        prepare::installed(&system).await?;
        let given = settings::gather(Options::default(), SecretEnv::default(), None, &system).await.map_err(Trouble::refused)?;
        if !given.is_recorded() {
            return Err(prepare::nothing_here());
        }
        let site = given.recorded.as_ref().and_then(|recorded| recorded.resolved.as_ref()).map(|resolved| resolved.site.clone());
        self.ask(&given.options.smtp, &site.unwrap_or_default())?;
        let (server, preset) = self.relay().map_err(Trouble::refused)?;
        let ports = mail::ports(&server, self.port, &system).await;
        tell_wrapped(&format!("Relay {server}: of its ports open from here: {}", mail::open(&ports)));
        let wishes = self.wishes(&server, preset, &ports).map_err(Trouble::refused)?;

        let _alone = lock::begin()?;
        let Prepared { facts, judged, .. } = prepare::prepare(&wishes, &system, &redactor, Ask::Never).await?;
        let accepted = judged.map_err(|refusal| Trouble::refused(prepare::refused(&refusal)))?;
        let settings = &accepted.settings;
        let smtp = settings.smtp.as_ref().context("a relay was given, and none came of it")?;
        let to = self.to.unwrap_or_else(|| settings.owner_email.clone());
        tried(settings, smtp, &to, &ports, &system).await.map_err(|setback| Trouble::refused(told(&setback)))?;
        tell_wrapped(&format!("{server} on port {}: signed in, and it takes mail from {} to {to}", smtp.port, mail::address(&smtp.from)));
        tell(tell_standing(smtp, &system).await.trim_end());

        let handover = Handover::new(settings, &facts, install::JOBS, accepted.notes.clone());
        let exit = install::carry_out(&handover, &system, false).await?;
        if !matches!(exit, Exit::Done | Exit::Waiting) {
            return Ok(exit);
        }
        send(settings, smtp, &to, &system).await?;
        Ok(exit)
    }

    /// What is missing is asked for, if there is a terminal.
    fn ask(&mut self, current: &SmtpOptions, site: &str) -> io::Result<()> {
        let (input, output) = (io::stdin(), io::stderr());
        if input.is_terminal() && output.is_terminal() {
            self.interview(current, site, &mut Dialogue::new(input.lock(), output.lock(), true))?;
        }
        Ok(())
    }

    fn interview<I: io::BufRead, O: io::Write>(
        &mut self,
        current: &SmtpOptions,
        site: &str,
        dialogue: &mut Dialogue<I, O>,
    ) -> io::Result<()> {
        if self.provider.is_none() && self.server.is_none() {
            let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).chain(["other"]).collect();
            dialogue.say(&format!("  Known are {}.", names.join(", ")))?;
            let before = current.server.as_deref().and_then(Preset::of_server).map_or("other", |preset| preset.name);
            self.provider = dialogue.choice("Who sends your mail?", &names, before)?.filter(|name| name != "other");
        }
        let preset = self.provider.as_deref().and_then(Preset::named);
        if self.server.is_none() && preset.is_none_or(|preset| preset.server.is_none()) {
            self.server = dialogue.parsed::<DomainName>("Name of the relay, such as smtp.example.org", current.server.as_deref())?;
        }
        if self.login.is_none() && preset.is_none_or(|preset| preset.login.is_none()) {
            let question = preset.map_or_else(|| "Login there".into(), |preset| format!("Login there ({})", preset.login_is));
            let given = |answer: &str| if answer.is_empty() { Err("is no login".into()) } else { Ok(()) };
            self.login = dialogue.checked(&question, current.login.as_deref(), given)?;
        }
        if self.from.is_none() {
            let usual = settings::usual_sender(site);
            let question = "Sender, such as Mastodon <notifications@example.org>";
            let is_sender = |answer: &str| settings::sender(answer).map(drop);
            self.from = dialogue.checked(question, current.from.as_deref().or(Some(&usual)), is_sender)?;
        }
        Ok(())
    }

    /// The relay's name, and whose it is.
    fn relay(&self) -> anyhow::Result<(String, Option<&'static Preset>)> {
        let names = || PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
        let preset = match &self.provider {
            Some(name) => Some(
                Preset::named(name)
                    .with_context(|| format!("no provider {name:?} is known"))
                    .remedy(format!("one of {}; or give --server NAME", names()))?,
            ),
            None => None,
        };
        let server = self.server.as_deref().or(preset.and_then(|preset| preset.server)).map(|name| name.trim().to_ascii_lowercase());
        let server = server.with_context(|| match preset {
            Some(preset) => format!("{} has a relay in each region", preset.title),
            None => "it is not said which relay sends the mail".to_owned(),
        });
        let server = server.remedy(match preset {
            Some(_) => "add its name: --server email-smtp.REGION.amazonaws.com".to_owned(),
            None => format!("sudo tootstrap mail set PROVIDER ({}), or --server NAME", names()),
        })?;
        let preset = preset.or_else(|| Preset::of_server(&server));
        Ok((server, preset))
    }

    /// The same as `tootstrap set` would be told.
    fn wishes(&self, server: &str, preset: Option<&Preset>, ports: &BTreeMap<u16, bool>) -> anyhow::Result<Wishes> {
        let port = self.port.unwrap_or_else(|| best_port(preset, ports));
        let login = self.login.clone().or_else(|| preset.and_then(|preset| preset.login).map(str::to_owned));
        let login = login.context("the login name at the relay is missing").remedy(match preset {
            Some(preset) => format!("--login NAME; it is {}", preset.login_is),
            None => "--login NAME".to_owned(),
        })?;
        let mut wishes = Wishes::default();
        wishes.options.smtp = SmtpOptions {
            server: Some(server.to_owned()),
            port: Some(port.to_string()),
            login: Some(login),
            from: self.from.clone(),
            password_file: self.password_file.clone(),
        };
        if self.password_file.is_none() {
            let what = preset.map_or_else(|| "Password at the mail relay".to_owned(), |preset| format!("Password: {}", preset.password_is));
            wishes.smtp_password = Some(secret::from_stdin(&what)?);
        }
        Ok(wishes)
    }
}

/// The first of the provider's ports that is open; if none is, the first of all, whose trouble is then told.
fn best_port(preset: Option<&Preset>, ports: &BTreeMap<u16, bool>) -> u16 {
    let wanted = preset.map_or(&mail::PORTS[..], |preset| preset.ports);
    let open = wanted.iter().find(|port| ports.get(port) == Some(&true));
    open.or(wanted.first()).copied().unwrap_or(587)
}

/// The dialogue with the relay.
async fn tried(settings: &Settings, smtp: &Smtp, to: &EmailAddress, ports: &BTreeMap<u16, bool>, probe: &dyn Probe) -> Result<(), Setback> {
    let trial = mail::trial(settings, smtp, to.as_str());
    probe.try_relay(&trial).await.map_err(|trouble| mail::explain(&trouble, &trial, ports))
}

fn told(Setback { what, why, remedy }: &Setback) -> anyhow::Error {
    Problem::new(anyhow!("{what}\n{}", part("why", why).trim_end()), remedy).into()
}

/// SPF, DKIM and DMARC, each with what to do in one line.
async fn tell_standing(smtp: &Smtp, probe: &dyn Probe) -> String {
    let mut text = String::new();
    for standing in mail::standing(smtp, probe).await {
        let says = wrap(&standing.says, WIDTH - 6).join("\n      ");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<5} {says}", standing.name);
        if let Some(advice) = standing.advice {
            let _ = writeln!(text, "      {}:\n      {}", advice.what, advice.record);
        }
    }
    text
}

/// Through Mastodon, and what became of it.
async fn send(settings: &Settings, smtp: &Smtp, to: &EmailAddress, system: &System) -> End<()> {
    tell_wrapped(&format!("Sidekiq sends a test message to {to}"));
    let fate = mail::test_message(system, settings.site.as_str(), to.as_str()).await.map_err(Trouble::failed)?;
    if let Some(setback) = setback(&fate, smtp, to) {
        return Err(not_sent(&setback));
    }
    tell_wrapped(&format!("{} took it. Is it in the mailbox of {to}? Look among the junk, too.", smtp.server));
    Ok(())
}

fn not_sent(setback: &Setback) -> Trouble {
    let done = "the relay is set, and the server runs with it; only this message is not known to be sent";
    Trouble { done, go_on: Some("sudo tootstrap mail test".into()), ..Trouble::failed(told(setback)) }
}

/// What is wrong with a message that is not known to be delivered.
fn setback(fate: &Fate, smtp: &Smtp, to: &EmailAddress) -> Option<Setback> {
    let (what, why, remedy) = match fate {
        Fate::Delivered => return None,
        Fate::Ended => (
            "nothing says whether the test message was sent",
            "Sidekiq has it neither to do nor as failed, but its log does not say that it is done: a restart may have lost it, \
             or RAILS_LOG_LEVEL keeps the log from saying so"
                .to_owned(),
            format!("is it in the mailbox of {to}? if not:\nsudo tootstrap logs sidekiq\nsudo tootstrap mail test"),
        ),
        Fate::Failed { error, message } => (
            "Mastodon could not hand over the test message",
            format!("{message} ({error})"),
            mail::failure::remedy(error, message).to_owned(),
        ),
        Fate::Queued => (
            "the test message still waits in its queue",
            "Sidekiq has not begun with it: it is busy, or does not run".to_owned(),
            "sudo tootstrap status\nsudo tootstrap logs sidekiq".to_owned(),
        ),
        Fate::Working => (
            "Sidekiq is not done with the test message",
            format!("{} answers slowly, or not at all", smtp.server),
            "sudo tootstrap logs sidekiq\nsudo tootstrap mail test".to_owned(),
        ),
    };
    Some(Setback { what: what.to_owned(), why, remedy })
}

#[cfg(test)]
mod tests;
