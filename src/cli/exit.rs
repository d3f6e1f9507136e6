//! How the program ends.

use std::process::ExitCode;

use crate::report::Counts;

/// Exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: a step failed, or the program could not do its work.
    Failed,
    /// 2: settings, machine or command line are refused; nothing was changed.
    Refused,
    /// 3: changes are pending (only when asked for).
    Pending,
    /// 4: done, but something outside is still waited for.
    Waiting,
    /// 128 + n: ended by signal n.
    Signal(u8),
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Refused => 2,
            Self::Pending => 3,
            Self::Waiting => 4,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// What a number that another process of this program ended with means.
    pub fn of_code(code: i32) -> Self {
        match u8::try_from(code) {
            Ok(0) => Self::Done,
            Ok(2) => Self::Refused,
            Ok(3) => Self::Pending,
            Ok(4) => Self::Waiting,
            Ok(code @ 129..=192) => Self::Signal(code - 128),
            _ => Self::Failed,
        }
    }

    /// How a run ended that counted so.
    pub const fn of_counts(counts: &Counts) -> Self {
        if counts.failed + counts.blocked > 0 {
            Self::Failed
        } else if counts.stopped > 0 {
            Self::Signal(15)
        } else if counts.waiting > 0 {
            Self::Waiting
        } else {
            Self::Done
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// An error with the exit status that it means, and what is said besides ([`complaint`](super::complaint)).
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) error: anyhow::Error,
    pub(super) exit: Exit,
    /// What was already done.
    pub(super) done: &'static str,
    /// The command to go on with, if it is another one.
    pub(super) go_on: Option<String>,
}

/// Result of a subcommand.
pub(super) type End<T> = Result<T, Trouble>;

impl Trouble {
    pub(super) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::ended(Exit::Failed, error)
    }

    pub(super) fn refused(error: impl Into<anyhow::Error>) -> Self {
        Self { done: "nothing was changed", ..Self::ended(Exit::Refused, error) }
    }

    pub(super) fn ended(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), exit, done: "what is done is done, and stays so", go_on: None }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_mean_what_they_meant() {
        for exit in [Exit::Done, Exit::Failed, Exit::Refused, Exit::Pending, Exit::Waiting, Exit::Signal(2), Exit::Signal(15)] {
            assert_eq!(Exit::of_code(exit.code().into()), exit);
        }
        assert_eq!(Exit::of_code(77), Exit::Failed);
    }

    #[test]
    fn failures_count_more_than_waits() {
        let counts = |failed, stopped, waiting| Counts { failed, stopped, waiting, unchanged: 3, ..Counts::default() };
        let cases = [
            (counts(1, 1, 1), Exit::Failed),
            (counts(0, 1, 1), Exit::Signal(15)),
            (counts(0, 0, 1), Exit::Waiting),
            (counts(0, 0, 0), Exit::Done),
        ];
        for (counts, exit) in cases {
            assert_eq!(Exit::of_counts(&counts), exit);
        }
    }
}
