//! For whoever opens the site's address meanwhile: the page that Caddy shows, written again as things go on (assets/page.rs).

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Event, Outcome, Renderer, words};
use crate::assets::page::{self, Progress, Stage, State};
use crate::settings::DomainName;

/// Where Caddy finds it; the directory is a step's to make.
pub const PATH: &str = "/opt/mastodon/caddy/site/progress.html";

/// The step after which Mastodon itself is shown, and another page whenever it does not answer.
pub const LAST_STEP: &str = "app/page";

/// Without news it is written again after so many seconds: it shows the time, by which a run that was killed can be told.
const HEARTBEAT_SECONDS: i64 = 10;

/// Stages in the order shown, and how the ids of their steps begin. The first that fits counts.
const STAGES: [(&str, &[&str]); 6] = [
    ("System", &["base/", "docker/directory", "docker/daemon", "docker/ready", "docker/networks", "docker/metadata", "host/"]),
    ("Its name (DNS)", &["dns/"]),
    ("Downloads", &["docker/image"]),
    ("Secure connection", &["edge/"]),
    ("Mastodon", &["docker/", "app/"]),
    ("Protection and upkeep", &[""]),
];

/// Writes the page.
pub struct Page {
    path: PathBuf,
    site: DomainName,
    began: Timestamp,
    /// `None`: not begun. In the plan's order.
    steps: BTreeMap<String, Option<Looked>>,
    /// Bytes that steps have fetched.
    fetched: BTreeMap<String, u64>,
    /// Mastodon serves, or did at the start.
    over: bool,
    /// Something has happened since it was written.
    news: bool,
    written: Timestamp,
}

/// How far a step is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    UnderWay,
    Waiting,
    Fine,
    Broken,
}

impl Page {
    /// At this path, for this site. `serving`: Mastodon has served before, so that nothing is to be told.
    pub fn new(path: &Path, site: DomainName, serving: bool) -> Self {
        let path = path.to_owned();
        let (steps, fetched) = (BTreeMap::new(), BTreeMap::new());
        Self { path, site, began: Timestamp::now(), steps, fetched, over: serving, news: false, written: Timestamp::UNIX_EPOCH }
    }

    fn see(&mut self, event: &Event) {
        match event {
            Event::Started { at, steps, .. } => {
                self.began = *at;
                self.steps = steps.iter().map(|step| (step.id.clone(), None)).collect();
            }
            Event::Applying { id, .. } => self.note(id, Looked::UnderWay),
            Event::Waiting { id, .. } => self.note(id, Looked::Waiting),
            Event::Step { id, outcome, .. } => self.ended(id, outcome),
            Event::Progress { id, progress } => _ = self.fetched.insert(id.clone(), progress.fetched()),
            Event::Output { .. } | Event::Span { .. } | Event::Note { .. } | Event::Downloads { .. } | Event::Finished { .. } => return,
        }
        self.news = true;
    }

    fn note(&mut self, id: &str, looked: Looked) {
        self.steps.insert(id.to_owned(), Some(looked));
    }

    fn ended(&mut self, id: &str, outcome: &Outcome) {
        let looked = match outcome {
            Outcome::Unchanged | Outcome::Changed => Looked::Fine,
            Outcome::Waiting { .. } => Looked::Waiting,
            _ => Looked::Broken,
        };
        self.over |= id == LAST_STEP && looked == Looked::Fine;
        self.note(id, looked);
    }

    fn progress(&self, now: Timestamp) -> Progress {
        let stages = STAGES.iter().enumerate().filter_map(|(index, (name, _))| {
            let steps: Vec<_> = self.steps.iter().filter(|(id, _)| stage_of(id) == index).map(|(_, looked)| *looked).collect();
            (!steps.is_empty()).then(|| {
                let state = state(&steps);
                let under_way = matches!(state, State::UnderWay { .. });
                Stage { name, state, fetched: self.fetched(index).filter(|_| under_way) }
            })
        });
        Progress {
            done: self.steps.values().filter(|looked| **looked == Some(Looked::Fine)).count(),
            of: self.steps.len(),
            stages: stages.collect(),
            began: self.began.strftime("%H:%M UTC").to_string(),
            news: now.strftime("%H:%M:%S UTC").to_string(),
        }
    }

    /// What the steps of a stage have fetched, in words.
    fn fetched(&self, stage: usize) -> Option<String> {
        let fetched = self.fetched.iter().filter(|(id, _)| stage_of(id) == stage).map(|(_, bytes)| *bytes);
        Some(fetched.fold(0, u64::saturating_add)).filter(|sum| *sum > 0).map(words::bytes)
    }

    fn write(&mut self, html: &str) -> io::Result<()> {
        let Some(directory) = self.path.parent() else { return Ok(()) };
        let mut builder = tempfile::Builder::new();
        let temporary = builder.prefix(".progress.").suffix(".tmp").permissions(Permissions::from_mode(0o644)).tempfile_in(directory);
        let mut temporary = match temporary {
            // Its step has not come yet.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        // Whatever the mask was.
        temporary.as_file().set_permissions(Permissions::from_mode(0o644))?;
        temporary.write_all(html.as_bytes())?;
        temporary.persist(&self.path)?;
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "our own report, not the machine's configuration")]
    fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn stage_of(id: &str) -> usize {
    STAGES.iter().position(|(_, begins)| begins.iter().any(|begin| id.starts_with(begin))).expect("the last stage takes every step")
}

fn state(steps: &[Option<Looked>]) -> State {
    let count = |looked| steps.iter().filter(|step| **step == looked).count();
    let (fine, of) = (count(Some(Looked::Fine)), steps.len());
    if count(Some(Looked::Broken)) > 0 {
        State::Stopped
    } else if fine == of {
        State::Done
    } else if count(Some(Looked::Waiting)) > 0 && count(Some(Looked::UnderWay)) == 0 {
        State::Waiting
    } else if fine > 0 || count(Some(Looked::UnderWay)) > 0 {
        State::UnderWay { done: fine, of }
    } else {
        State::ToCome
    }
}

impl Renderer for Page {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.see(event);
        match event {
            Event::Finished { .. } if self.over => self.remove(),
            Event::Finished { at, .. } => self.write(&page::stopped(&self.site, self.progress(*at))),
            // The next tick shows the rest: many a step ends within a moment.
            _ => Ok(()),
        }
    }

    fn tick(&mut self, now: Timestamp) -> io::Result<()> {
        let due = self.news || now.duration_since(self.written).as_secs() >= HEARTBEAT_SECONDS;
        if self.over || self.steps.is_empty() || !due {
            return Ok(());
        }
        (self.news, self.written) = (false, now);
        self.write(&page::progress(&self.site, self.progress(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Counts, StepInfo, sample};

    const IDS: [&str; 7] = ["base/packages", "base/swap", "dns/published", "docker/image-caddy", "edge/caddy", "app/services", LAST_STEP];

    fn begun(directory: &Path) -> Page {
        let mut page = Page::new(&directory.join("progress.html"), "social.fedi-test.org".parse().unwrap(), false);
        let steps = IDS.map(|id| StepInfo::new(id, id)).into();
        page.event(&Event::Started { at: sample::at(0), version: "0.1.0".into(), preview: false, steps }).unwrap();
        page
    }

    fn shown(page: &mut Page, second: i64) -> Option<String> {
        page.tick(sample::at(second)).unwrap();
        std::fs::read_to_string(&page.path).ok()
    }

    fn end(id: &str, outcome: Outcome) -> Event {
        sample::step(1, id, id, outcome, vec![], 0.1)
    }

    fn finished() -> Event {
        Event::Finished { at: sample::at(60), counts: Counts::default(), seconds: 60.0, complete: true }
    }

    #[test]
    fn it_follows_the_run_and_goes_when_mastodon_serves() {
        let directory = tempfile::tempdir().unwrap();
        let mut page = begun(directory.path());
        assert!(shown(&mut page, 1).unwrap().contains("<span>Mastodon</span> <span>to come</span>"));
        page.event(&end("base/packages", Outcome::Changed)).unwrap();
        page.event(&Event::Waiting { at: sample::at(2), id: "dns/published".into(), what: "203.0.113.10".into() }).unwrap();
        page.event(&Event::Applying { at: sample::at(2), id: "docker/image-caddy".into(), changes: vec![] }).unwrap();
        let text = shown(&mut page, 2).unwrap();
        for part in ["System</span> <span>1 of 2<", "(DNS)</span> <span>waiting<", "Downloads</span> <span>0 of 1<", "1 of 7 things"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("203.0.113.10"), "what is waited for is not for everybody");
        for id in IDS {
            page.event(&end(id, Outcome::Unchanged)).unwrap();
        }
        page.event(&finished()).unwrap();
        assert_eq!(shown(&mut page, 61), None);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing stays behind");
    }

    #[test]
    fn what_was_fetched_is_counted_until_all_is_here() {
        let directory = tempfile::tempdir().unwrap();
        let mut page = begun(directory.path());
        page.event(&Event::Applying { at: sample::at(1), id: "docker/image-caddy".into(), changes: vec![] }).unwrap();
        page.event(&sample::downloaded("docker/image-caddy", 38_240_000, None)).unwrap();
        page.event(&sample::downloaded("docker/image-redis", 2_000_000, Some(4_000_000))).unwrap();
        let text = shown(&mut page, 1).unwrap();
        assert!(text.contains("Downloads</span> <span>0 of 1, 40.2 MB<"), "{text}");
        page.event(&end("docker/image-caddy", Outcome::Changed)).unwrap();
        let text = shown(&mut page, 2).unwrap();
        assert!(text.contains("Downloads</span> <span>✓ done<"), "{text}");
    }

    #[test]
    fn a_failure_is_told_without_its_reason() {
        let directory = tempfile::tempdir().unwrap();
        let mut page = begun(directory.path());
        page.event(&end("base/packages", Outcome::Failed { why: "disk full at /var".into(), remedy: None })).unwrap();
        page.event(&end(LAST_STEP, Outcome::Blocked { by: "base/packages".into() })).unwrap();
        page.event(&finished()).unwrap();
        let text = std::fs::read_to_string(&page.path).unwrap();
        assert!(text.contains("has stopped") && text.contains("<span>System</span> <span>✗ stopped</span>"), "{text}");
        assert!(!text.contains("disk full"));
        assert_eq!(std::fs::metadata(&page.path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn nothing_is_told_where_mastodon_has_served_or_its_directory_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        let mut page = begun(&directory.path().join("later"));
        assert_eq!(shown(&mut page, 1), None);
        let mut page = begun(directory.path());
        page.over = true;
        assert_eq!(shown(&mut page, 1), None);
        std::fs::File::create_new(&page.path).unwrap();
        page.event(&finished()).unwrap();
        assert_eq!(shown(&mut page, 61), None, "what a killed run left is taken away");
    }

    #[test]
    fn every_step_of_the_plan_has_its_stage() {
        let plan = crate::plan::build(&crate::plan::Inputs::sample());
        let mut stages: Vec<_> = plan.steps().iter().map(|step| stage_of(&step.id)).collect();
        stages.sort_unstable();
        stages.dedup();
        assert_eq!(stages.len(), STAGES.len(), "a stage without steps has lost them");
        assert!(plan.steps().iter().any(|step| step.id == LAST_STEP));
    }
}
