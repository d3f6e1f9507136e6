//! `tootstrap doctor`: why does it not work?

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::exit::{End, Exit, Trouble};
use super::prepare::{self, Prepared};
use super::preview::{Preview, Silent};
use super::{install, lock, need_root, tell};
use crate::doctor::{self, Finding, Grade, Mask, Seen, Step};
use crate::host::system::System;
use crate::host::{Access, Host, Kind, Probe};
use crate::report::{Event, Problem, Redactor, WithRemedy, journal, wrap};
use crate::secrets;
use crate::settings::{self, Options, SecretEnv, Settings};

/// Comparing the machine with its record takes seconds; a machine in trouble may never answer.
const LIMIT: Duration = Duration::from_mins(2);

/// Find out why something does not work, and what to do; nothing is changed
///
/// Looks at DNS, certificate, containers and their logs, disk, memory, clock, mail ports, firewalls and versions. To see whether mail ports are
/// blocked it connects to the mail relay, or to smtp.mailgun.org and smtp.sendgrid.net if none is set; nothing is sent.
///
/// Exit status: 0 all is well; 1 something is wrong.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap doctor
  sudo tootstrap doctor --report report.txt     a text to show to those who help")]
pub(super) struct Doctor {
    /// Also write a text to share: without secrets, e-mail addresses and other machines' addresses
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Tell everything as JSON
    #[arg(long)]
    json: bool,
}

/// What is known from the records.
#[derive(Default)]
struct Known {
    settings: Option<Settings>,
    troubles: Vec<(String, Option<String>)>,
    notes: Vec<String>,
    steps: Vec<Step>,
}

impl Doctor {
    pub(super) async fn run(self) -> End<Exit> {
        need_root()?;
        let redactor = prepare::redactor();
        let system = prepare::machine();
        let (known, mut seen) = examine(&system, &redactor).await;
        (seen.troubles, seen.notes, seen.steps) = (known.troubles, known.notes, known.steps);
        seen.last_run = last_run(&seen.steps)?;

        let findings = doctor::diagnose(&seen);
        let own = known.settings.iter().flat_map(|settings| [settings.address.v4.map(Into::into), settings.address.v6.map(Into::into)]);
        let mask = Mask::new(Arc::clone(&redactor), own.flatten().collect());
        let healthy = findings.iter().all(|finding| finding.grade != Grade::Wrong);
        if self.json {
            tell(&mask.clean_json(json!({ "healthy": healthy, "findings": findings, "seen": seen })).to_string());
        } else {
            tell(&redactor.clean(&words(&seen, &findings)));
        }
        if let Some(path) = &self.report {
            write(&system, path, &doctor::report(&seen, &findings, &mask)).await?;
            if !self.json {
                tell(&format!("\nA text to share is in {}. Read it before you share it.", path.display()));
            }
        }
        Ok(if healthy { Exit::Done } else { Exit::Failed })
    }
}

/// Records, comparison and looks.
async fn examine(system: &System, redactor: &Arc<Redactor>) -> (Known, Seen) {
    let mut known = Known::default();
    match secrets::load(system).await {
        Ok(secrets) => secrets.iter().flat_map(secrets::Secrets::all).for_each(|secret| redactor.hide(secret)),
        Err(error) => known.trouble(&error),
    }
    match lock::holder(Path::new(lock::PATH)) {
        Ok(None) => {}
        Ok(Some(holder)) => known.notes.push(format!("another tootstrap is at work ({holder}), so what is looked at may change meanwhile")),
        Err(error) => known.trouble(&error),
    }
    let preview = known.read(system, redactor).await;
    let settings = known.settings.clone();
    let compared = async {
        if let Some(preview) = preview { Some(tokio::time::timeout(LIMIT, preview.run(vec![Box::new(Silent)])).await) } else { None }
    };
    let (compared, seen) = tokio::join!(compared, doctor::look(system, settings.as_ref()));
    match compared {
        None => {}
        Some(Ok(Ok(report))) => known.steps = report.outcomes.into_iter().map(|(id, outcome)| Step { id, outcome }).collect(),
        Some(Ok(Err(error))) => known.trouble(&error),
        Some(Err(_)) => known.trouble(&anyhow!("the machine did not say within {} s how it is", LIMIT.as_secs())),
    }
    (known, seen)
}

impl Known {
    fn trouble(&mut self, error: &anyhow::Error) {
        let trouble = (format!("{error:#}"), Problem::remedy_of(error).map(str::to_owned));
        if !self.troubles.contains(&trouble) {
            self.troubles.push(trouble);
        }
    }

    /// Reads what is recorded; how to compare the machine with it, if there is something good.
    async fn read(&mut self, system: &System, redactor: &Arc<Redactor>) -> Option<Preview> {
        match settings::gather(Options::default(), SecretEnv::default(), None, system).await {
            Ok(given) if !given.is_recorded() => {
                self.notes.push("tootstrap has not installed anything here yet".into());
                return None;
            }
            Ok(_) => {}
            Err(error) => {
                self.trouble(&error);
                return None;
            }
        }
        let Prepared { facts, judged, .. } = match prepare::recorded(system, redactor).await {
            Ok(prepared) => prepared,
            Err(Trouble { error, .. }) => {
                self.trouble(&error);
                return None;
            }
        };
        match judged {
            Ok(accepted) => {
                self.notes.extend(accepted.notes.clone());
                self.settings = Some(accepted.settings.clone());
                Some(Preview {
                    system: system.clone(),
                    facts,
                    accepted,
                    redactor: Arc::clone(redactor),
                    jobs: install::JOBS,
                    downloads: false,
                })
            }
            Err(refusal) => {
                self.trouble(&anyhow!("what is recorded is refused:\n{refusal}"));
                None
            }
        }
    }
}

/// Steps that failed in the last run and are still not as wanted.
fn last_run(now: &[Step]) -> anyhow::Result<Vec<Step>> {
    let is_fine = |id: &str| now.iter().any(|step| step.id == id && step.outcome == crate::report::Outcome::Unchanged);
    let failed = |event| match event {
        Event::Step { id, outcome, .. } if matches!(outcome, crate::report::Outcome::Failed { .. }) && !is_fine(&id) => {
            Some(Step { id, outcome })
        }
        _ => None,
    };
    Ok(journal::latest_run(Path::new(journal::PATH))?.into_iter().filter_map(failed).collect())
}

/// For people, in at most 78 columns unless a name is long.
fn words(seen: &Seen, findings: &[Finding]) -> String {
    let wrong = findings.iter().filter(|finding| finding.grade == Grade::Wrong).count();
    let site = seen.site.as_deref().unwrap_or("this machine");
    let mut text = match wrong {
        0 => format!("{site}: nothing is wrong, as far as this machine can tell\n"),
        1 => format!("{site}: one thing is wrong\n"),
        _ => format!("{site}: {wrong} things are wrong\n"),
    };
    for finding in findings {
        let grade = match finding.grade {
            Grade::Wrong => "WRONG",
            Grade::Note => "note",
            Grade::Unknown => "not known",
        };
        text += "\n";
        text += &part(grade, &format!("{} ({})", finding.says, finding.name));
        finding.seen.iter().for_each(|sign| text += &part("  seen", sign));
        finding.remedies.iter().for_each(|remedy| text += &part("  do", remedy));
    }
    text.trim_end().to_owned()
}

/// `label     text`, later lines below the first.
fn part(label: &str, text: &str) -> String {
    let line = |(index, line): (usize, String)| format!("{:11}{line}\n", if index == 0 { label } else { "" });
    wrap(text, 67).into_iter().enumerate().map(line).collect()
}

/// Never over something that is no ordinary file.
async fn write(system: &System, path: &Path, text: &str) -> anyhow::Result<()> {
    let path = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    if system.stat(&path).await?.is_some_and(|stat| stat.kind != Kind::File) {
        return Err(anyhow!("{} is no ordinary file", path.display())).remedy("give another name to --report");
    }
    system.write(&path, text.as_bytes(), Access::root(0o600)).await.context("cannot write the report")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::causes::CAUSES;

    #[test]
    fn every_known_cause_fits_80_columns() {
        for cause in CAUSES {
            let finding = Finding {
                name: cause.name,
                grade: cause.grade,
                says: cause.says,
                seen: Vec::new(),
                remedies: vec![cause.remedy.to_owned()],
            };
            let told = words(&Seen { site: Some("social.example.org".into()), ..Seen::default() }, &[finding]);
            assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
        }
    }

    #[test]
    fn it_reads_like_this() {
        let seen = Seen { site: Some("a.org".into()), ..Seen::default() };
        assert_eq!(words(&seen, &[]), "a.org: nothing is wrong, as far as this machine can tell");
        let finding = Finding {
            name: "disk/full",
            grade: Grade::Wrong,
            says: "the disk is full or nearly so; a database that cannot write stops",
            seen: vec!["/: 1 MB of 2 MB are free".into()],
            remedies: vec!["make room".into()],
        };
        let expected = "a.org: one thing is wrong\n\n\
            WRONG      the disk is full or nearly so; a database that cannot write stops\n           (disk/full)\n  \
              seen     /: 1 MB of 2 MB are free\n  \
              do       make room";
        assert_eq!(words(&seen, &[finding]), expected);
    }
}
