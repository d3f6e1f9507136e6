//! 5. report: telling it. One stream of events; terminal, plain log, JSON lines, journal and trace are consumers.

mod append;
mod event;
mod harmless;
pub mod journal;
mod json;
mod listing;
pub mod made;
pub mod page;
mod paint;
mod plain;
mod problem;
mod quick;
mod redact;
mod render;
#[cfg(test)]
pub(crate) mod sample;
mod terminal;
mod trace;
mod words;

pub use event::{Counts, Download, Event, Events, Outcome, Part, StepInfo};
pub use harmless::harmless;
pub use journal::{Follower, Journal};
pub use json::Json;
pub use listing::Listing;
pub use made::Made;
pub use page::Page;
pub use paint::Paint;
pub use plain::Plain;
pub use problem::{Problem, WithRemedy};
pub use redact::Redactor;
pub use render::{Renderer, render};
pub use terminal::Terminal;
pub use trace::Trace;
pub(crate) use words::{RUN_AGAIN, WIDTH, awaited, part, wrap};
