//! Giving the terminal to another program.

#![expect(clippy::disallowed_methods, reason = "this is a door through which commands are started")]

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::super::{Cmd, HostError, Result};
use super::{PATH, process};

/// Makes this process the command, with the terminal, standard streams and signals of this one: its exit status is ours. Only `TERM` is added
/// to the environment that every command gets; standard input is inherited, and there is no limit of time.
///
/// # Errors
/// It returns only if the program is missing or cannot be started.
pub fn become_command(cmd: &Cmd) -> Result<std::convert::Infallible> {
    let mut command = Command::new(process::find(&cmd.program)?);
    command.args(&cmd.args).env_clear();
    command.envs([("PATH", PATH), ("LANG", "C.UTF-8"), ("HOME", "/root")]);
    command.envs(std::env::var_os("TERM").map(|term| ("TERM", term)));
    command.envs(cmd.env.iter().map(|(name, value)| (name, value)));
    Err(HostError::Spawn { command: cmd.to_string(), source: command.exec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_missing() {
        let Err(error) = become_command(&Cmd::new("no-such-program"));
        assert!(matches!(error, HostError::Missing { program } if program == "no-such-program"));
    }
}
