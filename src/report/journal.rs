//! The journal: every event (but spans) of every run, for `status`, for followers and for whoever looks for a cause later.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::append::Appending;
use super::{Event, Redactor, Renderer};

/// Where it is.
pub const PATH: &str = "/var/lib/tootstrap/journal.jsonl";

/// Writes the journal.
pub struct Journal {
    file: Appending,
}

impl Journal {
    /// Opens or begins the journal at this path; its directory is made.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Appending::open(path)? })
    }
}

impl Renderer for Journal {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if let Event::Span { .. } = event {
            return Ok(());
        }
        self.file.append(event)?;
        match event {
            Event::Started { .. } | Event::Step { .. } | Event::Finished { .. } => self.file.sync(),
            _ => Ok(()),
        }
    }
}

/// Reads the journal while another process writes it.
pub struct Follower {
    path: PathBuf,
    /// Number of the file that the offset is meant for.
    inode: Option<u64>,
    offset: u64,
    /// A line whose end is not written yet.
    open: Vec<u8>,
}

impl Follower {
    /// From the beginning.
    pub fn from_start(path: &Path) -> Self {
        Self { path: path.to_owned(), inode: None, offset: 0, open: Vec::new() }
    }

    /// From what is there now on: only what comes later.
    pub fn from_end(path: &Path) -> io::Result<Self> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(Self { inode: Some(found.ino()), offset: found.len(), ..Self::from_start(path) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::from_start(path)),
            Err(error) => Err(error),
        }
    }

    /// What was written since the last time. No journal: nothing.
    pub fn news(&mut self) -> io::Result<Vec<Event>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let found = file.metadata()?;
        if self.inode != Some(found.ino()) || found.len() < self.offset {
            // It was put aside and begun anew, or is seen for the first time.
            (self.inode, self.offset, self.open) = (Some(found.ino()), 0, Vec::new());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let count = match file.read_to_end(&mut self.open) {
            // Something else stands there until the next run begins it anew.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => return Ok(Vec::new()),
            read => read?,
        };
        self.offset += count as u64;
        let end = self.open.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let rest = self.open.split_off(end);
        let whole = std::mem::replace(&mut self.open, rest);
        Ok(whole.split(|&byte| byte == b'\n').filter_map(event).collect())
    }
}

/// The events of the latest run, from its `Started` on. Empty if there was none.
pub fn latest_run(path: &Path) -> io::Result<Vec<Event>> {
    Ok(latest(Follower::from_start(path).news()?))
}

/// Those of the events that belong to the latest run.
pub fn latest(mut events: Vec<Event>) -> Vec<Event> {
    let start = events.iter().rposition(|event| matches!(event, Event::Started { .. }));
    start.map(|start| events.split_off(start)).unwrap_or_default()
}

/// `None` for the header, a torn line, and kinds of events that only a newer version knows. A damaged file shows what it likes no more than
/// the stream did.
fn event(line: &[u8]) -> Option<Event> {
    serde_json::from_slice(line).ok().map(|event: Event| event.cleaned(&Redactor::default()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::report::sample;

    fn write(path: &Path, events: &[Event]) {
        let mut journal = Journal::open(path).unwrap();
        for event in events {
            journal.event(event).unwrap();
        }
    }

    fn debug(events: &[Event]) -> String {
        format!("{events:?}")
    }

    #[test]
    fn what_was_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/journal.jsonl");
        let mut follower = Follower::from_start(&path);
        assert!(follower.news().unwrap().is_empty());
        let events = sample::run();
        write(&path, &events[..3]);
        assert_eq!(debug(&follower.news().unwrap()), debug(&events[..3]));
        write(&path, &events[3..]);
        assert_eq!(debug(&follower.news().unwrap()), debug(&events[3..]));
        assert!(follower.news().unwrap().is_empty());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&path).unwrap().matches(r#"{"version":1}"#).count(), 1);
    }

    #[test]
    fn the_latest_run_begins_with_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        assert!(latest_run(&path).unwrap().is_empty());
        let events = sample::run();
        write(&path, &events);
        write(&path, &events[..2]);
        assert_eq!(debug(&latest_run(&path).unwrap()), debug(&events[..2]));
        assert!(Follower::from_end(&path).unwrap().news().unwrap().is_empty());
    }

    #[test]
    fn a_torn_line_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let events = sample::run();
        write(&path, &events[..1]);
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(br#"{"event":"no"#).unwrap();
        let mut follower = Follower::from_start(&path);
        assert_eq!(follower.news().unwrap().len(), 1);
        write(&path, &events[1..2]);
        assert_eq!(debug(&follower.news().unwrap()), debug(&events[1..2]));
    }

    #[test]
    fn one_that_was_put_aside_and_begun_anew_is_read_from_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        File::options().create(true).append(true).open(&path).unwrap().write_all(b"{\"versio\n").unwrap();
        let mut followers = [Follower::from_start(&path), Follower::from_end(&path).unwrap()];
        assert!(followers.iter_mut().all(|follower| follower.news().unwrap().is_empty()));
        let events = sample::run();
        write(&path, &events);
        for mut follower in followers {
            assert_eq!(debug(&follower.news().unwrap()), debug(&events));
        }
    }

    #[test]
    fn a_newer_journal_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let mut file = File::options().create(true).append(true).open(&path).unwrap();
        file.write_all(b"{\"version\":2}\n").unwrap();
        let Err(error) = Journal::open(&path) else { panic!("it had to be refused") };
        assert!(error.to_string().contains("has version 2"), "{error}");
    }
}
