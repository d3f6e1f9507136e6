//! The page that Caddy shows in Mastodon's place: while it is being set up, and whenever it does not answer.
//!
//! It tells nothing that a stranger may not know: no address, version, file or output, only how far things are.

use std::fmt;
use std::sync::LazyLock;

use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::settings::DomainName;

/// What Caddy shows before this program has told how far things are.
pub static SETUP_PAGE: LazyLock<String> = LazyLock::new(|| {
    Page {
        again: 5,
        title: "This server is being set up".into(),
        text: "It will be here in a few minutes. This page looks again by itself.",
        command: None,
        progress: None,
    }
    .html()
});

/// What Caddy shows while an installed Mastodon does not answer.
pub static BACK_PAGE: LazyLock<String> = LazyLock::new(|| {
    Page {
        again: 10,
        title: "Back in a moment".into(),
        text: "This server is being restarted or repaired. This page looks again by itself.",
        command: None,
        progress: None,
    }
    .html()
});

/// What a browser may do with the page: show it in its own style. The style is named by its hash.
pub static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(Sha256::digest(style(&SETUP_PAGE)));
    format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
});

/// What stands in the page's style element: a browser hashes exactly this.
fn style(page: &str) -> &str {
    let (_, rest) = page.split_once("<style>").expect("the template has a style");
    rest.split_once("</style>").expect("the template ends its style").0
}

/// How far a run is, for the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many things are looked after.
    pub done: usize,
    /// Of how many.
    pub of: usize,
    /// The same by stage.
    pub stages: Vec<Stage>,
    /// Time of day: `12:03 UTC`.
    pub began: String,
    /// Time of day of the latest news: `12:05:10 UTC`.
    pub news: String,
}

/// Some of the work, by a name that needs no explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// `Mastodon`.
    pub name: &'static str,
    /// How far it is.
    pub state: State,
    /// How many bytes it has fetched, in words: `38.2 MB`.
    pub fetched: Option<String>,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words that are shown say it")]
pub enum State {
    ToCome,
    UnderWay { done: usize, of: usize },
    Waiting,
    Done,
    Stopped,
}

impl State {
    /// Its class in the page's style.
    fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::ToCome | Self::UnderWay { .. } | Self::Waiting => "open",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ToCome => f.write_str("to come"),
            Self::UnderWay { done, of } => write!(f, "{done} of {of}"),
            Self::Waiting => f.write_str("waiting"),
            Self::Done => f.write_str("✓ done"),
            Self::Stopped => f.write_str("✗ stopped"),
        }
    }
}

#[derive(Template)]
#[template(path = "mastodon/site/page.html")]
struct Page {
    /// Seconds until the browser looks again.
    again: u32,
    title: String,
    text: &'static str,
    command: Option<&'static str>,
    progress: Option<Progress>,
}

impl Page {
    fn html(&self) -> String {
        self.render().expect("writing into memory works, and HTML holds any text")
    }
}

/// The page of a run that is under way.
pub fn progress(site: &DomainName, progress: Progress) -> String {
    let text = "It will be here in a few minutes. This page looks again by itself.";
    Page { again: 5, title: format!("{site} is being set up"), text, command: None, progress: Some(progress) }.html()
}

/// The page of a run that ended before Mastodon served. Why is for the operator's eyes.
pub fn stopped(site: &DomainName, progress: Progress) -> String {
    let text = "Something is in the way. Whoever runs this server is told what it is, and what to do, by this command on it:";
    let title = format!("Setting up {site} has stopped");
    Page { again: 20, title, text, command: Some("sudo tootstrap attach"), progress: Some(progress) }.html()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Progress {
        let stages = vec![
            Stage { name: "System", state: State::Done, fetched: None },
            Stage { name: "Downloads", state: State::UnderWay { done: 1, of: 5 }, fetched: Some("38.2 MB".into()) },
            Stage { name: "Mastodon", state: State::ToCome, fetched: None },
        ];
        Progress { done: 20, of: 68, stages, began: "12:03 UTC".into(), news: "12:05:10 UTC".into() }
    }

    fn pages() -> [String; 4] {
        let site = "social.fedi-test.org".parse().unwrap();
        [SETUP_PAGE.clone(), BACK_PAGE.clone(), progress(&site, sample()), stopped(&site, sample())]
    }

    #[test]
    fn one_policy_fits_every_page() {
        for page in pages() {
            assert_eq!(style(&page), style(&SETUP_PAGE));
            assert!(page.contains("<meta http-equiv=\"refresh\""), "{page}");
            for foreign in ["<script", "<link", "<img", "://", " style=", "onload"] {
                assert!(!page.contains(foreign), "{foreign}: {page}");
            }
        }
        let policy = &*CONTENT_SECURITY_POLICY;
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains('"'), "{policy}");
    }

    #[test]
    fn progress_reads_like_this() {
        let [.., under_way, stopped] = pages();
        for part in [
            "<h1>social.fedi-test.org is being set up</h1>",
            "<progress max=\"68\" value=\"20\" aria-label=\"20 of 68 done\">",
            "<li class=\"done\"><span>System</span> <span>✓ done</span></li>",
            "<li class=\"open\"><span>Downloads</span> <span>1 of 5, 38.2 MB</span></li>",
            "<li class=\"open\"><span>Mastodon</span> <span>to come</span></li>",
            "Begun at 12:03 UTC, news of 12:05:10 UTC.",
        ] {
            assert!(under_way.contains(part), "{part}: {under_way}");
        }
        assert!(!under_way.contains("<code>"));
        assert!(stopped.contains("<code>sudo tootstrap attach</code>"));
    }
}
