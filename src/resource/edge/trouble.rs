//! Why Caddy got no certificate: the last word of its own log.

use jiff::Timestamp;
use serde::Deserialize;

use super::super::docker;
use crate::host::{Cmd, Probe};

/// So much of an authority's message is told.
const LONGEST: usize = 300;

/// Where Let's Encrypt says how it is.
const AUTHORITY_STATUS: &str = "https://letsencrypt.status.io";

/// What certmagic, Caddy's part for certificates, logs when an attempt has failed. After the first it tries again by itself.
const FAILURES: [&str; 3] = ["will retry", "final attempt; giving up", "job failed"];

/// What its errors have if nobody was asked, or what was given could not be kept: its steps with files, and where these are in the container.
const OF_STORAGE: [&str; 5] = ["failed storage check", "unable to acquire lock", "saving assets", "caching certificate", " /data/caddy"];

/// The last attempt that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    kind: Kind,
    said: String,
}

/// What it is about; of what the authority said, by the problem types of RFC 8555 §6.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A CAA record names other authorities.
    Forbidden,
    /// Too many certificates, or too many attempts.
    RateLimited,
    /// The authority could not find or reach this machine under the name.
    Unreachable,
    /// Caddy's own files: no space, read-only, or somebody else's.
    Storage,
    /// The authority itself: down, or out of reach.
    Authority,
}

/// A line of Caddy's log, as far as it matters.
#[derive(Deserialize)]
struct Line {
    ts: f64,
    #[serde(default)]
    logger: String,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    error: String,
    /// Of a challenge that failed: for which name, and what the authority says of it (RFC 8555 §6.7).
    #[serde(default)]
    identifier: String,
    problem: Option<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    detail: String,
}

impl Trouble {
    /// The last failure about this name since then. `None`: none is logged (yet), or Caddy does not run.
    pub(super) async fn last(host: &dyn Probe, name: &str, since: Option<Timestamp>) -> Option<Self> {
        match log_of_caddy(host).await {
            Ok(log) => last_of(&log, name, since),
            // Without Docker there is no certificate either, and other steps tell that.
            Err(error) => {
                log::info!("Caddy's log cannot be read: {error:#}");
                None
            }
        }
    }

    /// What is waited for, and why it does not come; then what Caddy itself says of that.
    pub(super) fn wait(&self, names: &str) -> String {
        format!("the certificate for {names} ({})\nCaddy says: {}", self.why(), self.said)
    }

    /// The same of an attempt before the one that is waited for.
    pub(super) fn before(&self) -> String {
        format!("\nbefore, Caddy said: {}", self.said)
    }

    const fn why(&self) -> &'static str {
        match self.kind {
            Kind::Forbidden => "a CAA record does not let Let's Encrypt issue it",
            Kind::RateLimited => "a rate limit of Let's Encrypt's is reached",
            Kind::Unreachable => "Let's Encrypt does not reach this machine under the name",
            Kind::Storage => "Caddy cannot keep it in its files",
            Kind::Authority => "Let's Encrypt does not answer as it should",
        }
    }

    /// What the operator can do.
    pub(super) fn remedy(&self, name: &str) -> String {
        match self.kind {
            Kind::Forbidden => format!(
                "where the DNS of {name} is managed, remove its CAA records and those of the names above it, or add\n    \
                     {name}.  300  IN  CAA  0 issue \"letsencrypt.org\"\n\
                 then: sudo tootstrap install"
            ),
            Kind::RateLimited => "nothing: limits pass within hours to a week, and Caddy then gets the certificate by itself".into(),
            Kind::Unreachable => format!(
                "{name} must point to this machine, and ports 80 and 443 must be open in its own firewall (sudo ufw status) and also in front \
                 of it (Cloud Manager, Firewalls); Caddy then gets the certificate by itself within minutes, or at once with: sudo tootstrap install"
            ),
            Kind::Storage => {
                "make room for /opt/mastodon/caddy/data (df -h /opt/mastodon), have its file system writable and all of it root's,\n\
                              then: sudo tootstrap install"
                    .into()
            }
            Kind::Authority => format!("nothing: Caddy gets the certificate by itself once the authority answers ({AUTHORITY_STATUS})"),
        }
    }
}

async fn log_of_caddy(host: &dyn Probe) -> anyhow::Result<String> {
    if !docker::installed(host).await {
        return Ok(String::new());
    }
    let Some(container) = docker::running(host, "caddy").await? else { return Ok(String::new()) };
    // Caddy logs to its standard error.
    Ok(host.query(&Cmd::new("docker").args(["logs", "--tail", "1000", &container])).await?.stderr)
}

fn last_of(log: &str, name: &str, since: Option<Timestamp>) -> Option<Trouble> {
    let after = since.map_or(0.0, |since| since.as_duration().as_secs_f64());
    let (about, job_about) = (format!("[{name}]"), format!("{name}: "));
    let lines = || log.lines().rev().filter_map(|line| serde_json::from_str::<Line>(line).ok()).filter(|line| line.ts >= after);
    // An attempt that a reload ended says nothing about the next one.
    let mut failures = lines().filter(|line| {
        let of_certificates = line.logger == "tls" || line.logger.starts_with("tls.");
        of_certificates && FAILURES.contains(&line.msg.as_str()) && !line.error.contains("context canceled")
    });
    let line = failures.find(|line| line.error.contains(&about) || line.error.starts_with(&job_about))?;
    // That every way failed says nothing about why one did.
    if line.error.contains("no solvers available") {
        let mut challenges = lines().filter(|line| line.msg == "challenge failed" && line.identifier == name);
        if let Some(problem) = challenges.find_map(|line| line.problem).filter(|problem| !problem.detail.is_empty()) {
            return Some(Trouble { kind: kind(&problem.kind), said: cut(&problem.detail) });
        }
    }
    let said = line.error.trim_start_matches(&job_about).replace(&format!("{about} "), "");
    Some(Trouble { kind: kind(&line.error), said: cut(said.trim_start_matches("Obtain: ")) })
}

/// Without what only Caddy's makers can read, and not longer than anybody does.
fn cut(said: &str) -> String {
    let end = [" (order=", " (ca=", " (configured="].iter().filter_map(|part| said.find(part)).min().unwrap_or(said.len());
    said[..end].chars().take(LONGEST).collect()
}

fn kind(error: &str) -> Kind {
    let is = |problem: &str| error.contains(&format!("urn:ietf:params:acme:error:{problem}"));
    match error {
        _ if OF_STORAGE.iter().any(|part| error.contains(part)) => Kind::Storage,
        _ if is("caa") => Kind::Forbidden,
        _ if is("rateLimited") => Kind::RateLimited,
        _ if ["connection", "dns", "unauthorized", "tls", "malformed", "incorrectResponse"].into_iter().any(is) => Kind::Unreachable,
        // It answered, made challenges, and saw none of them solved.
        _ if error.contains("solving challenge") => Kind::Unreachable,
        _ => Kind::Authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "social.fedi-test.org";

    fn line(ts: f64, msg: &str, error: &str) -> String {
        serde_json::json!({ "level": "error", "ts": ts, "logger": "tls.obtain", "msg": msg, "error": error, "attempt": 1 }).to_string()
    }

    #[test]
    fn what_the_authority_said_tells_what_to_do() {
        for (problem, kind, remedy) in [
            ("HTTP 403 urn:ietf:params:acme:error:caa - CAA record for social.fedi-test.org prevents issuance", Kind::Forbidden, "0 issue"),
            ("HTTP 429 urn:ietf:params:acme:error:rateLimited - too many certificates", Kind::RateLimited, "limits pass"),
            ("solving challenges: no solvers available for remaining challenges", Kind::Unreachable, "Cloud Manager, Firewalls"),
            ("HTTP 400 urn:ietf:params:acme:error:connection - Timeout during connect", Kind::Unreachable, "Cloud Manager, Firewalls"),
            (
                "provisioning client: performing request: dial tcp 172.65.32.248:443: connect: connection refused",
                Kind::Authority,
                "by itself",
            ),
        ] {
            let error = format!("[{NAME}] Obtain: [{NAME}] creating new order: {problem}");
            let log = format!("no JSON\n{}\n{}\n", line(5.0, "will retry", &error), line(6.0, "something else", "[x] Obtain: y"));
            let trouble = last_of(&log, NAME, None).unwrap();
            assert_eq!((trouble.kind, trouble.said.as_str()), (kind, format!("creating new order: {problem}").as_str()));
            assert!(trouble.remedy(NAME).contains(remedy), "{}", trouble.remedy(NAME));
            let wait = trouble.wait(NAME);
            let (what, why) = wait.split_once('\n').unwrap();
            assert!(what.starts_with("the certificate for social.fedi-test.org (") && why.starts_with("Caddy says: "), "{wait}");
        }
    }

    #[test]
    fn the_reason_of_a_challenge_counts_more_than_that_every_one_failed() {
        let error = format!(
            "[{NAME}] Obtain: [{NAME}] solving challenges: no solvers available for remaining challenges (configured=[http-01] offered=[http-01]) (order=https://ca.example/1)"
        );
        let log = line(5.0, "will retry", &error);
        assert_eq!(last_of(&log, NAME, None).unwrap().said, "solving challenges: no solvers available for remaining challenges");
        let problem =
            serde_json::json!({ "type": "urn:ietf:params:acme:error:connection", "detail": "203.0.113.10: Timeout during connect" });
        let challenge = |name: &str| serde_json::json!({ "ts": 4.0, "logger": "tls.issuance.acme", "msg": "challenge failed", "identifier": name, "problem": problem });
        let log = |name: &str| format!("{}\n{}", challenge(name), line(5.0, "will retry", &error));
        let trouble = last_of(&log(NAME), NAME, None).unwrap();
        assert_eq!((trouble.kind, trouble.said.as_str()), (Kind::Unreachable, "203.0.113.10: Timeout during connect"));
        assert!(last_of(&log("other.example"), NAME, None).unwrap().said.contains("no solvers"));
    }

    #[test]
    fn what_caddy_cannot_keep_is_its_storages_fault_and_not_the_authoritys() {
        let job = |cause: &str| ("tls", "job failed", format!("{NAME}: obtaining certificate: {cause}"));
        let attempt = |msg: &'static str, cause: &str| ("tls.obtain", msg, format!("[{NAME}] Obtain: {cause}"));
        for ((logger, msg, error), kind, said) in [
            (
                job("failed storage check: open /data/caddy/rw_test_7: read-only file system - storage is probably misconfigured"),
                Kind::Storage,
                "obtaining certificate: failed storage check",
            ),
            (
                job(&format!(
                    "unable to acquire lock 'issue_cert_{NAME}': creating lock file: open /data/caddy/locks/x.lock: permission denied"
                )),
                Kind::Storage,
                "obtaining certificate: unable to acquire lock",
            ),
            (
                attempt("will retry", "saving assets: write /data/caddy/certificates/x: no space left on device"),
                Kind::Storage,
                "saving assets",
            ),
            (attempt("final attempt; giving up", "account: mkdir /data/caddy/acme: permission denied"), Kind::Storage, "account: mkdir"),
            // A firewall of this machine's, and a job that failed at the authority.
            (attempt("will retry", "dial tcp 172.65.32.248:443: connect: permission denied"), Kind::Authority, "dial tcp"),
            (
                job(&format!("[{NAME}] Obtain: HTTP 429 urn:ietf:params:acme:error:rateLimited")),
                Kind::RateLimited,
                "obtaining certificate: Obtain: HTTP",
            ),
        ] {
            let line = serde_json::json!({ "ts": 5.0, "logger": logger, "msg": msg, "error": error }).to_string();
            let trouble = last_of(&line, NAME, None).unwrap();
            assert_eq!(trouble.kind, kind, "{error}");
            assert!(trouble.said.starts_with(said), "{}", trouble.said);
            assert_eq!(trouble.remedy(NAME).contains("make room for /opt/mastodon/caddy/data"), kind == Kind::Storage, "{error}");
            assert!(last_of(&line, "fedi-test.org", None).is_none(), "{error}");
        }
    }

    #[test]
    fn older_and_cancelled_attempts_and_other_names_do_not_count() {
        let error = format!("[{NAME}] Obtain: HTTP 503");
        let log = line(5.0, "will retry", &error);
        assert!(last_of(&log, NAME, Some(Timestamp::from_second(5).unwrap())).is_some());
        assert!(last_of(&log, NAME, Some(Timestamp::from_second(6).unwrap())).is_none());
        assert!(last_of(&log, "fedi-test.org", None).is_none());
        for (msg, error) in [
            ("will retry", format!("[{NAME}] Obtain: context canceled")),
            ("job failed", format!("{NAME}: obtaining certificate: unable to acquire lock 'issue_cert_{NAME}': context canceled")),
        ] {
            assert!(last_of(&line(5.0, msg, &error), NAME, None).is_none(), "{error}");
        }
    }
}
