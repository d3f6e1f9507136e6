//! What happens during a run, as data.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Redactor, harmless};
use crate::host::Progress;
use crate::resource::Change;

/// One thing that happened. As JSON the kind stands in `event`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run (or a preview) starts.
    Started {
        /// When.
        at: Timestamp,
        /// Version of this program.
        version: String,
        /// Nothing will be changed.
        preview: bool,
        /// Everything that will be looked at.
        steps: Vec<StepInfo>,
    },
    /// A preview found out how much is to be downloaded.
    Downloads {
        /// When.
        at: Timestamp,
        /// What is not here yet.
        parts: Vec<Download>,
    },
    /// A step found something to change and begins.
    Applying {
        /// When.
        at: Timestamp,
        /// Which step.
        id: String,
        /// What it changes.
        changes: Vec<Change>,
    },
    /// A step waits for the world.
    Waiting {
        /// When.
        at: Timestamp,
        /// Which step.
        id: String,
        /// What for.
        what: String,
    },
    /// A command of a step printed a line.
    Output {
        /// Which step.
        id: String,
        /// The line.
        line: String,
    },
    /// So much of what a step downloads has been dealt with; told at most once a second.
    Progress {
        /// Which step.
        id: String,
        /// How much.
        #[serde(flatten)]
        progress: Progress,
    },
    /// A step ended.
    Step {
        /// When.
        at: Timestamp,
        /// Which step.
        id: String,
        /// What it is about: `file /etc/motd`.
        title: String,
        /// How it ended.
        #[serde(flatten)]
        outcome: Outcome,
        /// What was changed, or in a preview would be.
        changes: Vec<Change>,
        /// Seconds from its first check to its end.
        seconds: f64,
    },
    /// A part of a step took time. Traces are made of these; nobody else tells them.
    Span {
        /// Which step.
        id: String,
        /// What the time went into.
        part: Part,
        /// The command, the address, the name that was looked up. Empty where the part says all.
        what: String,
        /// Seconds from the start of the run to its begin.
        began: f64,
        /// Seconds it took.
        seconds: f64,
    },
    /// Something the operator should know that belongs to no step.
    Note {
        /// When.
        at: Timestamp,
        /// The sentence.
        text: String,
    },
    /// The run ended.
    Finished {
        /// When.
        at: Timestamp,
        /// How many steps ended how.
        counts: Counts,
        /// Seconds of the whole run.
        seconds: f64,
        /// Nothing failed and nothing is waited for.
        complete: bool,
    },
}

/// What time within a step goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All of the step, from its first check to its end.
    Whole,
    /// Looking what differs.
    Check,
    /// Making it so.
    Apply,
    /// Between two looks while something is waited for.
    Pause,
    /// Until another step released what only one can use at a time.
    Lock,
    /// Until fewer than `--jobs` others were at work.
    Slot,
    /// A command.
    Command,
    /// An HTTP exchange.
    Request,
    /// A question to a name server.
    Lookup,
}

/// A step as announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInfo {
    /// Stable name.
    pub id: String,
    /// What it is about.
    pub title: String,
    /// Ids of the steps without which it does not begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Ids of those that it lets go first, for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

impl StepInfo {
    /// A step that needs no other.
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self { id: id.into(), title: title.into(), needs: Vec::new(), after: Vec::new() }
    }
}

/// Something to download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// What: `packages`, `image redis:7-alpine`.
    pub what: String,
    /// Packed bytes, as far as they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What is not in them, or why they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Was as wanted.
    Unchanged,
    /// Was made so.
    Changed,
    /// Preview: would be changed.
    Pending,
    /// Preview: cannot be told before that step.
    Unknown {
        /// Id of that step.
        after: String,
    },
    /// All done that can be; the world is not there yet.
    Waiting {
        /// What is waited for.
        what: String,
        /// What the operator can do.
        remedy: String,
    },
    /// Did not work.
    Failed {
        /// Why.
        why: String,
        /// What the operator can do, if known.
        remedy: Option<String>,
    },
    /// Was not tried because that step failed.
    Blocked {
        /// Id of that step.
        by: String,
    },
    /// The run was stopped before it.
    Stopped,
}

/// How many steps ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the number of steps with that outcome")]
pub struct Counts {
    pub unchanged: usize,
    pub changed: usize,
    pub pending: usize,
    pub unknown: usize,
    pub waiting: usize,
    pub failed: usize,
    pub blocked: usize,
    pub stopped: usize,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Changed => &mut self.changed,
            Outcome::Pending => &mut self.pending,
            Outcome::Unknown { .. } => &mut self.unknown,
            Outcome::Waiting { .. } => &mut self.waiting,
            Outcome::Failed { .. } => &mut self.failed,
            Outcome::Blocked { .. } => &mut self.blocked,
            Outcome::Stopped => &mut self.stopped,
        } += 1;
    }

    /// Whether something failed or was left out because of a failure or a signal.
    pub fn broken(&self) -> bool {
        [self.failed, self.blocked, self.stopped].into_iter().any(|number| number > 0)
    }

    /// How many steps there were.
    pub fn total(&self) -> usize {
        let all = [self.unchanged, self.changed, self.pending, self.unknown, self.waiting, self.failed, self.blocked, self.stopped];
        // A damaged journal can say anything.
        all.into_iter().fold(0, usize::saturating_add)
    }
}

/// The entrance of the stream. Secrets are hidden here, and only here.
#[derive(Clone)]
pub struct Events {
    sender: UnboundedSender<Event>,
    redactor: Arc<Redactor>,
}

impl Events {
    /// A new stream and its other end.
    pub fn new(redactor: Arc<Redactor>) -> (Self, UnboundedReceiver<Event>) {
        let (sender, receiver) = unbounded_channel();
        (Self { sender, redactor }, receiver)
    }

    /// Puts an event into the stream. A stream that nobody reads any more is not an error: the work goes on.
    pub fn emit(&self, event: Event) {
        let _unread = self.sender.send(event.cleaned(&self.redactor));
    }

    /// Puts a note into the stream.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(Event::Note { at: Timestamp::now(), text: text.into() });
    }
}

impl Event {
    /// Without secrets, and without what a terminal would obey.
    pub(super) fn cleaned(mut self, redactor: &Redactor) -> Self {
        self.names().into_iter().for_each(|name| *name = harmless(name));
        let clean = |text: &mut String| *text = redactor.clean(text);
        match &mut self {
            Self::Started { .. } | Self::Progress { .. } | Self::Finished { .. } => {}
            Self::Applying { changes, .. } => changes.iter_mut().for_each(|change| clean_change(change, redactor)),
            Self::Waiting { what, .. } | Self::Span { what, .. } => clean(what),
            Self::Output { line, .. } => clean(line),
            Self::Note { text, .. } => clean(text),
            Self::Downloads { parts, .. } => parts.iter_mut().filter_map(|part| part.unknown.as_mut()).for_each(clean),
            Self::Step { outcome, changes, .. } => {
                for change in changes.iter_mut() {
                    clean_change(change, redactor);
                }
                match outcome {
                    Outcome::Failed { why, remedy } => {
                        clean(why);
                        remedy.iter_mut().for_each(clean);
                    }
                    Outcome::Waiting { what, remedy } => {
                        clean(what);
                        clean(remedy);
                    }
                    _ => {}
                }
            }
        }
        self
    }

    /// Words that hold no secret: those of steps, and the version.
    fn names(&mut self) -> Vec<&mut String> {
        match self {
            Self::Started { version, steps, .. } => {
                std::iter::once(version).chain(steps.iter_mut().flat_map(|step| [&mut step.id, &mut step.title])).collect()
            }
            Self::Applying { id, .. }
            | Self::Waiting { id, .. }
            | Self::Output { id, .. }
            | Self::Progress { id, .. }
            | Self::Span { id, .. } => vec![id],
            Self::Step { id, title, outcome: Outcome::Unknown { after: other } | Outcome::Blocked { by: other }, .. } => {
                vec![id, title, other]
            }
            Self::Step { id, title, .. } => vec![id, title],
            Self::Downloads { parts, .. } => parts.iter_mut().map(|part| &mut part.what).collect(),
            Self::Note { .. } | Self::Finished { .. } => Vec::new(),
        }
    }
}

fn clean_change(change: &mut Change, redactor: &Redactor) {
    match change {
        Change::Do { what } | Change::Hasten { what } => *what = redactor.clean(what),
        Change::Set { what, from, to } => [what, from, to].into_iter().for_each(|text| *text = redactor.clean(text)),
        Change::Text { path, diff } => {
            *path = harmless(path);
            *diff = redactor.clean(diff);
        }
    }
}
