//! `tootstrap status`: is everything well?

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;

use super::exit::{End, Exit, Trouble};
use super::follow::{self, listing};
use super::prepare::{self, Prepared};
use super::preview::{Preview, Silent};
use super::progress::{self, Progress};
use super::{lock, need_root, tell};
use crate::host::Probe;
use crate::report::{Outcome, WIDTH, awaited, journal, wrap};
use crate::resource::credentials;
use crate::resource::docker::digests;
use crate::run::Report;

/// Compare the machine with what is recorded, and change nothing
///
/// Exit status: 0 all is well; 1 something is wrong; 4 something outside is waited for, or an installation is under way.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap status
  sudo tootstrap status --motd    in short")]
pub(super) struct Status {
    /// Tell every event as a line of JSON
    #[arg(long, conflicts_with = "motd")]
    json: bool,
    /// A few lines, for the message of the day
    #[arg(long)]
    motd: bool,
}

/// Made by Debian's packages when an upgrade, such as a new kernel, takes effect only after a restart.
const RESTART_NEEDED: &str = "/run/reboot-required";

impl Status {
    pub(super) async fn run(self) -> End<Exit> {
        need_root()?;
        if let Some(holder) = lock::holder(Path::new(lock::PATH))? {
            return self.under_way(&holder);
        }
        let redactor = prepare::redactor();
        let system = prepare::machine();
        let Prepared { facts, judged, .. } = prepare::recorded(&system, &redactor).await?;
        let accepted = judged.map_err(|refusal| Trouble::failed(prepare::refused(&refusal)))?;
        let site = accepted.settings.site.to_string();
        let handle = format!("@{}@{}", accepted.settings.owner, accepted.settings.handle_domain);
        let machine = system.clone();
        let preview = Preview { system, facts, accepted, redactor, jobs: super::install::JOBS, downloads: false };
        if self.motd {
            let report = preview.run(vec![Box::new(Silent)]).await?;
            let restart = machine.stat(Path::new(RESTART_NEEDED)).await?.map_or("", |_| "\n  upgrades need a restart: sudo reboot");
            tell(&format!("{}{restart}\n{}", motd(&site, &report), day_to_day(&machine, &handle).await?));
            return Ok(exit(&report));
        }
        let report = preview.run(vec![listing(self.json)]).await?;
        if !self.json {
            tell(&format!("\n{}\n", motd(&site, &report)));
            tell(&images(&digests::recorded(&machine).await?));
        }
        Ok(exit(&report))
    }

    /// How far the run is that holds the lock: neither well nor wrong yet.
    fn under_way(&self, holder: &str) -> End<Exit> {
        let events = progress::under_way(journal::latest_run(Path::new(journal::PATH))?, lock::since(holder));
        let progress = Progress::of(&events);
        if self.json {
            let mut json = follow::renderer(true);
            events.iter().try_for_each(|event| json.event(event))?;
        } else if self.motd {
            tell(&format!("{}\n  look on: sudo tootstrap attach", progress.short()));
        } else {
            tell(&progress.long());
        }
        Ok(Exit::Waiting)
    }
}

/// With which digest each image came.
fn images(digests: &BTreeMap<String, String>) -> String {
    if digests.is_empty() {
        return "Images: none are recorded yet".into();
    }
    let line = |(image, digest): (&String, &String)| format!("\n  {image}\n    {}", digest.rsplit('@').next().unwrap_or(digest));
    format!("Images, as recorded in {}{}", digests::IMAGES, digests.iter().map(line).collect::<String>())
}

/// What differs is wrong here, whoever changed it.
fn exit(report: &Report) -> Exit {
    match Exit::of_counts(&report.counts) {
        Exit::Done | Exit::Waiting if report.counts.pending + report.counts.unknown > 0 => Exit::Failed,
        exit => exit,
    }
}

fn motd(site: &str, report: &Report) -> String {
    let wrong: Vec<_> = report.outcomes.iter().filter(|(_, outcome)| is_wrong(outcome)).map(|(id, _)| id.as_str()).collect();
    let waits = report.outcomes.iter().filter_map(|(_, outcome)| match outcome {
        Outcome::Waiting { what, .. } => Some(format!("\n  waiting for {}", wrap(awaited(what), WIDTH - 4).join("\n    "))),
        _ => None,
    });
    let waits: String = waits.collect();
    let head = format!("Mastodon at https://{site}");
    match wrong.as_slice() {
        [] if waits.is_empty() => format!("{head}: all is well"),
        [] => format!("{head}: installed{waits}"),
        _ => {
            format!("{head}: not as it should be: {}{waits}", some(&wrong))
        }
    }
}

/// Who owns the site, where the first password is as long as it is there, and with what it is looked after.
async fn day_to_day(machine: &dyn Probe, handle: &str) -> anyhow::Result<String> {
    let password = credentials::with_owner_password(machine).await?;
    let password = password.map_or(String::new(), |file| format!("\n  first password: sudo cat {}", file.display()));
    Ok(format!("  owner: {handle}{password}\n  sudo tootstrap status   sudo tootstrap doctor   sudo tootstrap install"))
}

/// The first ones, and how many more.
fn some(ids: &[&str]) -> String {
    const SHOWN: usize = 3;
    let more = ids.len().saturating_sub(SHOWN);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{rest}", ids[..ids.len().min(SHOWN)].join(", "))
}

fn is_wrong(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Unchanged | Outcome::Changed | Outcome::Waiting { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Counts;

    fn report(outcomes: &[Outcome]) -> Report {
        let mut counts = Counts::default();
        for outcome in outcomes {
            counts.add(outcome);
        }
        let named = outcomes.iter().enumerate().map(|(index, outcome)| (format!("group/{index}"), outcome.clone()));
        Report { outcomes: named.collect(), counts }
    }

    #[test]
    fn images_with_their_digests() {
        assert_eq!(images(&BTreeMap::new()), "Images: none are recorded yet");
        let digests = BTreeMap::from([("redis:7-alpine".to_owned(), "redis@sha256:12".to_owned())]);
        assert_eq!(images(&digests), "Images, as recorded in /etc/tootstrap/images.toml\n  redis:7-alpine\n    sha256:12");
    }

    #[test]
    fn message_of_the_day_and_exit_status() {
        let waiting = Outcome::Waiting { what: "DNS".into(), remedy: String::new() };
        let failed = Outcome::Failed { why: "no".into(), remedy: None };
        for (outcomes, text, code) in [
            (vec![Outcome::Unchanged], "Mastodon at https://a.org: all is well", 0),
            (vec![Outcome::Unchanged, waiting.clone()], "Mastodon at https://a.org: installed\n  waiting for DNS", 4),
            (vec![Outcome::Pending, waiting], "Mastodon at https://a.org: not as it should be: group/0\n  waiting for DNS", 1),
            (vec![Outcome::Unchanged, failed], "Mastodon at https://a.org: not as it should be: group/1", 1),
        ] {
            let report = report(&outcomes);
            assert!(motd("a.org", &report).starts_with(text), "{}", motd("a.org", &report));
            assert_eq!(exit(&report).code(), code);
        }
    }
}
