//! `tootstrap owner`: the owner's account.

use std::io::IsTerminal;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};

use super::exit::{End, Exit, Trouble};
use super::{lock, prepare, tell};
use crate::host::{Cmd, Host, HostError};
use crate::report::WithRemedy;
use crate::resource::credentials::{self, OwnerLines};
use crate::resource::docker::compose;
use crate::settings::{self, Options, SecretEnv};

/// Look after the owner's account
#[derive(Debug, Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Example:
  sudo tootstrap owner reset-password"
)]
pub(super) struct Owner {
    #[command(subcommand)]
    command: OwnerCommand,
}

#[derive(Debug, Subcommand)]
enum OwnerCommand {
    ResetPassword(ResetPassword),
}

/// Give the owner a new password, and sign the owner out everywhere
///
/// On a terminal the password is shown once and kept nowhere. Otherwise, or with --file, it goes into the file of the first passwords
/// (.credentials in the sudo user's home or in root's, readable by its owner only).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap owner reset-password
  sudo tootstrap owner reset-password --file")]
struct ResetPassword {
    /// Write it into .credentials also when there is a terminal
    #[arg(long)]
    file: bool,
}

impl Owner {
    pub(super) async fn run(self) -> End<Exit> {
        match self.command {
            OwnerCommand::ResetPassword(reset) => reset.run().await,
        }
    }
}

impl ResetPassword {
    async fn run(self) -> End<Exit> {
        let system = prepare::machine();
        prepare::installed(&system).await?;
        let _alone = lock::begin()?;
        let given = settings::gather(Options::default(), SecretEnv::default(), None, &system).await.map_err(Trouble::refused)?;
        let resolved = given.recorded.and_then(|recorded| recorded.resolved).ok_or_else(prepare::nothing_here)?;
        let sudo = given.options.sudo_user.as_deref().and_then(|name| name.parse().ok());

        let password = reset(&system, &resolved.owner).await?;
        let lines = OwnerLines { name: &resolved.owner, email: &resolved.owner_email, password: &password };
        if self.file || !std::io::stdout().is_terminal() {
            let path = credentials::renew_owner_password(&system, sudo.as_ref(), &lines).await;
            let path = path
                .context("the password is new, but could not be written down")
                .remedy("make room or repair what is named, then run it again")?;
            tell(&format!("The new password of {} is in {}", resolved.owner, path.display()));
        } else {
            tell(&on_terminal(&resolved.site, &lines));
            credentials::forget_owner_password(&system).await.context("the former password could not be taken out of .credentials")?;
        }
        Ok(Exit::Done)
    }
}

/// Has Mastodon make the new password (mastodon.md §4.5). In the running container, since what is printed there is in no log of Docker's.
async fn reset(host: &dyn Host, owner: &str) -> anyhow::Result<SecretString> {
    let tootctl = compose().args(["exec", "-T", "-e", "RAILS_LOG_LEVEL=error", "web", "tootctl"]);
    let tootctl: Cmd = tootctl.args(["accounts", "modify", owner, "--reset-password"]);
    let output = match host.run(&tootctl).await {
        Ok(output) => output,
        Err(HostError::Failed { tail, .. }) if tail.iter().any(|line| line.contains("No user with such username")) => {
            return Err(anyhow!("Mastodon has no account {owner} any more"))
                .remedy("reset another account's: sudo tootstrap tootctl accounts modify NAME --reset-password");
        }
        Err(error) => return Err(error).context("Mastodon did not make a new password").remedy("is it running? sudo tootstrap status"),
    };
    let password = output.stdout.lines().find_map(|line| line.trim().strip_prefix("New password: "));
    let password = password.filter(|password| password.len() == 32 && password.bytes().all(|c| c.is_ascii_hexdigit()));
    password.map(Into::into).context("Mastodon did not tell the new password").remedy("run it again; the password may have changed already")
}

fn on_terminal(site: &str, lines: &OwnerLines<'_>) -> String {
    format!(
        "\n  Your server  https://{site}\n  Sign in      {}\n  Password     {}\n\n  \
           It is shown this once and kept nowhere; {} is signed out everywhere.\n",
        lines.email,
        lines.password.expose_secret(),
        lines.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::host::fake::docker::{FakeUser, Tables};
    use crate::report::Problem;

    fn host() -> FakeHost {
        let host = FakeHost::debian();
        host.machine().run_mastodon_containers();
        let mut tables = Tables::seeded();
        let alice = FakeUser { email: "a@b.org".into(), password: "first".into(), finished: true, administrator: true };
        tables.users.insert("alice".into(), alice);
        host.machine().docker.tables = Some(tables);
        host
    }

    #[tokio::test]
    async fn mastodon_makes_the_password_and_no_command_line_has_it() {
        let host = host();
        let password = reset(&host, "Alice").await.unwrap().expose_secret().to_owned();
        assert_eq!(host.machine().docker.tables.as_ref().unwrap().users["alice"].password, password);
        let log = host.take_log();
        assert_eq!(log.len(), 1);
        assert!(log[0].ends_with("web tootctl accounts modify Alice --reset-password") && !log[0].contains(&password), "{log:?}");
    }

    #[tokio::test]
    async fn nobody_of_that_name_and_nobody_at_home() {
        let host = host();
        let error = reset(&host, "Bob").await.unwrap_err();
        assert_eq!(error.to_string(), "Mastodon has no account Bob any more");
        host.machine().docker.containers.get_mut("web").unwrap().state = "exited";
        let error = reset(&host, "Alice").await.unwrap_err();
        assert!(format!("{error:#}").contains("\"web\" is not running"), "{error:#}");
        assert_eq!(Problem::remedy_of(&error), Some("is it running? sudo tootstrap status"));
    }

    #[test]
    fn the_terminal_is_told_where_and_with_what() {
        let lines = OwnerLines { name: "Alice", email: "a@b.org", password: &"0123456789abcdef0123456789abcdef".into() };
        let text = on_terminal("social.fedi-test.org", &lines);
        assert!(text.contains("Password     0123456789abcdef0123456789abcdef\n") && text.lines().all(|line| line.len() <= 78), "{text}");
    }
}
