//! Errors that carry what to do about them.

use std::fmt;

/// An error with its remedy.
#[derive(Debug)]
pub struct Problem {
    cause: anyhow::Error,
    /// What the operator can do, as a sentence.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.cause)
    }
}

impl std::error::Error for Problem {}

/// Adds a remedy to an error.
pub trait WithRemedy<T> {
    /// What the operator can do about it.
    fn remedy(self, remedy: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithRemedy<T> for Result<T, E> {
    fn remedy(self, remedy: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| Problem::new(error.into(), remedy).into())
    }
}

impl Problem {
    /// An error with what to do about it.
    pub fn new(cause: anyhow::Error, remedy: impl Into<String>) -> Self {
        Self { cause, remedy: remedy.into() }
    }

    /// What failed.
    pub fn cause(&self) -> &anyhow::Error {
        &self.cause
    }

    /// The remedy that an error carries, if any.
    pub fn remedy_of(error: &anyhow::Error) -> Option<&str> {
        error.downcast_ref::<Self>().map(|problem| problem.remedy.as_str())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_remedy_survives_more_context() {
        let error = Err::<(), _>(anyhow!("port 80 is taken")).remedy("stop the other web server").context("cannot start Caddy");
        let error = error.unwrap_err();
        assert_eq!(Problem::remedy_of(&error), Some("stop the other web server"));
        assert_eq!(format!("{error:#}"), "cannot start Caddy: port 80 is taken");
    }
}
