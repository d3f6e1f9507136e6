//! How far a run of another process has come.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::report::Event;

/// What the journal tells about a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    since: Option<Timestamp>,
    steps: usize,
    ended: usize,
    failed: usize,
    /// Steps under way, and what is waited for there.
    running: BTreeMap<String, Option<String>>,
}

impl Progress {
    /// From the events of one run.
    pub(super) fn of(events: &[Event]) -> Self {
        let mut progress = Self::default();
        for event in events {
            progress.see(event);
        }
        progress
    }

    fn see(&mut self, event: &Event) {
        match event {
            Event::Started { at, steps, .. } => (self.since, self.steps) = (Some(*at), steps.len()),
            Event::Applying { id, .. } => _ = self.running.insert(id.clone(), None),
            Event::Waiting { id, what, .. } => _ = self.running.insert(id.clone(), Some(what.clone())),
            Event::Step { id, outcome, .. } => {
                self.running.remove(id);
                self.ended += 1;
                self.failed += usize::from(matches!(outcome, crate::report::Outcome::Failed { .. }));
            }
            Event::Output { .. }
            | Event::Progress { .. }
            | Event::Span { .. }
            | Event::Note { .. }
            | Event::Downloads { .. }
            | Event::Finished { .. } => {}
        }
    }

    /// Since when and how far, as one sentence without its end.
    pub(super) fn short(&self) -> String {
        let Some(since) = self.since else { return "Mastodon is being set up: just begun".into() };
        let failed = if self.failed == 0 { String::new() } else { format!(", {} failed", self.failed) };
        format!("Mastodon is being set up since {since:.0}: {} of {} things are looked after{failed}", self.ended, self.steps)
    }

    /// The same, what is under way, and how to see more.
    pub(super) fn long(&self) -> String {
        let line = |(id, waits): (&String, &Option<String>)| match waits {
            Some(what) => format!("  {id}: waiting for {what}\n"),
            None => format!("  {id}: under way\n"),
        };
        format!("{}\n{}  look on: sudo tootstrap attach", self.short(), self.running.iter().map(line).collect::<String>())
    }
}

/// The events of the run that holds the lock since that moment: none if the latest run in the journal is an earlier one.
pub(super) fn of_holder(latest: Vec<Event>, since: Option<Timestamp>) -> Vec<Event> {
    match (latest.first(), since) {
        (Some(Event::Started { at, .. }), Some(since)) if *at < since => Vec::new(),
        _ => latest,
    }
}

/// The same, as long as it is under way.
pub(super) fn under_way(latest: Vec<Event>, since: Option<Timestamp>) -> Vec<Event> {
    let over = latest.iter().any(|event| matches!(event, Event::Finished { .. }));
    if over { Vec::new() } else { of_holder(latest, since) }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::report::{Counts, Outcome, StepInfo};

    fn began() -> Timestamp {
        "2026-11-23T05:24:41Z".parse().expect("a moment")
    }

    fn run() -> Vec<Event> {
        let info = |id: &str| StepInfo::new(id, id);
        let steps = ["a/one", "a/two", "b/three", "b/four"].map(info).into();
        let step = |id: &str, outcome| Event::Step { at: began(), id: id.into(), title: id.into(), outcome, changes: vec![], seconds: 1.0 };
        vec![
            Event::Started { at: began(), version: "0.1.0".into(), preview: false, steps },
            Event::Applying { at: began(), id: "a/one".into(), changes: vec![] },
            Event::Waiting { at: began(), id: "a/two".into(), what: "DNS".into() },
            Event::Applying { at: began(), id: "b/three".into(), changes: vec![] },
            step("a/one", Outcome::Changed),
            step("b/four", Outcome::Failed { why: "no".into(), remedy: None }),
        ]
    }

    #[test]
    fn it_says_since_when_how_far_and_what_is_under_way() {
        let text = "Mastodon is being set up since 2026-11-23T05:24:41Z: 2 of 4 things are looked after, 1 failed";
        assert_eq!(Progress::of(&run()).short(), text);
        let rest = "\n  a/two: waiting for DNS\n  b/three: under way\n  look on: sudo tootstrap attach";
        assert_eq!(Progress::of(&run()).long(), format!("{text}{rest}"));
        assert_eq!(Progress::of(&[]).short(), "Mastodon is being set up: just begun");
    }

    #[test]
    fn an_earlier_run_is_not_the_one_that_is_under_way() {
        let mut ended = run();
        ended.push(Event::Finished { at: began(), counts: Counts::default(), seconds: 1.0, complete: true });
        assert_eq!(of_holder(ended.clone(), Some(began())).len(), 7, "its last words are said, though it still holds the lock");
        assert!(of_holder(ended.clone(), Some(began() + 1.second())).is_empty());
        assert!(under_way(ended, None).is_empty());
        assert!(under_way(run(), Some(began() + 1.second())).is_empty(), "it was killed before this one began");
        assert_eq!(under_way(run(), Some(began())).len(), 6);
    }
}
