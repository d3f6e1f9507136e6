//! What can go wrong at the door to the machine.

use std::path::PathBuf;
use std::time::Duration;

/// A failed look or change.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The program is not installed.
    #[error("{program} is not installed")]
    Missing {
        /// Its name.
        program: String,
    },
    /// A command ended with another status than 0.
    #[error("`{command}` ended with status {status}{}", tail_text(.tail))]
    Failed {
        /// The command as typed.
        command: String,
        /// Its exit status.
        status: i32,
        /// Its last lines, oldest first.
        tail: Vec<String>,
    },
    /// A command did not end in time and was ended.
    #[error("`{command}` did not finish within {} s{}", .after.as_secs(), tail_text(.tail))]
    TimedOut {
        /// The command as typed.
        command: String,
        /// Its limit.
        after: Duration,
        /// Its last lines, oldest first.
        tail: Vec<String>,
    },
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", .path.display())]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// Which path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that must be text is not UTF-8.
    #[error("{} is not UTF-8 text", .path.display())]
    NotText {
        /// Which path.
        path: PathBuf,
    },
    /// A command could not be started or its output not be read.
    #[error("cannot run `{command}`: {source}")]
    Spawn {
        /// The command as typed.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// An HTTP exchange failed before a status was received.
    #[error("no answer from {url}: {reason}")]
    Http {
        /// What was asked, without secrets.
        url: String,
        /// Why, in words.
        reason: String,
        /// The request may have been carried out all the same (time-out after sending).
        perhaps_done: bool,
        /// The certificate was not trusted.
        untrusted: bool,
    },
    /// A name server gave no usable answer.
    #[error("no DNS answer for {name} from {server}: {reason}")]
    Dns {
        /// The name asked for.
        name: String,
        /// The server asked.
        server: String,
        /// Why, in words.
        reason: String,
    },
    /// The run was stopped by a signal.
    #[error("stopped")]
    Stopped,
    /// The fake host was asked for something that it does not know, or that it was told to refuse.
    #[error("{0}")]
    Refused(String),
}

fn tail_text(tail: &[String]) -> String {
    tail.iter().fold(String::new(), |text, line| text + "\n    " + line)
}
