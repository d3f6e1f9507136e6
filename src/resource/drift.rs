//! What differs between the machine and what is wanted.

use serde::{Deserialize, Serialize};

/// Everything that differs. Empty: the machine is as wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// What apply would change.
    pub changes: Vec<Change>,
    /// What apply cannot bring about: the world has to.
    pub wait: Option<Wait>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Change {
    /// In one sentence, imperative: `create user alice`.
    Do {
        /// The sentence.
        what: String,
    },
    /// A value that becomes another.
    Set {
        /// Its name.
        what: String,
        /// As it is.
        from: String,
        /// As it shall be.
        to: String,
    },
    /// What hastens something that is waited for. The machine is as wanted without it, so a preview does not count it as pending.
    Hasten {
        /// The sentence.
        what: String,
    },
    /// A text file, as unified diff (secrets never get in here: a secret file is a `Do`).
    Text {
        /// Its path.
        path: String,
        /// Unified diff.
        diff: String,
    },
}

/// Something that only the world outside can bring about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What is waited for: `social.example.org to point to 203.0.113.10`. Further lines say why it does not come.
    pub what: String,
    /// What the operator can do about it.
    pub remedy: String,
    /// It may come about within the step's patience. What needs the operator is told at once instead.
    #[serde(default)]
    pub soon: bool,
}

impl From<Wait> for Drift {
    fn from(wait: Wait) -> Self {
        Self { changes: Vec::new(), wait: Some(wait) }
    }
}

impl Drift {
    /// Nothing differs.
    pub fn none() -> Self {
        Self::default()
    }

    /// One thing to do.
    pub fn to_do(what: impl Into<String>) -> Self {
        let mut drift = Self::none();
        drift.push_do(what);
        drift
    }

    /// Something to wait for; it may come about within the step's patience.
    pub fn waiting(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Wait { what: what.into(), remedy: remedy.into(), soon: true }.into()
    }

    /// Something that waits for the operator: it is told at once.
    pub fn stuck(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Wait { what: what.into(), remedy: remedy.into(), soon: false }.into()
    }

    /// Adds a thing to do.
    pub fn push_do(&mut self, what: impl Into<String>) {
        self.changes.push(Change::Do { what: what.into() });
    }

    /// Adds a value that becomes another; equal values add nothing.
    pub fn push_set(&mut self, what: impl Into<String>, from: impl Into<String>, to: impl Into<String>) {
        let (from, to) = (from.into(), to.into());
        if from != to {
            self.changes.push(Change::Set { what: what.into(), from, to });
        }
    }

    /// Adds a text file's difference; equal texts add nothing.
    pub fn push_text(&mut self, path: impl Into<String>, from: &str, to: &str) {
        if from == to {
            return;
        }
        let diff = similar::TextDiff::from_lines(from, to).unified_diff().context_radius(2).to_string();
        self.changes.push(Change::Text { path: path.into(), diff });
    }

    /// Whether the machine is as wanted.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.wait.is_none()
    }

    /// Everything of `other` as well; the first wait is kept.
    pub fn merge(&mut self, other: Drift) {
        self.changes.extend(other.changes);
        self.wait = self.wait.take().or(other.wait);
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Do { what } | Self::Hasten { what } => f.write_str(what),
            Self::Set { what, from, to } => write!(f, "{what}: {from} → {to}"),
            Self::Text { path, diff } => write!(f, "edit {path}\n{diff}"),
        }
    }
}
