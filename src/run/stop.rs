//! Stopping a run: the first signal drains, the second kills.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::host::{HostError, Result};

/// How urgently the run shall end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    Run,
    Drain,
    Kill,
}

/// Shared by everything that must notice a stop.
#[derive(Clone)]
pub struct Stop {
    urgency: Arc<watch::Sender<Urgency>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { urgency: Arc::new(watch::Sender::new(Urgency::Run)) }
    }
}

impl Stop {
    /// One more request to stop: first drain, then kill.
    pub fn request(&self) {
        self.urgency.send_modify(|urgency| *urgency = if *urgency == Urgency::Run { Urgency::Drain } else { Urgency::Kill });
    }

    /// Whether nothing new shall start.
    pub fn draining(&self) -> bool {
        *self.urgency.borrow() >= Urgency::Drain
    }

    /// Ends when nothing new shall start.
    pub async fn drain(&self) {
        self.reached(Urgency::Drain).await;
    }

    /// Whether running commands shall be killed.
    #[cfg(test)]
    pub(crate) fn killing(&self) -> bool {
        *self.urgency.borrow() == Urgency::Kill
    }

    /// Ends when running commands shall be killed.
    pub async fn kill(&self) {
        self.reached(Urgency::Kill).await;
    }

    /// Ends after this time.
    ///
    /// # Errors
    /// [`HostError::Stopped`] as soon as nothing new shall start.
    pub async fn pause(&self, time: Duration) -> Result<()> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.drain() => Err(HostError::Stopped),
        }
    }

    async fn reached(&self, level: Urgency) {
        let mut receiver = self.urgency.subscribe();
        // The sender lives in `self`, so this cannot fail while we wait.
        let _alive = receiver.wait_for(|urgency| *urgency >= level).await;
    }
}
