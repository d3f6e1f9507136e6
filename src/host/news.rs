//! How things are going while they are done.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One thing that is told meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'a> {
    /// A command printed this line, or might have.
    Line(&'a str),
    /// So much has been done.
    Progress(Progress),
}

/// How much of a download has been dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done with it.
    pub phase: Phase,
    /// Packed bytes that it has been done with.
    pub bytes: u64,
    /// Packed bytes in all. `None`: not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

impl Progress {
    /// Packed bytes that are here.
    pub fn fetched(&self) -> u64 {
        match self.phase {
            Phase::Download => self.bytes,
            Phase::Unpack => self.total.unwrap_or(self.bytes),
        }
    }
}

/// What is being done with a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is fetched.
    Download,
    /// All of it is here, and is unpacked.
    Unpack,
}

/// Where news go.
pub type NewsSink = Arc<dyn Fn(News<'_>) + Send + Sync>;
