//! Commands: argv only, never a shell, and no way to put a secret among the arguments or into the environment.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// What a command reads from standard input.
#[derive(Clone, Debug, Default)]
pub(crate) enum Stdin {
    #[default]
    Empty,
    Text(SecretString),
    File(PathBuf),
}

/// A program with its arguments. `Display` shows what would be typed.
///
/// The environment is cleared except for `PATH`, `LANG=C.UTF-8`, `HOME=/root` and `DEBIAN_FRONTEND=noninteractive`; standard input is empty
/// unless given.
#[derive(Clone, Debug)]
pub struct Cmd {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) stdin: Stdin,
    pub(crate) timeout: Duration,
}

impl Cmd {
    /// A command without arguments, with ten minutes to finish.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), args: Vec::new(), env: Vec::new(), stdin: Stdin::Empty, timeout: Duration::from_mins(10) }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// A variable of its environment, not secret.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// What it reads from standard input.
    #[must_use]
    pub fn stdin(mut self, content: SecretString) -> Self {
        self.stdin = Stdin::Text(content);
        self
    }

    /// The file that it reads from standard input.
    #[must_use]
    pub fn stdin_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.stdin = Stdin::File(path.into());
        self
    }

    /// The text that it was given.
    pub(crate) fn text(&self) -> Option<&SecretString> {
        if let Stdin::Text(text) = &self.stdin { Some(text) } else { None }
    }

    /// How long it may take before it is ended.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Program and arguments.
    pub fn argv(&self) -> Vec<&str> {
        std::iter::once(self.program.as_str()).chain(self.args.iter().map(String::as_str)).collect()
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        for arg in &self.args {
            let plain = !arg.is_empty() && arg.chars().all(|c| c.is_ascii_alphanumeric() || "-_=./:@,+%".contains(c));
            if plain {
                write!(f, " {arg}")?;
            } else {
                write!(f, " '{}'", arg.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

/// What a finished command left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 128 + n after signal n.
    pub status: i32,
    /// Standard output, lossy UTF-8.
    pub stdout: String,
    /// Standard error, lossy UTF-8.
    pub stderr: String,
}

impl Output {
    /// Whether it exited 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_quotes_what_a_shell_would_split() {
        let cmd = Cmd::new("useradd").args(["--comment", "a b", "it's", ""]);
        assert_eq!(cmd.to_string(), r"useradd --comment 'a b' 'it'\''s' ''");
    }

    #[test]
    fn debug_and_display_hide_secrets() {
        let cmd = Cmd::new("chpasswd").stdin("u:hunter2".into());
        assert!(!format!("{cmd} {cmd:?}").contains("hunter2"));
    }
}
