//! `tootstrap completions`: what a shell needs to complete a command line.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::exit::{End, Exit};
use super::{Cli, tell};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tootstrap completions bash >>~/.bashrc
  tootstrap completions zsh >\"${fpath[1]}/_tootstrap\"
  tootstrap completions fish >~/.config/fish/completions/tootstrap.fish")]
pub(super) struct Completions {
    /// For which shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

impl Completions {
    #[expect(clippy::unnecessary_wraps, reason = "every subcommand ends alike")]
    pub(super) fn run(&self) -> End<Exit> {
        tell(self.script().trim_end());
        Ok(Exit::Done)
    }

    fn script(&self) -> String {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "tootstrap", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_learns_of_every_command() {
        for shell in Shell::value_variants() {
            let script = Completions { shell: *shell }.script();
            for command in ["install", "plan", "status", "reset-password", "tootctl"] {
                assert!(script.contains(command), "{shell}: {command}");
            }
        }
    }
}
