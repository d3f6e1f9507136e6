//! For logs and consoles: at most 78 columns, no movement, a heartbeat (users-and-rivals.md §5.4). What takes a moment or longer has a line when
//! it begins and one when it ends; what is done in passing is told together.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;

use super::quick::{MOMENT, Quick};
use super::words::{self, Endings, WIDTH};
use super::{Event, Outcome, Renderer};
use crate::resource::Change;

/// At most so many seconds pass without a line.
const SILENCE: f64 = 15.0;

/// Writes what happens line by line.
pub struct Plain<W> {
    out: W,
    began: Timestamp,
    last_line: Timestamp,
    running: BTreeMap<String, Running>,
    quick: Quick,
    /// What is known of a running step: who holds the lock that its command waits for, or how much has come.
    notes: BTreeMap<String, String>,
    under_way: bool,
    endings: Endings,
}

struct Running {
    since: Timestamp,
    /// What it is about to change, until that has been told.
    untold: Option<Vec<Change>>,
}

impl<W: Write + Send> Plain<W> {
    /// To this writer. The clock of its lines begins with the run.
    pub fn new(out: W) -> Self {
        let now = Timestamp::now();
        Self {
            out,
            began: now,
            last_line: now,
            running: BTreeMap::new(),
            quick: Quick::default(),
            notes: BTreeMap::new(),
            under_way: false,
            endings: Endings::default(),
        }
    }

    /// The text on as many lines as it needs.
    fn say(&mut self, at: Timestamp, text: &str) -> io::Result<()> {
        let prefix = self.prefix(at);
        let room = WIDTH - prefix.chars().count() - 2;
        for (index, line) in words::wrap(text, room).iter().flat_map(|line| words::pieces(line, room)).enumerate() {
            writeln!(self.out, "{prefix}{}{line}", if index == 0 { "" } else { "  " })?;
        }
        self.out.flush()
    }

    /// The text on one line, cut where it is too long.
    fn line(&mut self, at: Timestamp, text: &str) -> io::Result<()> {
        let prefix = self.prefix(at);
        writeln!(self.out, "{prefix}{}", words::cut(text, WIDTH - prefix.chars().count()))?;
        self.out.flush()
    }

    fn say_all(&mut self, at: Timestamp, sentences: &[String]) -> io::Result<()> {
        sentences.iter().try_for_each(|sentence| self.say(at, sentence))
    }

    /// Tells what is old enough: what was done in passing, and what goes on for longer than that.
    fn catch_up(&mut self, now: Timestamp) -> io::Result<()> {
        let done = self.quick.due(now);
        self.say_all(now, &done)?;
        let begun: Vec<_> = self.running.iter_mut().filter_map(|(id, step)| step.begun(id, now)).collect();
        self.say_all(now, &begun)
    }

    fn prefix(&mut self, at: Timestamp) -> String {
        self.last_line = self.last_line.max(at);
        format!("[tootstrap {}] ", words::clock(words::seconds_between(self.began, at)))
    }

    fn step(&mut self, at: Timestamp, id: &str, outcome: &Outcome, changes: &[Change], seconds: f64) -> io::Result<()> {
        let ended = self.running.remove(id);
        self.notes.remove(id);
        self.catch_up(at)?;
        match outcome {
            Outcome::Unchanged | Outcome::Pending | Outcome::Unknown { .. } | Outcome::Blocked { .. } | Outcome::Stopped => Ok(()),
            Outcome::Changed => self.changed(at, id, ended, changes, seconds),
            Outcome::Waiting { what, .. } => self.say(at, &format!("{id}: still waiting for {}", words::awaited(what))),
            Outcome::Failed { why, .. } => self.say(at, &format!("FAILED {id}: {}", words::headline(why))),
        }
    }

    fn changed(&mut self, at: Timestamp, id: &str, ended: Option<Running>, changes: &[Change], seconds: f64) -> io::Result<()> {
        match ended {
            Some(Running { untold: None, .. }) => self.say(at, &format!("{id}: done in {}", words::duration(seconds))),
            Some(step) if words::seconds_between(step.since, at) >= MOMENT => {
                self.say(at, &format!("{id}: {}, done in {}", words::first_of(changes), words::duration(seconds)))
            }
            _ => {
                self.quick.add(at, id, changes);
                Ok(())
            }
        }
    }

    fn still(&self, id: &str, since: Timestamp, now: Timestamp) -> String {
        let note = self.notes.get(id).map(|note| format!(", {note}")).unwrap_or_default();
        format!("{id} ({}{note})", words::clock(words::seconds_between(since, now)))
    }

    fn finish(&mut self, at: Timestamp, summary: &str) -> io::Result<()> {
        self.under_way = false;
        self.running.clear();
        let done = self.quick.all();
        self.say_all(at, &done)?;
        let endings = self.endings.text();
        self.out.write_all(endings.as_bytes())?;
        self.say(at, summary)
    }
}

impl Running {
    /// What it changes, if it has been at it for a moment and nobody was told.
    fn begun(&mut self, id: &str, now: Timestamp) -> Option<String> {
        if words::seconds_between(self.since, now) < MOMENT {
            return None;
        }
        self.tell(id)
    }

    fn tell(&mut self, id: &str) -> Option<String> {
        self.untold.take().map(|changes| format!("{id}: {}", words::first_of(&changes)))
    }
}

impl<W: Write + Send> Renderer for Plain<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.endings.see(event);
        match event {
            Event::Started { at, version, steps, .. } => {
                self.running.clear();
                (self.began, self.last_line, self.under_way) = (*at, *at, true);
                self.line(*at, &format!("version {version}, {} to check", words::count(steps.len(), "thing")))
            }
            Event::Applying { at, id, changes } => {
                self.running.entry(id.clone()).or_insert(Running { since: *at, untold: None }).untold = Some(changes.clone());
                self.catch_up(*at)
            }
            Event::Waiting { at, id, what } => {
                self.catch_up(*at)?;
                self.running.entry(id.clone()).or_insert(Running { since: *at, untold: None }).untold = None;
                self.say(*at, &format!("{id}: waiting for {what}"))
            }
            Event::Output { id, line } => {
                match words::lock_holder(line) {
                    Some(holder) => self.notes.insert(id.clone(), format!("waits for {holder}")),
                    None => self.notes.remove(id),
                };
                Ok(())
            }
            Event::Progress { id, progress } => {
                self.notes.insert(id.clone(), words::progress(*progress));
                Ok(())
            }
            Event::Step { at, id, outcome, changes, seconds, .. } => self.step(*at, id, outcome, changes, *seconds),
            // Previews are told as a list.
            Event::Span { .. } | Event::Downloads { .. } => Ok(()),
            Event::Note { at, text } => {
                self.catch_up(*at)?;
                self.say(*at, text)
            }
            Event::Finished { at, counts, seconds, .. } => self.finish(*at, &words::summary(counts, *seconds, self.endings.preview)),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        let done = self.quick.all();
        let begun = self.running.iter_mut().filter_map(|(id, step)| step.tell(id));
        let all: Vec<_> = done.into_iter().chain(begun).collect();
        self.say_all(self.last_line, &all)
    }

    fn tick(&mut self, now: Timestamp) -> io::Result<()> {
        if !self.under_way {
            return Ok(());
        }
        self.catch_up(now)?;
        if words::seconds_between(self.last_line, now) < SILENCE {
            return Ok(());
        }
        let running: Vec<_> = self.running.iter().map(|(id, step)| self.still(id, step.since, now)).collect();
        let text = if running.is_empty() { "still checking".into() } else { format!("still at {}", running.join(", ")) };
        // What is known must not be cut off.
        if self.notes.is_empty() { self.line(now, &text) } else { self.say(now, &text) }
    }
}

#[cfg(test)]
mod tests {
    use snapbox::{assert_data_eq, str};

    use super::*;
    use crate::report::sample;
    use crate::resource::Change;

    #[test]
    fn a_run_reads_like_this() {
        let mut out = Vec::new();
        let mut plain = Plain::new(&mut out);
        for event in sample::run() {
            plain.event(&event).unwrap();
            if matches!(event, Event::Note { .. }) {
                (5..63).for_each(|second| plain.tick(sample::at(second)).unwrap());
            }
        }
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_data_eq!(
            text,
            str![[r"
[tootstrap 00:00] version 0.1.0, 2 things to check
[tootstrap 00:02] dns/record-a-social.example.org: create the A record
[tootstrap 00:02]   social.example.org → 203.0.113.10, done in 0.8 s
[tootstrap 00:02] dns/published: waiting for ns1.linode.com to
[tootstrap 00:02]   ns5.linode.com to answer 203.0.113.10 for
[tootstrap 00:02]   social.example.org
[tootstrap 00:04] docker/packages: install docker-ce (and 1 more)
[tootstrap 00:04] Debian 11 has been out of support since 2026-08-31: no
[tootstrap 00:04]   more security updates come for it.
[tootstrap 00:19] still at dns/published (00:17), docker/packages (00:16)
[tootstrap 00:34] still at dns/published (00:32), docker/packages (00:31)
[tootstrap 00:49] still at dns/published (00:47), docker/packages (00:46)
[tootstrap 01:04] FAILED docker/packages: `apt-get install` ended with
[tootstrap 01:04]   status 100…
[tootstrap 01:05] dns/published: still waiting for ns1.linode.com to
[tootstrap 01:05]   ns5.linode.com to answer 203.0.113.10 for
[tootstrap 01:05]   social.example.org
FAILED docker/packages: packages docker-ce
  why       `apt-get install` ended with status 100
                E: disk full
  do        free some space

  done      2 steps are as wanted, and stay so
  not tried docker/pull
  go on     sudo tootstrap install (what is done is not done again)
  details   /var/lib/tootstrap/journal.jsonl

WAITING dns/published
  for       ns1.linode.com to ns5.linode.com to answer 203.0.113.10 for
            social.example.org
  do        wait some minutes, then: sudo tootstrap install

[tootstrap 01:05] Result: 1 changed, 1 unchanged, 1 waiting, 1 failed, 1 not
[tootstrap 01:05]   tried (5 things, 1 min 5 s).

"]]
        );
    }

    #[test]
    fn a_run_that_is_cut_short_is_told_to_its_last_step_and_no_line_is_too_long() {
        let mut out = Vec::new();
        let mut plain = Plain::new(&mut out);
        let image = format!("pull image ghcr.io/mastodon/mastodon@sha256:{}", "5".repeat(64));
        let changes = |what: &str| vec![Change::Do { what: what.to_owned() }];
        let applying = |id: &str, what: &str| Event::Applying { at: sample::at(1), id: id.into(), changes: changes(what) };
        let ended = Event::Step {
            at: sample::at(1),
            id: "docker/image-web".into(),
            title: "image".into(),
            outcome: Outcome::Changed,
            changes: changes(&image),
            seconds: 0.2,
        };
        let started = Event::Started { at: sample::at(0), version: "1".into(), preview: false, steps: Vec::new() };
        for event in [started, applying("docker/image-web", &image), ended, applying("app/stores", "create container db")] {
            plain.event(&event).unwrap();
        }
        plain.end().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let whole: String = text.lines().map(|line| line.split_once("] ").unwrap().1.trim_start()).collect();
        assert!(whole.contains(&"5".repeat(64)) && text.contains("app/stores: create container db"), "{text}");
    }

    #[test]
    fn heartbeats_name_the_bytes_and_nothing_else_does() {
        let mut out = Vec::new();
        let mut plain = Plain::new(&mut out);
        let started = Event::Started { at: sample::at(0), version: "1".into(), preview: false, steps: Vec::new() };
        plain.event(&started).unwrap();
        for (id, image) in [("docker/image-caddy", "caddy:2-alpine"), ("docker/image-postgres", "postgres:17-alpine")] {
            let changes = vec![Change::Do { what: format!("pull image {image}") }];
            plain.event(&Event::Applying { at: sample::at(0), id: id.into(), changes }).unwrap();
        }
        for second in 1..18 {
            plain.event(&sample::downloaded("docker/image-caddy", 1_000_000, None)).unwrap();
            plain.event(&sample::downloaded("docker/image-postgres", 2_390_000 * second, Some(104_900_000))).unwrap();
            plain.tick(sample::at(second.cast_signed())).unwrap();
        }
        assert_data_eq!(
            String::from_utf8(out).unwrap(),
            str![[r"
[tootstrap 00:00] version 1, 0 things to check
[tootstrap 00:01] docker/image-caddy: pull image caddy:2-alpine
[tootstrap 00:01] docker/image-postgres: pull image postgres:17-alpine
[tootstrap 00:16] still at docker/image-caddy (00:16, 1.0 MB so far),
[tootstrap 00:16]   docker/image-postgres (00:16, 38.2 of 104 MB)

"]]
        );
    }

    #[test]
    fn who_is_waited_for_is_said() {
        let mut out = Vec::new();
        let mut plain = Plain::new(&mut out);
        let id = || "base/packages".to_owned();
        let held = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 712 (apt-get)";
        let started = Event::Started { at: sample::at(0), version: "1".into(), preview: false, steps: Vec::new() };
        let changes = vec![Change::Do { what: "install ufw".into() }];
        for event in [started, Event::Applying { at: sample::at(0), id: id(), changes }, Event::Output { id: id(), line: held.into() }] {
            plain.event(&event).unwrap();
        }
        plain.tick(sample::at(1)).unwrap();
        plain.tick(sample::at(20)).unwrap();
        plain.event(&Event::Output { id: id(), line: "Setting up ufw".into() }).unwrap();
        plain.tick(sample::at(40)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("still at base/packages (00:20, waits for process 712\n[tootstrap 00:20]   (apt-get))\n"), "{text}");
        assert!(text.ends_with("still at base/packages (00:40)\n"), "{text}");
    }
}
