//! For a terminal: what is done stands above, what runs is redrawn below.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;

use super::paint::{DIM, GREEN, Paint, RED, YELLOW};
use super::quick::{MOMENT, Quick};
use super::words::{self, Endings};
use super::{Event, Outcome, Renderer};
use crate::resource::Change;

/// How many running steps are shown at most.
const SHOWN: usize = 6;

/// Draws on a terminal.
pub struct Terminal<W> {
    out: W,
    width: usize,
    paint: Paint,
    began: Timestamp,
    now: Timestamp,
    under_way: bool,
    total: usize,
    ended: usize,
    running: BTreeMap<String, Running>,
    quick: Quick,
    /// How many lines stand below that are redrawn.
    drawn: usize,
    endings: Endings,
}

struct Running {
    since: Timestamp,
    last: String,
}

impl<W: Write + Send> Terminal<W> {
    /// On a terminal with so many columns.
    pub fn new(out: W, width: usize, paint: Paint) -> Self {
        let now = Timestamp::now();
        Self {
            out,
            width: width.clamp(40, 100) - 1,
            paint,
            began: now,
            now,
            under_way: false,
            total: 0,
            ended: 0,
            running: BTreeMap::new(),
            quick: Quick::default(),
            drawn: 0,
            endings: Endings::default(),
        }
    }

    /// What stays, with a mark before it and a time at the end of its first line.
    fn keep(&mut self, color: &str, mark: &str, text: &str, time: &str) -> io::Result<()> {
        let room = self.width.saturating_sub(4 + if time.is_empty() { 0 } else { time.chars().count() + 1 });
        let (mark, time) = (self.paint.paint(color, mark), self.paint.paint(DIM, time));
        for (index, line) in words::wrap(text, room).iter().enumerate() {
            let gap = " ".repeat(room.saturating_sub(line.chars().count()));
            let shown = if index == 0 { format!("  {mark} {line}{gap} {time}") } else { format!("    {line}") };
            writeln!(self.out, "{}", shown.trim_end())?;
        }
        Ok(())
    }

    fn keep_quick(&mut self, sentences: &[String]) -> io::Result<()> {
        sentences.iter().try_for_each(|sentence| self.keep(GREEN, "✓", sentence, ""))
    }

    /// Takes away what is redrawn.
    fn clear(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.drawn) {
            0 => Ok(()),
            lines => write!(self.out, "\x1b[{lines}A\x1b[J"),
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        if self.under_way {
            for line in self.live() {
                writeln!(self.out, "{line}")?;
                self.drawn += 1;
            }
        }
        self.out.flush()
    }

    fn live(&self) -> Vec<String> {
        let line = |(id, step): (&String, &Running)| {
            let head = format!("  · {id} {}", words::clock(words::seconds_between(step.since, self.now)));
            let room = self.width.saturating_sub(head.chars().count() + 2);
            let last = words::cut(&step.last, room);
            if room < 8 || last.is_empty() { words::cut(&head, self.width) } else { format!("{head}  {}", self.paint.paint(DIM, &last)) }
        };
        let mut lines: Vec<_> = self.running.iter().take(SHOWN).map(line).collect();
        let more = self.running.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(", {more} more under way") } else { String::new() };
        let clock = words::clock(words::seconds_between(self.began, self.now));
        lines.push(self.paint.paint(DIM, &words::cut(&format!("  {}/{} done, {clock}{more}", self.ended, self.total), self.width)));
        lines
    }

    fn step(&mut self, at: Timestamp, id: &str, outcome: &Outcome, changes: &[Change], seconds: f64) -> io::Result<()> {
        let lasted = self.running.remove(id).map_or(0.0, |step| words::seconds_between(step.since, at));
        self.ended += 1;
        match outcome {
            Outcome::Changed if lasted < MOMENT => {
                self.quick.add(at, id, changes);
                Ok(())
            }
            Outcome::Changed => self.keep(GREEN, "✓", &format!("{id}: {}", words::first_of(changes)), &words::duration(seconds)),
            Outcome::Failed { why, .. } => self.keep(RED, "✗", &format!("{id}: {}", words::headline(why)), &words::duration(seconds)),
            Outcome::Waiting { what, .. } => self.keep(YELLOW, "!", &format!("{id}: still waiting for {}", words::awaited(what)), ""),
            _ => Ok(()),
        }
    }

    fn tell(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { at, version, steps, preview } => {
                (self.began, self.now, self.under_way, self.ended, self.total) = (*at, *at, true, 0, steps.len());
                self.running.clear();
                let verb = if *preview { "looks at" } else { "checks" };
                writeln!(self.out, "tootstrap {version} {verb} {}", words::count(steps.len(), "thing"))
            }
            Event::Applying { at, id, changes } => self.begin(*at, id, words::first_of(changes)),
            Event::Waiting { at, id, what } => self.begin(*at, id, format!("waiting for {what}")),
            Event::Output { id, line } => self.go_on(id, line.clone()),
            Event::Progress { id, progress } => self.go_on(id, words::progress(*progress)),
            Event::Step { at, id, outcome, changes, seconds, .. } => {
                let done = self.quick.due(*at);
                self.keep_quick(&done)?;
                self.step(*at, id, outcome, changes, *seconds)
            }
            // Previews are told as a list.
            Event::Span { .. } | Event::Downloads { .. } => Ok(()),
            Event::Note { text, .. } => self.keep(YELLOW, "!", text, ""),
            Event::Finished { counts, seconds, .. } => {
                self.under_way = false;
                let done = self.quick.all();
                self.keep_quick(&done)?;
                let endings = self.endings.text();
                let summary = words::wrap(&words::summary(counts, *seconds, self.endings.preview), self.width).join("\n");
                write!(self.out, "\n{endings}{summary}\n")
            }
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "one of the arms of `tell`")]
    fn go_on(&mut self, id: &str, last: String) -> io::Result<()> {
        if let Some(step) = self.running.get_mut(id) {
            step.last = last;
        }
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "one of the arms of `tell`")]
    fn begin(&mut self, at: Timestamp, id: &str, last: String) -> io::Result<()> {
        self.running.entry(id.to_owned()).or_insert(Running { since: at, last: String::new() }).last = last;
        Ok(())
    }
}

impl<W: Write + Send> Renderer for Terminal<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.endings.see(event);
        if let Event::Output { .. } | Event::Progress { .. } | Event::Span { .. } = event {
            // The next tick shows it: this can come faster than anyone reads.
            return self.tell(event);
        }
        self.clear()?;
        self.tell(event)?;
        self.draw()
    }

    fn end(&mut self) -> io::Result<()> {
        let done = self.quick.all();
        if done.is_empty() {
            return Ok(());
        }
        self.clear()?;
        self.keep_quick(&done)?;
        self.draw()
    }

    fn tick(&mut self, now: Timestamp) -> io::Result<()> {
        self.now = now;
        if !self.under_way {
            return Ok(());
        }
        self.clear()?;
        let done = self.quick.due(now);
        self.keep_quick(&done)?;
        self.draw()
    }
}

#[cfg(test)]
mod tests {
    use snapbox::{assert_data_eq, str};

    use super::*;
    use crate::report::sample;

    /// What a terminal shows after these bytes: only `ESC [ n A` and `ESC [ J` are understood.
    fn screen(bytes: &str) -> String {
        let mut lines: Vec<String> = Vec::new();
        for (index, part) in bytes.split("\x1b[").enumerate() {
            let text = if index == 0 {
                part
            } else if let Some(rest) = part.strip_prefix('J') {
                rest
            } else {
                let (count, rest) = part.split_once('A').expect("only up and clear");
                lines.truncate(lines.len() - count.parse::<usize>().unwrap());
                rest
            };
            lines.extend(text.lines().map(str::to_owned));
        }
        lines.join("\n") + "\n"
    }

    fn after(count: usize) -> String {
        let mut out = Vec::new();
        let mut terminal = Terminal::new(&mut out, 80, Paint::Plain);
        for event in &sample::run()[..count] {
            terminal.event(event).unwrap();
        }
        if count < sample::run().len() {
            terminal.tick(sample::at(30)).unwrap();
        }
        let text = screen(&String::from_utf8(out).unwrap());
        assert!(text.lines().all(|line| line.chars().count() < 80), "{text}");
        text
    }

    #[test]
    fn under_way() {
        assert_data_eq!(
            after(8),
            str![[r"
tootstrap 0.1.0 checks 2 things
  ✓ dns/record-a-social.example.org: create the A record                  0.8 s
    social.example.org → 203.0.113.10
  ! Debian 11 has been out of support since 2026-08-31: no more security
    updates come for it.
  · dns/published 00:28  waiting for ns1.linode.com to ns5.linode.com to answe…
  · docker/packages 00:27  Setting up docker-ce
  2/2 done, 00:30

"]]
        );
    }

    #[test]
    fn bytes_of_pulls_side_by_side() {
        let mut out = Vec::new();
        let mut terminal = Terminal::new(&mut out, 80, Paint::Plain);
        let changes = |image: &str| vec![Change::Do { what: format!("pull image {image}") }];
        let started = Event::Started { at: sample::at(0), version: "0.1.0".into(), preview: false, steps: Vec::new() };
        let applying = |id: &str, image: &str| Event::Applying { at: sample::at(1), id: id.into(), changes: changes(image) };
        for event in [
            started,
            applying("docker/image-caddy", "caddy:2-alpine"),
            applying("docker/image-mastodon", "ghcr.io/mastodon/mastodon:v4.7.4"),
            applying("docker/image-postgres", "postgres:17-alpine"),
            sample::downloaded("docker/image-mastodon", 12_300_000, None),
            sample::downloaded("docker/image-postgres", 38_240_000, Some(104_900_000)),
        ] {
            terminal.event(&event).unwrap();
        }
        terminal.tick(sample::at(13)).unwrap();
        assert_data_eq!(
            screen(&String::from_utf8(out).unwrap()),
            str![[r"
tootstrap 0.1.0 checks 0 things
  · docker/image-caddy 00:12  pull image caddy:2-alpine
  · docker/image-mastodon 00:12  12.3 MB so far
  · docker/image-postgres 00:12  38.2 of 104 MB
  0/0 done, 00:13

"]]
        );
    }

    #[test]
    fn at_the_end() {
        assert_data_eq!(
            after(sample::run().len()),
            str![[r"
tootstrap 0.1.0 checks 2 things
  ✓ dns/record-a-social.example.org: create the A record                  0.8 s
    social.example.org → 203.0.113.10
  ! Debian 11 has been out of support since 2026-08-31: no more security
    updates come for it.
  ✗ docker/packages: `apt-get install` ended with status 100…         1 min 1 s
  ! dns/published: still waiting for ns1.linode.com to ns5.linode.com to answer
    203.0.113.10 for social.example.org

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

Result: 1 changed, 1 unchanged, 1 waiting, 1 failed, 1 not tried (5 things, 1
min 5 s).

"]]
        );
    }

    #[test]
    fn colours_only_when_wanted() {
        for paint in [Paint::Colors, Paint::Plain] {
            let mut out = Vec::new();
            let mut terminal = Terminal::new(&mut out, 80, paint);
            for event in sample::run() {
                terminal.event(&event).unwrap();
            }
            assert_eq!(String::from_utf8(out).unwrap().contains("\x1b[32m"), paint == Paint::Colors);
        }
    }
}
