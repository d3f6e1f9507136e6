//! From the stream to the renderers.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Event;

/// One way to tell a run.
pub trait Renderer: Send {
    /// Tells an event.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// The stream has ended, be it in the middle of a run: tells what has not been told yet.
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Called about once a second, for clocks and heartbeats.
    fn tick(&mut self, _now: Timestamp) -> io::Result<()> {
        Ok(())
    }
}

/// Gives every event to every renderer until the stream ends. A renderer that fails (a closed pipe, a full disk) is dropped with a
/// warning: the work goes on.
pub async fn render(mut events: UnboundedReceiver<Event>, mut renderers: Vec<Box<dyn Renderer>>) {
    const SECOND: Duration = Duration::from_secs(1);
    // Not at once: what is told of the past comes first, and has times of its own.
    let mut second = tokio::time::interval_at(tokio::time::Instant::now() + SECOND, SECOND);
    loop {
        tokio::select! {
            biased;
            event = events.recv() => match event {
                Some(event) => each(&mut renderers, |renderer| renderer.event(&event)),
                None => return each(&mut renderers, |renderer| renderer.end()),
            },
            _ = second.tick() => {
                let now = Timestamp::now();
                each(&mut renderers, |renderer| renderer.tick(now));
            }
        }
    }
}

fn each(renderers: &mut Vec<Box<dyn Renderer>>, mut tell: impl FnMut(&mut dyn Renderer) -> io::Result<()>) {
    renderers.retain_mut(|renderer| match tell(renderer.as_mut()) {
        Ok(()) => true,
        Err(error) => {
            log::warn!("one way of reporting ends here: {error}");
            false
        }
    });
}
