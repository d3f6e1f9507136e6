//! Giving the terminal to another program.

#![expect(clippy::disallowed_methods, reason = "this is a door through which commands are started")]

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};

use super::super::{Cmd, HostError, Result};
use super::{PATH, process};

/// Makes this process the command, with the terminal, standard streams and signals of this one: its exit status is ours. Only `TERM` is added
/// to the environment that every command gets; standard input is inherited, and there is no limit of time.
///
/// # Errors
/// It returns only if the program is missing or cannot be started.
pub fn become_command(cmd: &Cmd) -> Result<std::convert::Infallible> {
    Err(HostError::Spawn { command: cmd.to_string(), source: command(cmd)?.exec() })
}

/// Runs the command as [`become_command`] does, but hands on what it prints line by line, without `noise` wherever a line begins with it.
/// `None`: nobody reads it any more, and the command was ended.
///
/// # Errors
/// The program is missing or cannot be started, or what it prints cannot be handed on.
pub fn hand_on(cmd: &Cmd, noise: &[u8]) -> Result<Option<ExitStatus>> {
    let failed = |source| HostError::Spawn { command: cmd.to_string(), source };
    let mut child = command(cmd)?.stdout(Stdio::piped()).spawn().map_err(failed)?;
    let handed = child.stdout.take().map_or(Ok(()), |printed| copy(BufReader::new(printed), io::stdout().lock(), noise));
    if handed.is_err() {
        child.kill().map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    match handed {
        Ok(()) => Ok(Some(status)),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn command(cmd: &Cmd) -> Result<Command> {
    let mut command = Command::new(process::find(&cmd.program)?);
    command.args(&cmd.args).env_clear();
    command.envs([("PATH", PATH), ("LANG", "C.UTF-8"), ("HOME", "/root")]);
    command.envs(std::env::var_os("TERM").map(|term| ("TERM", term)));
    command.envs(cmd.env.iter().map(|(name, value)| (name, value)));
    Ok(command)
}

fn copy(mut from: impl BufRead, mut to: impl Write, noise: &[u8]) -> io::Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        let mut rest = &line[..];
        while let Some(quiet) = rest.strip_prefix(noise) {
            rest = quiet;
        }
        to.write_all(rest)?;
        to.flush()?;
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_missing() {
        let Err(error) = become_command(&Cmd::new("no-such-program"));
        assert!(matches!(error, HostError::Missing { program } if program == "no-such-program"));
        assert!(matches!(hand_on(&Cmd::new("no-such-program"), b"x"), Err(HostError::Missing { .. })));
    }

    #[test]
    fn the_status_is_that_of_the_command() {
        assert_eq!(hand_on(&Cmd::new("false"), b"x").unwrap().unwrap().code(), Some(1));
    }

    #[test]
    fn only_what_stands_before_a_line_is_left_out() {
        for (printed, handed) in
            [("x a\nx b x c\n", " a\n b x c\n"), ("xx\n\nxxa", "\n\na"), ("\u{fffd}\r\n\0", "\u{fffd}\r\n\0"), ("", "")]
        {
            let mut to = Vec::new();
            copy(printed.as_bytes(), &mut to, b"x").unwrap();
            assert_eq!(String::from_utf8(to).unwrap(), handed);
        }
    }

    #[test]
    fn a_reader_that_went_away_is_told() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(copy(&b"a\n"[..], writer, b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
