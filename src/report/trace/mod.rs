//! The trace of a run: what took how long, and which steps the run's length came from.
//!
//! The file is in [Chrome's trace format][format] (JSON array), which Perfetto and Chrome open. One process a group of steps, one
//! thread a step; the first process is the critical path.
//!
//! [format]: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU

mod chrome;
mod critical;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Event, Part, Renderer};
use crate::plan::Plan;
use crate::resource::Lock;

/// Gathers the spans of a run. Clones gather into the same trace.
#[derive(Clone)]
pub struct Trace {
    nodes: Arc<Vec<Node>>,
    gathered: Arc<Mutex<Gathered>>,
}

/// A step of the plan with what it waits for, as places in the plan.
struct Node {
    id: String,
    needs: Vec<usize>,
    /// With the most seconds that it is waited for.
    after: Vec<(usize, f64)>,
    lock: Option<Lock>,
}

/// What was told so far, each list in the order in which it ended.
#[derive(Default)]
struct Gathered {
    /// Whole steps.
    steps: Vec<Ran>,
    /// Their parts.
    parts: Vec<Spent>,
    /// Seconds of the run, once it ended.
    seconds: Option<f64>,
}

/// A step that ended.
struct Ran {
    /// Its place in the plan.
    node: usize,
    title: String,
    /// As in the journal: `changed`.
    outcome: String,
    began: f64,
    seconds: f64,
}

impl Ran {
    fn ended(&self) -> f64 {
        self.began + self.seconds
    }
}

/// Time within a step.
struct Spent {
    node: usize,
    part: Part,
    what: String,
    began: f64,
    seconds: f64,
}

impl Trace {
    /// The file of a run in which nothing happened.
    pub const NOTHING: &[u8] = b"[]\n";

    /// An empty trace of a run of this plan.
    pub fn of(plan: &Plan) -> Self {
        let node = |step: &crate::plan::Step| Node {
            id: step.id.clone(),
            needs: step.needs.iter().map(|needed| needed.index()).collect(),
            after: step.after.iter().map(|(earlier, at_most)| (earlier.index(), at_most.as_secs_f64())).collect(),
            lock: step.resource.lock(),
        };
        Self { nodes: Arc::new(plan.steps().iter().map(node).collect()), gathered: Arc::default() }
    }

    /// The trace so far, as the content of a file.
    pub fn to_json(&self) -> Vec<u8> {
        let gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        chrome::file(&self.nodes, &gathered)
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }
}

impl Renderer for Trace {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Span { id, part, what, began, seconds } => {
                let Some(node) = self.place(id) else { return Ok(()) };
                let (began, seconds) = (*began, *seconds);
                if *part == Part::Whole {
                    gathered.steps.push(Ran { node, title: String::new(), outcome: String::new(), began, seconds });
                } else {
                    gathered.parts.push(Spent { node, part: *part, what: what.clone(), began, seconds });
                }
            }
            // It follows the span of the whole step.
            Event::Step { id, title, outcome, .. } => {
                let Some(node) = self.place(id) else { return Ok(()) };
                if let Some(ran) = gathered.steps.iter_mut().rfind(|ran| ran.node == node) {
                    ran.title.clone_from(title);
                    ran.outcome = chrome::tag(outcome);
                }
            }
            Event::Finished { seconds, .. } => gathered.seconds = Some(*seconds),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
