//! Finding the cause of a machine's trouble: everything is looked at once ([`Seen`]), then the table of known causes ([`causes::CAUSES`])
//! says what it means and what to do. Nothing is changed.

pub mod causes;
mod look;
mod mask;
mod seen;
mod sharing;

pub use look::look;
pub use mask::Mask;
pub use seen::{Clock, Container, Disk, Mail, Seen, Shut, Step, Tls, Web};
pub use sharing::report;

use serde::Serialize;

/// How bad a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Something does not work because of it, or soon will not.
    Wrong,
    /// Worth knowing; everything works.
    Note,
    /// Something that cannot be found out from here.
    Unknown,
}

/// A cause that the table knows.
pub struct Cause {
    /// Stable name, `area/cause`.
    pub name: &'static str,
    /// How bad it is.
    pub grade: Grade,
    /// What it is, in plain words.
    pub says: &'static str,
    /// What was seen of it. Nothing: it is not this.
    pub signs: fn(&Seen) -> Vec<Sign>,
    /// What to do, unless a sign knows better.
    pub remedy: &'static str,
}

/// What was seen of a cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// The observation.
    pub what: String,
    /// What to do about just this.
    pub remedy: Option<String>,
}

impl<T: Into<String>> From<T> for Sign {
    fn from(what: T) -> Self {
        Self { what: what.into(), remedy: None }
    }
}

/// A cause that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its stable name.
    pub name: &'static str,
    /// How bad it is.
    pub grade: Grade,
    /// What it is, in plain words.
    pub says: &'static str,
    /// What was seen of it.
    pub seen: Vec<String>,
    /// What to do, each once.
    pub remedies: Vec<String>,
}

/// What everything that was seen means, the worst first.
pub fn diagnose(seen: &Seen) -> Vec<Finding> {
    let mut findings: Vec<_> = causes::CAUSES.iter().filter_map(|cause| finding(cause, seen)).collect();
    findings.sort_by_key(|finding| finding.grade);
    findings
}

fn finding(cause: &Cause, seen: &Seen) -> Option<Finding> {
    let signs = (cause.signs)(seen);
    if signs.is_empty() {
        return None;
    }
    let mut remedies: Vec<String> = Vec::new();
    for remedy in signs.iter().map(|sign| sign.remedy.clone().unwrap_or_else(|| named(cause.remedy, seen, &signs))) {
        if !remedies.contains(&remedy) {
            remedies.push(remedy);
        }
    }
    let seen = signs.into_iter().map(|sign| sign.what).collect();
    Some(Finding { name: cause.name, grade: cause.grade, says: cause.says, seen, remedies })
}

/// The remedy, with the names that SITE and SERVICE stand for.
fn named(remedy: &str, seen: &Seen, signs: &[Sign]) -> String {
    let begins = |name: &str| signs.iter().any(|sign| sign.what.strip_prefix(name).is_some_and(|rest| rest.starts_with(": ")));
    let services: Vec<_> = seen.containers.keys().map(String::as_str).filter(|name| begins(name)).collect();
    let services = if services.is_empty() { "SERVICE".to_owned() } else { services.join(" ") };
    remedy.replace("SITE", seen.site.as_deref().unwrap_or("SITE")).replace("SERVICE", &services)
}
