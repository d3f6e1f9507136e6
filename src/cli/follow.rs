//! Watching the process that does the work, through its journal.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::exit::{End, Exit, Trouble};
use super::{install, lock};
use crate::report::{Counts, Event, Follower, Json, Listing, Plain, Renderer, Terminal, journal, render};

/// How often the journal is looked at.
pub(super) const EVERY: Duration = Duration::from_millis(100);

/// How to tell a run to whoever reads standard output.
pub(super) fn renderer(json: bool) -> Box<dyn Renderer> {
    let out = std::io::stdout();
    if json {
        return Box::new(Json::new(out));
    }
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if out.is_terminal() && !dumb {
        let color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        return Box::new(Terminal::new(out, width, color));
    }
    Box::new(Plain::new(out))
}

/// How to tell a preview.
pub(super) fn listing(json: bool) -> Box<dyn Renderer> {
    if json { renderer(true) } else { Box::new(Listing::new(std::io::stdout())) }
}

/// Reads news from the journal and tells them.
pub(super) struct Watch {
    follower: Follower,
    sender: UnboundedSender<Event>,
    telling: JoinHandle<()>,
    /// What the run counted at its end.
    pub(super) counts: Option<Counts>,
    /// Whether the run has begun.
    pub(super) begun: bool,
}

impl Watch {
    /// From what the follower has not read yet.
    pub(super) fn new(follower: Follower, renderers: Vec<Box<dyn Renderer>>) -> Self {
        let (sender, stream) = unbounded_channel();
        Self { follower, sender, telling: tokio::spawn(render(stream, renderers)), counts: None, begun: false }
    }

    /// Tells what is new.
    pub(super) fn look(&mut self) -> anyhow::Result<()> {
        for event in self.follower.news()? {
            match &event {
                Event::Started { .. } => self.begun = true,
                Event::Finished { counts, .. } => self.counts = Some(*counts),
                _ => {}
            }
            // The teller ends only with this sender.
            let _told = self.sender.send(event);
        }
        Ok(())
    }

    /// Tells the rest, and waits until it is told.
    pub(super) async fn end(mut self) -> anyhow::Result<Option<Counts>> {
        self.look()?;
        drop(self.sender);
        self.telling.await?;
        Ok(self.counts)
    }
}

/// Shows the run that is under way until it ends.
pub(super) async fn running() -> End<Exit> {
    let path = Path::new(journal::PATH);
    let mut watch = Watch::new(Follower::from_end(path)?, vec![renderer(false)]);
    for event in journal::latest_run(path)? {
        let _told = watch.sender.send(event);
    }
    while watch.counts.is_none() && lock::is_free(Path::new(lock::PATH)).is_err() {
        watch.look()?;
        tokio::time::sleep(EVERY).await;
    }
    match watch.end().await? {
        Some(counts) => Ok(Exit::of_counts(&counts)),
        None => Err(Trouble::failed(install::cut_short("the process that did the work is gone"))),
    }
}
