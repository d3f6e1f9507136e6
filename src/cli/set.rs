//! `tootstrap set`: change a setting of the server that stands.

use std::fmt::Write;

use anyhow::anyhow;
use clap::Args;

use super::exit::{End, Exit, Trouble};
use super::prepare::{self, Ask, Prepared, Wishes};
use super::{install, lock, need_root, plan, secret, tell};
use crate::report::{WithRemedy, part};
use crate::settings::{self, Given, Handover, KEYS, Key, Later, Options, SecretEnv};

/// Change a setting later, and make the machine so
///
/// Without a value: show the present one. A change goes the same way as `tootstrap install` with that one setting: what is right stays untouched.
/// docs/settings.md explains every KEY; that of a flag counts too (single-user). A secret comes from a file or, as `-`, from standard input.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_help = "\
Examples:
  sudo tootstrap set --list                          every setting and its value
  sudo tootstrap set single_user yes                 nobody else has an account
  sudo tootstrap set email me@example.org --dry-run  what would change?
  sudo tootstrap set smtp.server smtp.example.org smtp.login me smtp.password -
  sudo tootstrap set smtp.server --clear             send no mail any more")]
pub(super) struct Set {
    /// Setting, and what it shall be; more of them in the same way
    #[arg(value_name = "KEY [VALUE]", required_unless_present = "list")]
    words: Vec<String>,
    /// Show every setting
    #[arg(long, conflicts_with_all = ["words", "clear", "dry_run"])]
    list: bool,
    /// Go back to the default of KEY
    #[arg(long)]
    clear: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Tell every event as a line of JSON
    #[arg(long)]
    json: bool,
    /// File with a Linode API token, if DNS records must change
    #[arg(long, value_name = "FILE")]
    linode_token_file: Option<String>,
}

/// What is to become of a setting.
#[derive(Debug)]
struct Change {
    key: &'static Key,
    /// `None`: its default.
    value: Option<String>,
}

impl Set {
    pub(super) async fn run(self) -> End<Exit> {
        need_root()?;
        let redactor = prepare::redactor();
        let system = prepare::machine();
        let given = settings::gather(Options::default(), SecretEnv::default(), None, &system).await.map_err(Trouble::refused)?;
        if !given.is_recorded() {
            return Err(prepare::nothing_here());
        }
        match self.words.as_slice() {
            [] => {
                tell(list(&given).trim_end());
                return Ok(Exit::Done);
            }
            [one] if !self.clear => {
                tell(&shown(known(one)?, &given).unwrap_or_default());
                return Ok(Exit::Done);
            }
            _ => {}
        }
        let changes = self.changes().map_err(Trouble::refused)?;
        let wishes = self.wishes(&changes)?;
        if self.dry_run {
            return plan::Plan { wishes, json: self.json, jobs: install::JOBS, detailed_exitcode: false }.run().await;
        }
        let _alone = lock::begin()?;
        let Prepared { facts, judged, .. } = prepare::prepare(&wishes, &system, &redactor, Ask::Never).await?;
        let accepted = judged.map_err(|refusal| Trouble::refused(prepare::refused(&refusal)))?;
        let handover = Handover::new(&accepted.settings, &facts, install::JOBS, accepted.notes.clone());
        let exit = install::carry_out(&handover, &system, self.json).await?;
        if matches!(exit, Exit::Done | Exit::Waiting) && !self.json {
            let now = settings::gather(Options::default(), SecretEnv::default(), None, &system).await?;
            for change in &changes {
                tell(&told(change.key, &given, &now));
            }
        }
        Ok(exit)
    }

    /// What the words mean, if all of it may be.
    fn changes(&self) -> anyhow::Result<Vec<Change>> {
        let changes: Vec<_> = if self.clear {
            self.words.iter().map(|word| Ok(Change { key: known(word)?, value: None })).collect::<anyhow::Result<_>>()?
        } else {
            let pair = |pair: &[String]| match pair {
                [name, value] => Ok(Change { key: known(name)?, value: Some(value.clone()) }),
                _ => Err(anyhow!("the last setting has no value: {}", pair.concat())).remedy("give KEY VALUE, KEY VALUE, ..."),
            };
            self.words.chunks(2).map(pair).collect::<anyhow::Result<_>>()?
        };
        changes.iter().try_for_each(may_change)?;
        Ok(changes)
    }

    /// The same as flags would say.
    fn wishes(&self, changes: &[Change]) -> anyhow::Result<Wishes> {
        let mut wishes = Wishes::default();
        wishes.options.linode_token_file.clone_from(&self.linode_token_file);
        for Change { key, value } in changes {
            match value.as_deref() {
                None => wishes.cleared.push(key),
                Some("-") if key.later == Later::Secret => wishes.smtp_password = Some(secret::from_stdin("Password at the mail relay")?),
                Some(value) => key.set(&mut wishes.options, value),
            }
        }
        Ok(wishes)
    }
}

fn known(name: &str) -> anyhow::Result<&'static Key> {
    let names = || KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
    Key::named(name).ok_or_else(|| anyhow!("there is no setting {name:?}")).remedy(format!("one of: {}", names()))
}

fn may_change(Change { key, value }: &Change) -> anyhow::Result<()> {
    match (key.later, value.as_deref()) {
        (Later::Fixed(fixed), _) => {
            Err(anyhow!("{} cannot be changed here\n{}", key.name, part("why", fixed.why).trim_end())).remedy(fixed.instead)
        }
        // The value is not shown: it may be the secret itself.
        (Later::Secret, Some(value)) if value != "-" && !value.contains('/') => {
            let instead = format!("give the path of a file that holds it (/root/password), or -:\nsudo tootstrap set {} -", key.name);
            let why = part("why", "every user of this machine can read it there");
            Err(anyhow!("{} is not taken from the command line\n{}", key.name, why.trim_end())).remedy(instead)
        }
        // As in the form, an empty value would count as not given.
        (_, Some(value)) if value.trim().is_empty() => {
            Err(anyhow!("the value of {} is empty", key.name)).remedy(format!("sudo tootstrap set {} --clear", key.name))
        }
        (Later::Secret, None) => Err(anyhow!("{} goes with the mail relay", key.name)).remedy("sudo tootstrap set smtp.server --clear"),
        _ => Ok(()),
    }
}

/// The value for people. `None`: nothing is set.
fn shown(key: &Key, given: &Given) -> Option<String> {
    match key.later {
        Later::Secret => given.smtp_password.as_ref().map(|_| "(secret, kept in /etc/tootstrap/secrets.toml)".to_owned()),
        Later::Free | Later::Fixed(_) => key.value(&given.options),
    }
}

fn list(given: &Given) -> String {
    let width = KEYS.iter().map(|key| key.name.len()).max().unwrap_or_default();
    KEYS.iter().fold(String::new(), |mut text, key| {
        let value = shown(key, given).unwrap_or_else(|| "-".into());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:width$}  {value}", key.name);
        text
    })
}

/// What became of a setting.
fn told(key: &Key, before: &Given, now: &Given) -> String {
    let value = |given| shown(key, given).unwrap_or_else(|| "not set".into());
    match (value(before), value(now)) {
        (before, now) if key.later == Later::Secret || before == now => format!("{}: {now}", key.name),
        (before, now) => format!("{}: {before} → {now}", key.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Problem;

    fn set(words: &[&str], clear: bool) -> Set {
        let words = words.iter().map(ToString::to_string).collect();
        Set { words, list: false, clear, dry_run: false, json: false, linode_token_file: None }
    }

    fn refusal(words: &[&str], clear: bool) -> String {
        let error = set(words, clear).changes().expect_err("it must be refused");
        format!("{error:#}\n{}", Problem::remedy_of(&error).unwrap_or_default())
    }

    #[test]
    fn what_cannot_change_is_refused_with_the_reason() {
        for (words, part) in [
            (&["domain", "a.org"][..], "part of every handle"),
            (&["--subdomain", "www"], "part of every handle"),
            (&["owner", "bob"], "tootctl accounts create"),
            (&["registrations", "closed"], "tootctl settings registrations"),
            (&["single_user", "yes", "registrations", "open"], "Registrations"),
            (&["simgle_user", "yes"], "one of: domain, "),
            (&["single_user", "yes", "harden"], "has no value: harden"),
            (&["email", " "], "set email --clear"),
        ] {
            assert!(refusal(words, false).contains(part), "{words:?}: {}", refusal(words, false));
        }
        assert!(refusal(&["smtp.password"], true).contains("set smtp.server --clear"));
        for key in KEYS {
            for (words, clear) in
                [(&[key.name, "value"][..], false), (&[key.name, " "], false), (&[key.name], true), (&["none", "x"], false)]
            {
                let Err(error) = set(words, clear).changes() else { continue };
                let told = crate::cli::complaint(&Trouble::refused(error), "set");
                assert!(told.lines().all(|line| line.chars().count() <= 78) && told.contains("\n  do        "), "{told}");
            }
        }
        assert!(refusal(&["domain"], true).contains("part of every handle"));
    }

    #[test]
    fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
        let told = refusal(&["smtp.password", "hunter22"], false);
        assert!(!told.contains("hunter22") && told.contains("set smtp.password -"), "{told}");
        let set = set(&["smtp.password", "/root/password", "smtp-port", "465"], false);
        let wishes = set.wishes(&set.changes().unwrap()).unwrap();
        assert_eq!(wishes.options.smtp.password_file.as_deref(), Some("/root/password"));
        assert_eq!(wishes.options.smtp.port.as_deref(), Some("465"));
    }

    #[test]
    fn a_default_is_asked_for_by_its_own_word() {
        let set = set(&["smtp.server", "address"], true);
        let wishes = set.wishes(&set.changes().unwrap()).unwrap();
        assert_eq!(wishes.options, Options::default());
        assert_eq!(wishes.cleared.iter().map(|key| key.name).collect::<Vec<_>>(), ["smtp.server", "address"]);
    }

    #[test]
    fn values_are_shown_and_secrets_only_that_they_are_there() {
        let given = |text: &str, password: Option<&str>| Given {
            options: toml::from_str(text).unwrap(),
            smtp_password: password.map(Into::into),
            ..Given::default()
        };
        let (before, now) =
            (given("single_user = false", None), given("single_user = true\naddress = ['1.2.3.4', '::1']", Some("hunter22")));
        let key = |name| Key::named(name).unwrap();
        assert_eq!(told(key("single_user"), &before, &now), "single_user: no → yes");
        assert_eq!(told(key("address"), &before, &now), "address: not set → 1.2.3.4,::1");
        assert_eq!(told(key("smtp.password"), &now, &now), "smtp.password: (secret, kept in /etc/tootstrap/secrets.toml)");
        let list = list(&now);
        assert!(list.contains("\nsingle_user                    yes\n") && list.contains("smtp.server                    -\n"), "{list}");
        assert!(!list.contains("hunter22"));
    }
}
