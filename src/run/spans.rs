//! What the time within a step goes into, told as events.

use std::time::Duration;

use tokio::time::Instant;

use crate::report::{Event, Events, Part};

/// A wait that is shorter is none.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Tells the parts of one step.
#[derive(Clone)]
pub(super) struct Spans {
    pub(super) id: String,
    pub(super) events: Events,
    /// The start of the run.
    pub(super) began: Instant,
}

impl Spans {
    /// Does this work and tells how long it took.
    pub(super) async fn time<T>(&self, part: Part, what: &str, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        self.tell(part, what, began);
        done
    }

    /// Waits, and tells how long if it was a wait at all.
    pub(super) async fn waited<T>(&self, part: Part, wait: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = wait.await;
        if began.elapsed() >= SHORTEST_WAIT {
            self.tell(part, "", began);
        }
        done
    }

    /// Tells a part that ends now.
    pub(super) fn tell(&self, part: Part, what: &str, began: Instant) {
        self.events.emit(Event::Span {
            id: self.id.clone(),
            part,
            what: what.to_owned(),
            began: began.duration_since(self.began).as_secs_f64(),
            seconds: began.elapsed().as_secs_f64(),
        });
    }
}
