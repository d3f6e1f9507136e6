//! Secrets that come through standard input: piped, or typed without being shown.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use anyhow::{Context, ensure};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, SecretString};

/// No password is longer.
const LONGEST: u64 = 4096;

/// One secret from standard input; `what` is asked for on a terminal: `Password at the mail relay`.
pub(super) fn from_stdin(what: &str) -> anyhow::Result<SecretString> {
    let stdin = io::stdin();
    let text = if stdin.is_terminal() { typed(what)? } else { read(stdin.lock())? };
    ensure!(!text.expose_secret().is_empty(), "standard input holds no secret");
    Ok(text)
}

fn read(input: impl Read) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    let length = input.take(LONGEST + 1).read_to_string(&mut text).context("cannot read standard input")?;
    let text = SecretString::from(text);
    ensure!(length as u64 <= LONGEST, "standard input is too long for a secret");
    Ok(text.expose_secret().trim_end_matches(['\r', '\n']).into())
}

fn typed(what: &str) -> anyhow::Result<SecretString> {
    let mut out = io::stderr();
    let mut line = String::new();
    let read = {
        let _hidden = Hidden::new()?;
        write!(out, "{what} (it is not shown): ").and_then(|()| out.flush()).context("cannot ask on the terminal")?;
        io::stdin().lock().read_line(&mut line)
    };
    let line = SecretString::from(line);
    writeln!(out).context("cannot write to the terminal")?;
    read.context("cannot read from the terminal")?;
    Ok(line.expose_secret().trim_end_matches(['\r', '\n']).into())
}

/// As long as this exists, the terminal shows nothing of what is typed. Made before the question is shown: it drops what was typed until then,
/// which could not be meant as the answer.
pub(super) struct Hidden {
    before: Termios,
}

impl Hidden {
    pub(super) fn new() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin().as_fd()).context("cannot ask the terminal how it is set")?;
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, &hidden).context("cannot make the terminal hide what is typed")?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Err(errno) = tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, &self.before) {
            log::warn!("cannot set the terminal as it was ({errno}); `stty sane` does");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_no_part_of_it() {
        let secret = |text: &str| read(text.as_bytes()).map(|secret| secret.expose_secret().to_owned());
        assert_eq!(secret("hunter 22 \r\n").unwrap(), "hunter 22 ");
        assert_eq!(secret(&"x".repeat(4096)).unwrap().len(), 4096);
        let error = secret(&"x".repeat(4097)).unwrap_err();
        assert!(!error.to_string().contains('x'), "{error}");
    }
}
