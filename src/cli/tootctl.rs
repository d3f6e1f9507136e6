//! `tootstrap tootctl`: Mastodon's own command line.

use std::io::IsTerminal;

use clap::Args;

use super::exit::{End, Exit};
use super::prepare;
use crate::host::Cmd;
use crate::host::system::become_command;
use crate::resource::docker::compose;

/// Run Mastodon's own tool tootctl
///
/// It runs in a container of its own beside the server; its exit status is passed on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap tootctl help                       what it can do
  sudo tootstrap tootctl media usage                how much space media take
  sudo tootstrap tootctl media remove --days 3      remove other servers' media
  sudo tootstrap tootctl settings registrations close")]
pub(super) struct Tootctl {
    /// What tootctl is told, as it is
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Tootctl {
    pub(super) async fn run(self) -> End<Exit> {
        prepare::installed(&prepare::machine()).await?;
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        match become_command(&self.command(terminal))? {}
    }

    /// Where there is no terminal, Rails' log lines are kept out of what a script reads (mastodon.md §4).
    fn command(&self, terminal: bool) -> Cmd {
        let alone: &[&str] = if terminal { &[] } else { &["-T", "-e", "RAILS_LOG_LEVEL=error"] };
        let run = compose().args(["run", "--rm", "--no-deps"]).args(alone.iter().copied());
        run.args(["web", "tootctl"]).args(&self.arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_passed_as_they_are() {
        let tootctl = Tootctl { arguments: ["media", "remove", "--days", "3", "a b"].map(String::from).to_vec() };
        let run = "docker compose --project-directory /opt/mastodon run --rm --no-deps";
        let told = "web tootctl media remove --days 3 'a b'";
        assert_eq!(tootctl.command(true).to_string(), format!("{run} {told}"));
        assert_eq!(tootctl.command(false).to_string(), format!("{run} -T -e RAILS_LOG_LEVEL=error {told}"));
    }
}
