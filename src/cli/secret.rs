//! Secrets that come through standard input: piped, or typed without being shown.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use anyhow::{Context, anyhow, ensure};
use nix::sys::signal::{Signal, raise};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, SecretString};

use crate::report::WithRemedy;

/// No password is longer.
const LONGEST: u64 = 4096;

/// One secret from standard input; `what` is asked for on a terminal: `Password at the mail relay`.
pub(super) fn from_stdin(what: &str) -> anyhow::Result<SecretString> {
    let stdin = io::stdin();
    let (text, none) =
        if stdin.is_terminal() { (typed(what)?, "no secret was typed") } else { (read(stdin.lock())?, "standard input holds no secret") };
    if text.expose_secret().is_empty() {
        return Err(anyhow!(none)).remedy("type or paste it when it is asked for, or give it through standard input or a file");
    }
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
    let ask = || write!(io::stderr(), "{what} (it is not shown): ");
    let line = hidden(&mut io::stdin().lock(), ask).context("cannot ask on the terminal")?;
    Ok(line.unwrap_or_default())
}

/// Asks, and reads a line from the terminal that is not shown. `None`: there will be no more. Before Ctrl-C ends the program, or Ctrl-Z stops it,
/// the terminal is as it was; after Ctrl-Z it is asked again.
pub(super) fn hidden(input: &mut impl BufRead, mut ask: impl FnMut() -> io::Result<()>) -> io::Result<Option<SecretString>> {
    loop {
        let hidden = Hidden::new()?;
        ask()?;
        io::stderr().flush()?;
        let (line, end) = line_of(input, &[b'\n', hidden.interrupt(), hidden.suspend()])?;
        let signal = match end {
            Some(end) if end == hidden.interrupt() => Some(Signal::SIGINT),
            Some(end) if end == hidden.suspend() => Some(Signal::SIGTSTP),
            _ => None,
        };
        drop(hidden);
        // The line end that was typed was not shown either.
        writeln!(io::stderr())?;
        match signal {
            Some(signal) => raise(signal)?,
            None if line.is_empty() && end.is_none() => return Ok(None),
            None => return Ok(Some(String::from_utf8_lossy(&line).trim_end_matches('\r').into())),
        }
    }
}

/// What comes before one of `ends`, and which. Without one the input is over.
fn line_of(input: &mut impl BufRead, ends: &[u8]) -> io::Result<(Vec<u8>, Option<u8>)> {
    let mut line = Vec::new();
    loop {
        let read = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let at = read.iter().position(|byte| ends.contains(byte));
        let (end, over) = (at.map(|at| read[at]), read.is_empty());
        line.extend_from_slice(&read[..at.unwrap_or(read.len())]);
        let used = at.map_or(read.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() || over {
            return Ok((line, end));
        }
    }
}

/// As long as this exists, the terminal shows nothing of what is typed, and its keys for signals end the line instead: whoever reads it raises
/// them. It drops what was typed before, which cannot be meant as the answer.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn new() -> io::Result<Self> {
        let hidden = Self { before: tcgetattr(io::stdin().as_fd())? };
        let mut set = hidden.before.clone();
        set.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
        set.control_chars[SpecialCharacterIndices::VEOL as usize] = hidden.interrupt();
        set.control_chars[SpecialCharacterIndices::VEOL2 as usize] = hidden.suspend();
        tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, &set)?;
        Ok(hidden)
    }

    fn interrupt(&self) -> u8 {
        self.before.control_chars[SpecialCharacterIndices::VINTR as usize]
    }

    fn suspend(&self) -> u8 {
        self.before.control_chars[SpecialCharacterIndices::VSUSP as usize]
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

    #[test]
    fn a_line_ends_with_its_key() {
        let mut input = "hunter22\nnext\x03\x1arest".as_bytes();
        let mut next = || line_of(&mut input, b"\n\x03\x1a").unwrap();
        assert_eq!(next(), (b"hunter22".to_vec(), Some(b'\n')));
        assert_eq!(next(), (b"next".to_vec(), Some(3)));
        assert_eq!(next(), (Vec::new(), Some(26)));
        assert_eq!((next(), next()), ((b"rest".to_vec(), None), (Vec::new(), None)));
    }
}
