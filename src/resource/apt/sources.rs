//! Sources of packages, and where a suite of Debian's is served after its end (debian.md).

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::facts::Release;
use crate::host::{Method, Probe, Request};

/// A file that names sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Every file that apt reads its sources from.
pub(super) async fn read(host: &dyn Probe) -> anyhow::Result<Vec<SourceFile>> {
    let directory = Path::new("/etc/apt/sources.list.d");
    let in_directory = host.list(directory).await?.into_iter().map(|name| directory.join(name));
    let in_directory = in_directory.filter(|path| has_extension(path, "list") || has_extension(path, "sources"));
    let mut files = Vec::new();
    for path in std::iter::once(PathBuf::from("/etc/apt/sources.list")).chain(in_directory) {
        if let Some(text) = host.read_text(&path).await? {
            files.push(SourceFile { path, text });
        }
    }
    Ok(files)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// The files that must change because a suite of Debian's is no longer served where they say, or only with an expired index; with the
/// new text. A place that gives no answer at all is left: that is the network, not the archive.
pub(super) async fn moved(host: &dyn Probe, release: Release, files: &[SourceFile]) -> Vec<(SourceFile, String)> {
    let mut changed = Vec::new();
    for file in files.iter().filter(|file| has_extension(&file.path, "list")) {
        let mut text = String::new();
        for whole in file.text.split_inclusive('\n') {
            let line = whole.trim_end_matches(['\r', '\n']);
            let replaced = match Line::parse(line, release) {
                Some(parsed) => parsed.where_served(host, release).await,
                None => None,
            };
            text += replaced.as_deref().unwrap_or(line);
            text += &whole[line.len()..];
        }
        if text != file.text {
            changed.push((file.clone(), text));
        }
    }
    changed
}

/// A line for one of Debian's own suites: `deb [options] URL SUITE main …`.
struct Line<'a> {
    kind: &'a str,
    options: &'a str,
    url: &'a str,
    suite: &'a str,
    components: &'a str,
}

/// What is found at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Valid,
    Expired,
    Nothing,
    NoAnswer,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str, release: Release) -> Option<Self> {
        let (kind, rest) = line.split_once(char::is_whitespace).filter(|(kind, _)| matches!(*kind, "deb" | "deb-src"))?;
        let rest = rest.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map(|(options, rest)| (options.trim(), rest.trim_start()))?,
            None => ("", rest),
        };
        let (url, rest) = rest.split_once(char::is_whitespace)?;
        let (suite, components) = rest.trim_start().split_once(char::is_whitespace)?;
        let of_debian = suite.strip_prefix(release.codename()).is_some_and(|rest| {
            matches!(rest, "" | "-updates" | "-security" | "/updates" | "-backports") && components.split_whitespace().any(|c| c == "main")
        });
        of_debian.then_some(Self { kind, options, url, suite, components })
    }

    /// The line as it must be; `None`: it is right, or nothing better is known.
    async fn where_served(&self, host: &dyn Probe, release: Release) -> Option<String> {
        for url in self.places(release) {
            let expired = match look(host, &url, self.suite).await {
                Found::Valid => false,
                Found::Expired => true,
                Found::NoAnswer if url == self.url => return None,
                Found::Nothing | Found::NoAnswer => continue,
            };
            let needs_option = expired && !self.options.contains("check-valid-until=no");
            return (needs_option || url != self.url).then(|| self.with(&url, needs_option));
        }
        None
    }

    /// Where this suite may be: as written, Debian's archive, Debian's snapshot of the day of its end.
    fn places(&self, release: Release) -> [String; 3] {
        let security = self.suite.ends_with("-security") || self.suite.ends_with("/updates");
        let archive = if security { "debian-security" } else { "debian" };
        let day = release.supported_until().strftime("%Y%m%dT000000Z");
        let url = self.url.to_owned();
        [url, format!("http://archive.debian.org/{archive}"), format!("http://snapshot.debian.org/archive/{archive}/{day}")]
    }

    fn with(&self, url: &str, without_expiry: bool) -> String {
        let expiry = if without_expiry { "check-valid-until=no" } else { "" };
        let options = [self.options, expiry].join(" ");
        let options = if options.trim().is_empty() { String::new() } else { format!("[{}] ", options.trim()) };
        format!("{} {options}{url} {} {}", self.kind, self.suite, self.components)
    }
}

async fn look(host: &dyn Probe, url: &str, suite: &str) -> Found {
    if !url.starts_with("http") {
        return Found::NoAnswer;
    }
    let mut request = Request::new(Method::Get, format!("{}/dists/{suite}/InRelease", url.trim_end_matches('/')));
    request.follow = true;
    match host.get(&request).await {
        Err(error) => {
            log::debug!("{error}");
            Found::NoAnswer
        }
        Ok(response) if response.success() => match valid_until(&response.text()) {
            Some(end) if end < Timestamp::now() => Found::Expired,
            _ => Found::Valid,
        },
        Ok(response) if response.status >= 500 => Found::NoAnswer,
        Ok(_) => Found::Nothing,
    }
}

/// `Valid-Until: Sat, 29 Aug 2026 20:13:22 UTC`.
fn valid_until(release: &str) -> Option<Timestamp> {
    let value = release.lines().find_map(|line| line.strip_prefix("Valid-Until:"))?;
    rfc2822::parse(&value.trim().replace("UTC", "+0000")).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    async fn moved_text(arrange: impl Fn(&mut crate::host::fake::Machine)) -> Option<String> {
        let host = FakeHost::debian();
        arrange(&mut host.machine());
        let files = read(&host).await.unwrap();
        moved(&host, Release::Bullseye, &files).await.pop().map(|(_, text)| text)
    }

    const MAIN: &str = "deb http://deb.debian.org/debian bullseye main\n";

    #[tokio::test]
    async fn what_is_served_stays() {
        assert_eq!(moved_text(|_| ()).await, None);
    }

    #[tokio::test]
    async fn a_file_in_which_nothing_moved_stays_whatever_its_line_ends() {
        for text in [MAIN.trim_end().to_owned(), MAIN.replace('\n', "\r\n"), format!("{MAIN}\n\n# mine")] {
            let place = |m: &mut crate::host::fake::Machine| m.place("/etc/apt/sources.list", crate::host::Kind::File, &text, 0o644);
            assert_eq!(moved_text(place).await, None, "{text:?}");
        }
    }

    #[tokio::test]
    async fn an_expired_suite_alone_is_let_through() {
        let expired = |m: &mut crate::host::fake::Machine| _ = m.apt.expired.insert("deb.debian.org/debian-security".into());
        let security = "deb [check-valid-until=no] http://deb.debian.org/debian-security bullseye-security main\n";
        assert_eq!(moved_text(expired).await.unwrap(), format!("{MAIN}{security}"));
    }

    #[tokio::test]
    async fn a_suite_that_left_the_mirror_is_taken_from_the_archive_or_a_snapshot() {
        let left = |m: &mut crate::host::fake::Machine| _ = m.apt.unreachable.insert("deb.debian.org/debian-security".into());
        let archived = "deb http://archive.debian.org/debian-security bullseye-security main\n";
        assert_eq!(moved_text(left).await.unwrap(), format!("{MAIN}{archived}"));

        let incomplete = |m: &mut crate::host::fake::Machine| {
            m.apt.unreachable.extend(["deb.debian.org/debian-security", "archive.debian.org/debian-security"].map(String::from));
            m.apt.expired.insert("snapshot.debian.org".into());
        };
        let snapshot =
            "deb [check-valid-until=no] http://snapshot.debian.org/archive/debian-security/20260831T000000Z bullseye-security main\n";
        assert_eq!(moved_text(incomplete).await.unwrap(), format!("{MAIN}{snapshot}"));
    }

    #[tokio::test]
    async fn sources_of_others_and_what_is_nowhere_stay() {
        let others = |m: &mut crate::host::fake::Machine| {
            let text = "# deb http://x/debian bullseye main\ndeb [arch=amd64] https://download.docker.com/linux/debian bullseye stable\n";
            m.place("/etc/apt/sources.list.d/docker.list", crate::host::Kind::File, text, 0o644);
            m.apt.unreachable.extend(["download.docker.com", "debian-security"].map(String::from));
        };
        assert_eq!(moved_text(others).await, None);
    }
}
