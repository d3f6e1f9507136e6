//! What a preview found, grouped as the steps are: what would change, what is waited for, what cannot be known yet.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::paint::{BOLD, CYAN, GREEN, Paint, RED, YELLOW};
use super::words::{self, Endings};
use super::{Download, Event, Outcome, Renderer, StepInfo};
use crate::resource::Change;

/// How many steps are named that one waits for.
const AFTER_SHOWN: usize = 3;

/// Writes one listing when the preview ends.
pub struct Listing<W> {
    out: W,
    paint: Paint,
    /// Ids in the plan's order.
    order: Vec<String>,
    steps: BTreeMap<String, (Outcome, Vec<Change>)>,
    /// For each step those that it waits for.
    waits_for: BTreeMap<String, Vec<String>>,
    downloads: Vec<Download>,
    endings: Endings,
}

impl<W: Write + Send> Listing<W> {
    /// To this writer.
    pub fn new(out: W, paint: Paint) -> Self {
        Self {
            out,
            paint,
            order: Vec::new(),
            steps: BTreeMap::new(),
            waits_for: BTreeMap::new(),
            downloads: Vec::new(),
            endings: Endings::default(),
        }
    }

    fn list(&mut self) -> io::Result<()> {
        let mut group = "";
        let mut unknown: Vec<(&str, Vec<&str>)> = Vec::new();
        for id in &self.order {
            let Some((outcome, changes)) = self.steps.get(id) else { continue };
            if let Outcome::Unknown { after } = outcome {
                match unknown.iter_mut().find(|(first, _)| first == after) {
                    Some((_, ids)) => ids.push(id),
                    None => unknown.push((after, vec![id])),
                }
            }
            if *outcome != Outcome::Pending {
                continue;
            }
            let (of, _) = id.split_once('/').unwrap_or((id, ""));
            if group != of {
                group = of;
                writeln!(self.out, "{}", self.paint.paint(BOLD, group))?;
            }
            for line in words::wrap(&format!("  {id}{}", self.after(id)), 76) {
                writeln!(self.out, "{line}")?;
            }
            changes.iter().try_for_each(|change| write_change(&mut self.out, self.paint, change))?;
        }
        for (after, ids) in unknown {
            writeln!(self.out, "not known before {after}")?;
            for line in words::wrap(&ids.join(", "), 74) {
                writeln!(self.out, "    {line}")?;
            }
        }
        self.list_downloads()
    }

    /// What a step waits for, as ` (after a/b, c/d)`: those that would be changed first, and of a chain of them the last.
    fn after(&self, id: &str) -> String {
        let is_open = |id: &&String| matches!(self.steps.get(*id), Some((Outcome::Pending | Outcome::Unknown { .. }, _)));
        let direct: Vec<_> = self.waits_for.get(id).into_iter().flatten().filter(is_open).collect();
        let leads_to = |from: &str, to: &str| from != to && self.all_before(from).contains(to);
        let last: Vec<_> = direct.iter().filter(|one| !direct.iter().any(|other| leads_to(other, one))).collect();
        let (shown, more) = last.split_at(last.len().min(AFTER_SHOWN));
        let shown: Vec<_> = shown.iter().map(|id| id.as_str()).collect();
        match (shown.is_empty(), more.len()) {
            (true, _) => String::new(),
            (false, 0) => format!(" (after {})", shown.join(", ")),
            (false, more) => format!(" (after {} and {more} more)", shown.join(", ")),
        }
    }

    /// Everything that comes before a step, however far away.
    fn all_before(&self, id: &str) -> BTreeSet<&str> {
        let mut all = BTreeSet::new();
        let mut open: Vec<&str> = vec![id];
        while let Some(step) = open.pop() {
            let new = self.waits_for.get(step).into_iter().flatten().map(String::as_str).filter(|step| all.insert(*step));
            open.extend(new.collect::<Vec<_>>());
        }
        all
    }

    fn list_downloads(&mut self) -> io::Result<()> {
        if self.downloads.is_empty() {
            return Ok(());
        }
        let known: u64 = self.downloads.iter().filter_map(|part| part.bytes).sum();
        let all = self.downloads.iter().all(|part| part.bytes.is_some() && part.unknown.is_none());
        let known =
            if known == 0 { String::new() } else { format!(", {} {}", if all { "about" } else { "at least" }, words::bytes(known)) };
        writeln!(self.out, "to download{known}")?;
        for Download { what, bytes, unknown } in &self.downloads {
            let size = bytes.map_or_else(|| "not known".into(), words::bytes);
            writeln!(self.out, "  {size:>9}  {}", words::cut(what, 65))?;
            for line in unknown.iter().flat_map(|why| words::wrap(why, 65)) {
                writeln!(self.out, "             {line}")?;
            }
        }
        Ok(())
    }
}

fn write_change(out: &mut impl Write, paint: Paint, change: &Change) -> io::Result<()> {
    for line in words::wrap(&words::sentence(change), 74) {
        writeln!(out, "    {line}")?;
    }
    if let Change::Text { diff, .. } = change {
        for line in diff.lines() {
            writeln!(out, "{}", in_colors(paint, line, format!("      {line}").trim_end()))?;
        }
    }
    Ok(())
}

/// As the first character of a diff's line wants it.
fn in_colors(paint: Paint, line: &str, shown: &str) -> String {
    match line.chars().next() {
        Some('+') => paint.paint(GREEN, shown),
        Some('-') => paint.paint(RED, shown),
        Some('@') => paint.paint(CYAN, shown),
        _ => shown.to_owned(),
    }
}

impl<W: Write + Send> Renderer for Listing<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.endings.see(event);
        match event {
            Event::Started { steps, .. } => {
                self.order = steps.iter().map(|step| step.id.clone()).collect();
                let before = |step: &StepInfo| (step.id.clone(), [&step.needs[..], &step.after].concat());
                self.waits_for = steps.iter().map(before).collect();
            }
            Event::Downloads { parts, .. } => self.downloads.clone_from(parts),
            Event::Step { id, outcome, changes, .. } => {
                self.steps.insert(id.clone(), (outcome.clone(), changes.clone()));
            }
            Event::Note { text, .. } => {
                for (index, line) in words::wrap(text, 76).iter().enumerate() {
                    let mark = if index == 0 { self.paint.paint(YELLOW, "!") } else { " ".into() };
                    writeln!(self.out, "{mark} {line}")?;
                }
            }
            Event::Finished { counts, seconds, .. } => {
                self.list()?;
                write!(self.out, "{}", self.endings.text())?;
                for line in words::wrap(&words::summary(counts, *seconds, self.endings.preview), words::WIDTH) {
                    writeln!(self.out, "{line}")?;
                }
            }
            Event::Applying { .. } | Event::Waiting { .. } | Event::Output { .. } | Event::Progress { .. } | Event::Span { .. } => {}
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use snapbox::{assert_data_eq, str};

    use super::*;
    use crate::report::{Counts, sample};

    fn told(events: &[Event]) -> String {
        painted(events, Paint::Plain)
    }

    fn painted(events: &[Event], paint: Paint) -> String {
        let mut out = Vec::new();
        let mut listing = Listing::new(&mut out, paint);
        for event in events {
            listing.event(event).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    fn preview() -> Vec<Event> {
        let mut drift = crate::resource::Drift::none();
        drift.push_text("/etc/motd", "Debian\n\nold\n", "Debian\n\nMastodon\n");
        let record = Change::Set { what: "A record of a.org".into(), from: "203.0.113.9".into(), to: "203.0.113.10".into() };
        let unknown = |after: &str| Outcome::Unknown { after: after.into() };
        let wait = Outcome::Waiting { what: "b.org to exist".into(), remedy: "register it\nthen: sudo tootstrap install".into() };
        let steps = [
            ("base/motd", Outcome::Pending, drift.changes),
            ("base/hosts", Outcome::Unchanged, vec![]),
            ("dns/record-a-a.org", Outcome::Pending, vec![record]),
            ("dns/published", wait, vec![]),
            ("docker/packages", Outcome::Pending, vec![Change::Do { what: "install docker-ce".into() }]),
            ("docker/ready", unknown("docker/packages"), vec![]),
            ("app/web", unknown("docker/packages"), vec![]),
        ];
        let infos = steps.iter().map(|(id, ..)| StepInfo::new(*id, *id)).collect();
        let mut infos: Vec<StepInfo> = infos;
        infos[4].needs = ["base/motd", "base/hosts", "dns/record-a-a.org"].map(String::from).into();
        infos[2].after = vec!["base/motd".into()];
        let part = |what: &str, bytes, unknown: Option<&str>| Download { what: what.into(), bytes, unknown: unknown.map(str::to_owned) };
        let parts = vec![
            part("packages", Some(114_300_000), Some("without docker-ce, which nobody here knows yet")),
            part("image redis:7-alpine", Some(12_940_000), None),
            part("image ghcr.io/mastodon/mastodon:v4.7.4", None, Some("ghcr.io does not answer: connection refused")),
        ];
        let downloads = Event::Downloads { at: sample::at(0), parts };
        let started = Event::Started { at: sample::at(0), version: "0.1.0".into(), preview: true, steps: infos };
        let mut events = vec![downloads, started];
        let mut counts = Counts::default();
        // They end in another order than the plan's.
        for (id, outcome, changes) in steps.into_iter().rev() {
            counts.add(&outcome);
            events.push(sample::step(1, id, id, outcome, changes, 0.1));
        }
        events.push(Event::Finished { at: sample::at(1), counts, seconds: 0.84, complete: false });
        events
    }

    #[test]
    fn a_note_is_marked_once() {
        let text =
            "Debian 11 has been out of support since 2026-08-31: no more security updates come for it. Debian 13 is the better choice";
        let note = Event::Note { at: sample::at(0), text: text.into() };
        let wanted = "! Debian 11 has been out of support since 2026-08-31: no more security updates\n  come for it. Debian 13 is the better choice\n";
        assert_eq!(told(&[note]), wanted);
    }

    #[test]
    fn a_preview_reads_like_this() {
        assert_data_eq!(
            told(&preview()),
            str![[r"
base
  base/motd
    edit /etc/motd
      @@ -1,3 +1,3 @@
       Debian

      -old
      +Mastodon
dns
  dns/record-a-a.org (after base/motd)
    A record of a.org: 203.0.113.9 → 203.0.113.10
docker
  docker/packages (after dns/record-a-a.org)
    install docker-ce
not known before docker/packages
    docker/ready, app/web
to download, at least 127 MB
     114 MB  packages
             without docker-ce, which nobody here knows yet
    12.9 MB  image redis:7-alpine
  not known  image ghcr.io/mastodon/mastodon:v4.7.4
             ghcr.io does not answer: connection refused
WAITING dns/published
  for       b.org to exist
  do        register it
            then: sudo tootstrap install

Plan: 3 to change, 2 not known yet, 1 unchanged, 1 waiting (7 things, 0.8 s).

"]]
        );
    }

    #[test]
    fn a_diff_has_colours_where_they_are_wanted() {
        let diff = "@@ -1 +1,2 @@\n-old\n+new\n + as it was\n".into();
        let changes = vec![Change::Text { path: "/etc/motd".into(), diff }];
        let steps = vec![StepInfo::new("base/motd", "file /etc/motd")];
        let started = Event::Started { at: sample::at(0), version: "0.1.0".into(), preview: true, steps };
        let step = sample::step(0, "base/motd", "file /etc/motd", Outcome::Pending, changes, 0.1);
        let counts = Counts { pending: 1, ..Counts::default() };
        let events = [started, step, Event::Finished { at: sample::at(1), counts, seconds: 1.0, complete: true }];
        let text = painted(&events, Paint::Colors);
        for line in [
            "\x1b[1mbase\x1b[0m",
            "\x1b[36m      @@ -1 +1,2 @@\x1b[0m",
            "\x1b[31m      -old\x1b[0m",
            "\x1b[32m      +new\x1b[0m",
            "       + as it was",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line:?}: {text:?}");
        }
        assert!(!told(&events).contains('\x1b'));
    }
}
