//! 5. report: telling it. One stream of events; terminal, plain log, JSON lines and journal are consumers.

mod event;
mod problem;
mod redact;

pub use event::{Counts, Event, Events, Outcome, StepInfo};
pub use problem::{Problem, WithRemedy};
pub use redact::Redactor;
