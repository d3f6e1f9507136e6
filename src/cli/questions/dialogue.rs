//! Lines out, lines in.

use std::io::{self, BufRead, Write};
use std::str::FromStr;

use secrecy::SecretString;

use super::super::secret::hidden;
use crate::report::wrap;

/// Columns of what is said; a question and its answer may be longer.
const WIDTH: usize = 78;

/// Somebody at a terminal, or a double.
pub(in crate::cli) struct Dialogue<I, O> {
    input: I,
    output: O,
    /// Secrets are not shown while they are typed.
    hides: bool,
}

impl<I: BufRead, O: Write> Dialogue<I, O> {
    pub(in crate::cli) fn new(input: I, output: O, hides: bool) -> Self {
        Self { input, output, hides }
    }

    /// A line without its end. `None`: there will be no more.
    pub(in crate::cli) fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        write!(self.output, "{question}: ")?;
        self.output.flush()?;
        self.line()
    }

    /// The same; an empty line means what is there already.
    pub(in crate::cli) fn ask_with(&mut self, question: &str, present: Option<&str>) -> io::Result<Option<String>> {
        let Some(present) = present else { return self.ask(question) };
        let answer = self.ask(&format!("{question} [{present}]"))?;
        Ok(answer.map(|answer| if answer.is_empty() { present.to_owned() } else { answer }))
    }

    /// The same, not shown while it is typed. Empty: it stays as `present` says.
    pub(in crate::cli) fn secret(&mut self, question: &str, present: &str) -> io::Result<Option<SecretString>> {
        let question = format!("{question} [{present}]");
        if !self.hides {
            return Ok(self.ask(&question)?.map(SecretString::from));
        }
        let output = &mut self.output;
        hidden(&mut self.input, || write!(output, "{question}: ").and_then(|()| output.flush()))
    }

    pub(in crate::cli) fn parsed<T: FromStr<Err = String>>(&mut self, question: &str, present: Option<&str>) -> io::Result<Option<String>> {
        self.checked(question, present, |answer| answer.parse::<T>().map(drop))
    }

    /// Asks until an answer passes.
    pub(in crate::cli) fn checked(
        &mut self,
        question: &str,
        present: Option<&str>,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> io::Result<Option<String>> {
        while let Some(answer) = self.ask_with(question, present)? {
            match check(&answer) {
                Ok(()) => return Ok(Some(answer)),
                Err(problem) => self.say(&format!("  {answer:?} {problem}"))?,
            }
        }
        Ok(None)
    }

    pub(in crate::cli) fn choice(&mut self, question: &str, allowed: &[&str], present: &str) -> io::Result<Option<String>> {
        while let Some(answer) = self.ask_with(question, Some(present))? {
            let answer = answer.to_ascii_lowercase();
            if allowed.contains(&answer.as_str()) {
                return Ok(Some(answer));
            }
            self.say(&format!("  One of: {}", allowed.join(", ")))?;
        }
        Ok(None)
    }

    pub(in crate::cli) fn say(&mut self, text: &str) -> io::Result<()> {
        if text.chars().count() <= WIDTH {
            return writeln!(self.output, "{text}");
        }
        wrap(text, WIDTH).iter().try_for_each(|line| writeln!(self.output, "{line}"))
    }

    /// Something worth knowing, if there is.
    pub(in crate::cli) fn remark(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() { Ok(()) } else { self.say(&format!("  {text}")) }
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        // What is not UTF-8 shows as such in the answer that is refused.
        let mut line = Vec::new();
        let read = self.input.read_until(b'\n', &mut line)?;
        Ok((read > 0).then(|| String::from_utf8_lossy(&line).trim().to_owned()))
    }
}
