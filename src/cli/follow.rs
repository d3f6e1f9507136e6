//! Watching the process that does the work, through its journal.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::exit::{End, Exit, Trouble};
use super::{install, lock, progress, tell_error};
use crate::report::{Counts, Event, Follower, Json, Listing, Paint, Plain, Problem, Renderer, Terminal, journal, render};

/// How often the journal is looked at.
pub(super) const EVERY: Duration = Duration::from_millis(100);

/// How to tell a run to whoever reads standard output.
pub(super) fn renderer(json: bool) -> Box<dyn Renderer> {
    let out = std::io::stdout();
    if json {
        return Box::new(Json::new(out));
    }
    if is_screen() {
        let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        return Box::new(Terminal::new(out, width, paint()));
    }
    Box::new(Plain::new(out))
}

/// How to tell a preview.
pub(super) fn listing(json: bool) -> Box<dyn Renderer> {
    if json { renderer(true) } else { Box::new(Listing::new(std::io::stdout(), paint())) }
}

/// Whether standard output is a terminal on which something can be redrawn.
fn is_screen() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    std::io::stdout().is_terminal() && !dumb
}

/// Colours on a terminal, if the operator does not object.
fn paint() -> Paint {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if is_screen() && wanted { Paint::Colors } else { Paint::Plain }
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
        let news = self.follower.news()?;
        self.tell(news);
        Ok(())
    }

    fn tell(&mut self, events: Vec<Event>) {
        for event in events {
            match &event {
                Event::Started { .. } => self.begun = true,
                Event::Finished { counts, .. } => self.counts = Some(*counts),
                _ => {}
            }
            // The teller ends only with this sender.
            let _told = self.sender.send(event);
        }
    }

    /// Tells news until the run has ended or nobody holds the lock. A signal ends the watching alone, and is returned.
    async fn until_it_ends(&mut self) -> anyhow::Result<Option<Exit>> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = signal(SignalKind::hangup())?;
        let mut again = tokio::time::interval(EVERY);
        while self.counts.is_none() && lock::is_free(Path::new(lock::PATH)).is_err() {
            tokio::select! {
                _ = again.tick() => self.look()?,
                _ = interrupt.recv() => return Ok(Some(Exit::Signal(2))),
                _ = terminate.recv() => return Ok(Some(Exit::Signal(15))),
                _ = hangup.recv() => return Ok(Some(Exit::Signal(1))),
            }
        }
        Ok(None)
    }

    /// Tells the rest, and waits until it is told.
    pub(super) async fn end(mut self) -> anyhow::Result<Option<Counts>> {
        self.look()?;
        drop(self.sender);
        self.telling.await?;
        Ok(self.counts)
    }
}

/// Said when only the watching ends.
pub(super) const GOES_ON: &str = "tootstrap: the work goes on without this window; `sudo tootstrap attach` shows it again";

/// Shows a run from its beginning. `holder`: who does the work, as the lock says; it is watched until it ends or a signal comes. Without one
/// the latest run is shown, which is over.
pub(super) async fn run(path: &Path, holder: Option<&str>, renderer: Box<dyn Renderer>) -> End<Exit> {
    let mut follower = Follower::from_start(path);
    let latest = journal::latest(follower.news()?);
    let events = holder.map_or(latest.clone(), |holder| progress::of_holder(latest, lock::since(holder)));
    if holder.is_none() && events.is_empty() {
        let nothing = Problem::new(anyhow!("nothing is under way, and nothing was done here before"), "begin with an installation");
        return Err(Trouble { go_on: Some("sudo tootstrap install".into()), ..Trouble::failed(nothing) });
    }
    if holder.is_none() {
        tell_error("tootstrap: nothing is under way; this was the latest run");
    }
    let mut watch = Watch::new(follower, vec![renderer]);
    watch.tell(events);
    if holder.is_some()
        && let Some(signal) = watch.until_it_ends().await?
    {
        watch.end().await?;
        tell_error(GOES_ON);
        return Ok(signal);
    }
    match watch.end().await? {
        Some(counts) => Ok(Exit::of_counts(&counts)),
        None => Err(install::cut_short("the process that did the work is gone", Exit::Failed)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::report::{Journal, sample};

    /// Keeps what it is told.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<String>>>);

    impl Renderer for Told {
        fn event(&mut self, event: &Event) -> std::io::Result<()> {
            self.0.lock().expect("no panic").push(format!("{event:?}"));
            Ok(())
        }
    }

    async fn shown(events: &[Event]) -> (End<Exit>, Vec<String>) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal.jsonl");
        let mut journal = Journal::open(&path).expect("a journal");
        for event in events {
            journal.event(event).expect("a line");
        }
        let told = Told::default();
        let ended = run(&path, None, Box::new(told.clone())).await;
        let told = told.0.lock().expect("no panic").clone();
        (ended, told)
    }

    fn debug(events: &[Event]) -> Vec<String> {
        events.iter().map(|event| format!("{event:?}")).collect()
    }

    #[tokio::test]
    async fn the_latest_run_is_shown_as_it_ended() {
        let once = sample::run();
        let Some(Event::Finished { counts, .. }) = once.last() else { panic!("a whole run") };
        let twice = [once.clone(), once.clone()].concat();
        let (ended, told) = shown(&twice).await;
        assert_eq!(told, debug(&once));
        assert!(ended.is_ok_and(|exit| exit == Exit::of_counts(counts)));
    }

    #[tokio::test]
    async fn a_run_that_was_cut_short_and_none_at_all_are_said() {
        let once = sample::run();
        let (ended, told) = shown(&once[..once.len() - 1]).await;
        assert_eq!(told, debug(&once[..once.len() - 1]));
        assert!(ended.is_err_and(|trouble| trouble.error.to_string().starts_with("the work was interrupted")));
        let (ended, told) = shown(&[]).await;
        assert!(told.is_empty());
        assert!(ended.is_err_and(|trouble| trouble.error.to_string().contains("nothing was done here before")));
    }
}
