//! A short run for the tests of renderers.

use jiff::Timestamp;

use super::{Counts, Event, Outcome, StepInfo};
use crate::host::{Phase, Progress};
use crate::resource::Change;

/// So many seconds after the run began.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_411_481 + seconds).expect("in range")
}

pub(super) fn step(seconds: i64, id: &str, title: &str, outcome: Outcome, changes: Vec<Change>, took: f64) -> Event {
    Event::Step { at: at(seconds), id: id.into(), title: title.into(), outcome, changes, seconds: took }
}

/// So much of an image has been downloaded.
pub(super) fn downloaded(id: &str, bytes: u64, total: Option<u64>) -> Event {
    Event::Progress { id: id.into(), progress: Progress { phase: Phase::Download, bytes, total } }
}

/// One step unchanged, one changed, one failed, one blocked, one waiting.
pub(crate) fn run() -> Vec<Event> {
    let infos = [("base/motd", "file /etc/motd"), ("dns/record-a-social.example.org", "A record of social.example.org")];
    let steps = infos.map(|(id, title)| StepInfo::new(id, title)).into();
    let record = vec![Change::Do { what: "create the A record social.example.org → 203.0.113.10".into() }];
    let from_to = Change::Set { what: "docker-compose-plugin".into(), from: "2.1".into(), to: "2.40".into() };
    let packages = vec![Change::Do { what: "install docker-ce".into() }, from_to];
    let published = "ns1.linode.com to ns5.linode.com to answer 203.0.113.10 for social.example.org";
    vec![
        Event::Started { at: at(0), version: "0.1.0".into(), preview: false, steps },
        step(0, "base/motd", "file /etc/motd", Outcome::Unchanged, vec![], 0.01),
        Event::Applying { at: at(1), id: "dns/record-a-social.example.org".into(), changes: record.clone() },
        step(2, "dns/record-a-social.example.org", "A record of social.example.org", Outcome::Changed, record, 0.8),
        Event::Waiting { at: at(2), id: "dns/published".into(), what: published.into() },
        Event::Applying { at: at(3), id: "docker/packages".into(), changes: packages.clone() },
        Event::Output { id: "docker/packages".into(), line: "Setting up docker-ce".into() },
        Event::Note { at: at(4), text: "Debian 11 has been out of support since 2026-08-31: no more security updates come for it.".into() },
        step(
            64,
            "docker/packages",
            "packages docker-ce",
            Outcome::Failed {
                why: "`apt-get install` ended with status 100\n    E: disk full".into(),
                remedy: Some("free some space".into()),
            },
            packages,
            61.0,
        ),
        step(64, "docker/pull", "images", Outcome::Blocked { by: "docker/packages".into() }, vec![], 0.0),
        step(
            65,
            "dns/published",
            "names published",
            Outcome::Waiting { what: published.into(), remedy: "wait some minutes, then: sudo tootstrap install".into() },
            vec![],
            63.0,
        ),
        Event::Finished {
            at: at(65),
            counts: Counts { unchanged: 1, changed: 1, failed: 1, blocked: 1, waiting: 1, ..Counts::default() },
            seconds: 65.0,
            complete: false,
        },
    ]
}
