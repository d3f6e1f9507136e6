//! Words that all renderers share: times, wrapped lines, the blocks at the end of a run.

use jiff::Timestamp;

use super::{Counts, Event, Outcome, StepInfo};
use crate::host::{Phase, Progress};
use crate::plan::removal::{DELETION, GROUP};
use crate::resource::Change;

/// Columns of text that is written once, wherever it is read.
pub(crate) const WIDTH: usize = 78;

/// What to do about something unforeseen.
pub(crate) const RUN_AGAIN: &str = "look at the reason above; a passing trouble goes away when it is run again";

/// Seconds as minutes and seconds: `02:51`; hours show as minutes.
pub(super) fn clock(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a run's seconds are few and not negative")]
    let seconds = seconds.max(0.0) as u64;
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// Seconds between two moments.
pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// A duration as people say it: `0.8 s`, `2 min 51 s`.
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round();
    format!("{} min {} s", (whole / 60.0).floor(), whole % 60.0)
}

/// Bytes as people say them, in thousands: `290 MB`, `12.9 MB`, `64 kB`.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..100_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// How much of a download has been dealt with: `38.2 of 96.5 MB`, `38.2 MB so far`, `unpacks 12.0 of 96.5 MB`.
pub(super) fn progress(progress: Progress) -> String {
    let done = bytes(progress.bytes);
    let amount = match progress.total.map(bytes) {
        None => format!("{done} so far"),
        Some(total) => match (done.split_once(' '), total.split_once(' ')) {
            (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} of {total}"),
            _ => format!("{done} of {total}"),
        },
    };
    if progress.phase == Phase::Unpack { format!("unpacks {amount}") } else { amount }
}

/// The text on one line of at most `width` characters, its end replaced by `…` if it is longer.
pub(super) fn cut(text: &str, width: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= width && text.lines().nth(1).is_none() {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(width.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short + "…"
}

/// The first line, with `…` if more follow.
pub(super) fn headline(text: &str) -> String {
    cut(text, usize::MAX)
}

/// What is waited for, without why it does not come ([`Wait`](crate::resource::Wait)).
pub(crate) fn awaited(what: &str) -> &str {
    what.lines().next().unwrap_or_default()
}

/// The text in lines of at most `width` characters. Line ends in it are kept, and so are the indentation of its lines and lines that fit; a
/// longer word stands alone on its line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrap_line(line, width)).collect()
}

fn wrap_line(line: &str, width: usize) -> Vec<String> {
    if line.chars().count() <= width {
        return vec![line.trim_end().to_owned()];
    }
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    let mut lines = vec![indent.clone()];
    for word in line.split_whitespace() {
        let last = lines.last_mut().expect("starts with one line and only grows");
        let empty = last.len() == indent.len();
        if empty {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(format!("{indent}{word}"));
        }
    }
    lines
}

/// The line in pieces of at most `width` characters: a word may be longer than a line.
pub(super) fn pieces(line: &str, width: usize) -> Vec<String> {
    let characters: Vec<_> = line.chars().collect();
    characters.chunks(width.max(1)).map(String::from_iter).collect()
}

/// `3 things`, `1 thing`.
pub(super) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Who holds the lock that apt says it waits for, or could not get:
/// `Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 712 (unattended-upgr)...`.
pub(super) fn lock_holder(line: &str) -> Option<&str> {
    let (_, holder) = line.split_once(". It is held by ")?;
    Some(&holder[..=holder.find(')')?])
}

/// A change as one sentence; a text file's difference is not in it.
pub(super) fn sentence(change: &Change) -> String {
    match change {
        Change::Text { path, .. } => format!("edit {path}"),
        other => other.to_string(),
    }
}

/// The first change and how many more.
pub(super) fn first_of(changes: &[Change]) -> String {
    match changes {
        [] => "apply".into(),
        [only] => sentence(only),
        [first, rest @ ..] => format!("{} (and {} more)", sentence(first), rest.len()),
    }
}

/// The last sentence of a run.
pub(super) fn summary(counts: &Counts, seconds: f64, preview: bool) -> String {
    let all = count(counts.total(), "thing");
    let took = duration(seconds);
    if counts.unchanged == counts.total() {
        return format!("Nothing to change (checked {all} in {took}).");
    }
    let parts = [
        (counts.changed, "changed"),
        (counts.pending, "to change"),
        (counts.unknown, "not known yet"),
        (counts.unchanged, "unchanged"),
        (counts.waiting, "waiting"),
        (counts.failed, "failed"),
        (counts.blocked, "not tried"),
        (counts.stopped, "stopped"),
    ];
    let parts: Vec<_> = parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    format!("{}: {} ({all}, {took}).", if preview { "Plan" } else { "Result" }, parts.join(", "))
}

/// Something that one or more steps wait for.
struct Waits {
    what: String,
    remedy: String,
    ids: Vec<String>,
}

/// Remembers what the end of a run has to tell.
#[derive(Default)]
pub(super) struct Endings {
    /// The run only looks.
    pub(super) preview: bool,
    /// The command that takes the server away, if the run does that.
    removal: Option<&'static str>,
    blocks: Vec<String>,
    waits: Vec<Waits>,
    blocked: Vec<(String, String)>,
    fine: usize,
    stopped: usize,
}

impl Endings {
    /// Takes note of an event.
    pub(super) fn see(&mut self, event: &Event) {
        match event {
            Event::Started { preview, steps, .. } => {
                *self = Self { preview: *preview, removal: removal(steps), ..Self::default() };
            }
            Event::Step { id, title, outcome, .. } => self.step(id, title, outcome),
            _ => {}
        }
    }

    fn step(&mut self, id: &str, title: &str, outcome: &Outcome) {
        match outcome {
            Outcome::Unchanged | Outcome::Changed => self.fine += 1,
            Outcome::Failed { why, remedy } => self.blocks.push(failure(id, title, why, remedy.as_deref())),
            Outcome::Waiting { what, remedy } => self.wait(id, what, remedy),
            Outcome::Blocked { by } => self.blocked.push((id.to_owned(), by.clone())),
            Outcome::Stopped => self.stopped += 1,
            Outcome::Pending | Outcome::Unknown { .. } => {}
        }
    }

    fn wait(&mut self, id: &str, what: &str, remedy: &str) {
        match self.waits.iter_mut().find(|wait| wait.what == what && wait.remedy == remedy) {
            Some(same) => same.ids.push(id.to_owned()),
            None => self.waits.push(Waits { what: what.to_owned(), remedy: remedy.to_owned(), ids: vec![id.to_owned()] }),
        }
    }

    /// Every failure in five parts (what failed, why, what was already done, what to do, how to go on), then every wait with its remedy.
    pub(super) fn text(&self) -> String {
        let mut text = self.blocks.iter().fold(String::new(), |text, block| text + block + "\n");
        if !self.blocks.is_empty() || self.stopped > 0 {
            text += &self.rest();
        }
        for wait in &self.waits {
            text += &waiting(wait);
            text.push('\n');
        }
        text
    }

    fn rest(&self) -> String {
        if self.preview {
            return self.rest_of_preview();
        }
        let stays = if self.fine == 1 { "stays" } else { "stay" };
        let mut text = part("done", &format!("{} as wanted, and {stays} so", are(self.fine, "step")));
        if !self.blocked.is_empty() {
            let ids: Vec<_> = self.blocked.iter().map(|(id, _)| id.as_str()).collect();
            text += &part("not tried", &ids.join(", "));
        }
        if self.stopped > 0 {
            text += &part("stopped", &format!("{} not begun, because of a signal", are(self.stopped, "step")));
        }
        if let Some(command) = self.removal {
            return text + &part("go on", &format!("sudo tootstrap {command} (what is done is not done again)")) + "\n";
        }
        text += &part("go on", "sudo tootstrap install (what is done is not done again)");
        text += &part("details", super::journal::PATH);
        text + "\n"
    }

    /// Only looked at: nothing was done, and the journal has nothing about it.
    fn rest_of_preview(&self) -> String {
        let mut text = part("fine", &format!("{} as wanted; nothing was changed", are(self.fine, "step")));
        if !self.blocked.is_empty() {
            let ids: Vec<_> = self.blocked.iter().map(|(id, _)| id.as_str()).collect();
            text += &part("not known", &ids.join(", "));
        }
        let again = self.removal.unwrap_or("install");
        text + &part("go on", &format!("do what stands above, then: sudo tootstrap {again}")) + "\n"
    }
}

/// The command that a plan of nothing but removals belongs to.
fn removal(steps: &[StepInfo]) -> Option<&'static str> {
    let is_removal = !steps.is_empty() && steps.iter().all(|step| step.id.starts_with(GROUP));
    let deletes = steps.iter().any(|step| step.id == DELETION);
    is_removal.then_some(if deletes { "uninstall --delete-data" } else { "uninstall" })
}

fn are(number: usize, thing: &str) -> String {
    format!("{} {}", count(number, thing), if number == 1 { "is" } else { "are" })
}

fn failure(id: &str, title: &str, why: &str, remedy: Option<&str>) -> String {
    let remedy = remedy.unwrap_or(RUN_AGAIN);
    format!("FAILED {id}: {title}\n{}{}", part("why", why), part("do", remedy))
}

fn waiting(wait: &Waits) -> String {
    let steps = wrap(&wait.ids.join(", "), WIDTH - 10).join("\n        ");
    let what = awaited(&wait.what);
    // Without a reason that part is no line.
    let why = part("why", wait.what[what.len()..].trim_start());
    format!("WAITING {steps}\n{}{why}{}", part("for", what), part("do", &wait.remedy))
}

/// One part of a block: its name, then the text beside it.
pub(crate) fn part(name: &str, text: &str) -> String {
    let lines = wrap(text, WIDTH - 12);
    let line = |(index, line): (usize, &String)| format!("  {:<9} {line}", if index == 0 { name } else { "" }).trim_end().to_owned() + "\n";
    lines.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use snapbox::{assert_data_eq, str};

    use super::*;

    #[test]
    fn times_read_naturally() {
        assert_eq!((clock(0.4), clock(171.0), clock(4000.0)), ("00:00".into(), "02:51".into(), "66:40".into()));
        assert_eq!((duration(0.84), duration(171.2)), ("0.8 s".into(), "2 min 51 s".into()));
    }

    #[test]
    fn how_much_has_come_reads_naturally() {
        for (phase, done, total, expected) in [
            (Phase::Download, 38_240_000, Some(96_540_000), "38.2 of 96.5 MB"),
            (Phase::Download, 640_000, Some(104_900_000), "640 kB of 104 MB"),
            (Phase::Download, 38_240_000, None, "38.2 MB so far"),
            (Phase::Download, 0, None, "0 kB so far"),
            (Phase::Unpack, 12_000_000, Some(96_540_000), "unpacks 12.0 of 96.5 MB"),
        ] {
            assert_eq!(progress(Progress { phase, bytes: done, total }), expected);
        }
    }

    #[test]
    fn who_holds_a_lock() {
        let waiting = "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 712 (apt-get)... 3s";
        assert_eq!(lock_holder(waiting), Some("process 712 (apt-get)"));
        for line in ["E: Could not get lock /var/lib/apt/lists/lock. It is held by process 712", "Setting up ufw (0.36) ..."] {
            assert_eq!(lock_holder(line), None, "{line}");
        }
    }

    #[test]
    fn long_text_is_cut_or_wrapped() {
        assert_eq!((cut("short", 5), cut("a longer one", 9), cut("two\nlines", 9)), ("short".into(), "a longer…".into(), "two…".into()));
        assert_eq!(wrap("one two three\n  four five", 8), ["one two", "three", "  four", "  five"]);
        assert_eq!(wrap("  a   b\n\na  b  c  d", 8), ["  a   b", "", "a b c d"]);
        assert_eq!(pieces("sha256:12345", 8), ["sha256:1", "2345"]);
        assert_eq!(pieces("short", 8), ["short"]);
    }

    #[test]
    fn a_removal_goes_on_with_its_own_command() {
        let command = |ids: &[&str]| {
            let info = |id: &&str| StepInfo { id: (*id).to_owned(), title: String::new(), needs: vec![], after: vec![] };
            removal(&ids.iter().map(info).collect::<Vec<_>>())
        };
        assert_eq!(command(&["remove/units", "remove/kept"]), Some("uninstall"));
        assert_eq!(command(&["remove/units", "remove/data"]), Some("uninstall --delete-data"));
        assert_eq!((command(&["base/packages"]), command(&[])), (None, None));
    }

    #[test]
    fn a_failure_has_five_parts() {
        let mut endings = Endings::default();
        endings.step("base/packages", "packages curl", &Outcome::Unchanged);
        let why = "cannot fetch packages: `apt-get update` ended with status 100\n    E: Could not resolve host";
        let remedy = Some("check the name servers in /etc/resolv.conf".into());
        endings.step("docker/packages", "packages docker-ce", &Outcome::Failed { why: why.into(), remedy });
        endings.step("docker/pull", "image", &Outcome::Blocked { by: "docker/packages".into() });
        assert_data_eq!(
            endings.text(),
            str![[r"
FAILED docker/packages: packages docker-ce
  why       cannot fetch packages: `apt-get update` ended with status 100
                E: Could not resolve host
  do        check the name servers in /etc/resolv.conf

  done      1 step is as wanted, and stays so
  not tried docker/pull
  go on     sudo tootstrap install (what is done is not done again)
  details   /var/lib/tootstrap/journal.jsonl


"]]
        );
    }

    #[test]
    fn a_failed_preview_claims_nothing_done() {
        let mut endings = Endings { preview: true, ..Endings::default() };
        endings.step("base/packages", "packages curl", &Outcome::Unchanged);
        let remedy = Some("repair the file".into());
        endings.step("docker/project", "services", &Outcome::Failed { why: "compose.override.yaml is no YAML".into(), remedy });
        endings.step("app/web", "container web", &Outcome::Blocked { by: "docker/project".into() });
        assert_data_eq!(
            endings.text(),
            str![[r"
FAILED docker/project: services
  why       compose.override.yaml is no YAML
  do        repair the file

  fine      1 step is as wanted; nothing was changed
  not known app/web
  go on     do what stands above, then: sudo tootstrap install


"]]
        );
    }

    #[test]
    fn nothing_to_change_says_so() {
        let counts = Counts { unchanged: 61, ..Counts::default() };
        assert_eq!(summary(&counts, 0.8, false), "Nothing to change (checked 61 things in 0.8 s).");
        let counts = Counts { unchanged: 1, changed: 2, waiting: 1, ..Counts::default() };
        assert_eq!(summary(&counts, 171.0, false), "Result: 2 changed, 1 unchanged, 1 waiting (4 things, 2 min 51 s).");
    }
}
