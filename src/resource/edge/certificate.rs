//! The certificate that the world needs to see.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant;

use super::super::{Change, Drift, Resource};
use super::admin;
use super::trouble::Trouble;
use crate::host::{Host, HostError, Method, Probe, Request};
use crate::settings::DomainName;

/// Longest that an attempt under way is given before Caddy is made to ask anew.
const ATTEMPT: Duration = Duration::from_secs(20);

/// Every name is answered here with a certificate that this machine's roots trust.
///
/// Caddy gets and renews certificates by itself. If its last attempt has failed, or nothing has come of one for a while, it is made to ask
/// again once a run: DNS may be right only now, its own next attempt may be hours away, and some failures it never tries again. Then there is nothing left but waiting; once that attempt has failed, not even that: its
/// reason is told.
#[derive(Debug)]
pub struct Certificate {
    names: Vec<DomainName>,
    /// When the certificate was first seen to be missing in this run.
    missed: OnceLock<Instant>,
    /// When Caddy was made to ask.
    asked: OnceLock<Timestamp>,
}

impl Certificate {
    /// For all of these names.
    pub fn new(names: Vec<DomainName>) -> Self {
        Self { names, missed: OnceLock::new(), asked: OnceLock::new() }
    }

    async fn missing(&self, host: &dyn Probe) -> anyhow::Result<Vec<&DomainName>> {
        let mut missing = Vec::new();
        for name in &self.names {
            let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 443));
            match host.get(&Request::new(Method::Get, format!("https://{name}/health")).connect_to(here)).await {
                // Whatever the answer, and if none comes: the request was sent, so the handshake succeeded.
                Ok(_) | Err(HostError::Http { perhaps_done: true, .. }) => {}
                Err(HostError::Http { .. }) => missing.push(name),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(missing)
    }

    /// With the reason of the last attempt, if it has failed.
    async fn wait(&self, host: &dyn Probe, missing: &[String]) -> Drift {
        let names = missing.join(" and ");
        for name in missing {
            if let Some(trouble) = Trouble::last(host, name, self.asked.get().copied()).await {
                return Drift::stuck(trouble.wait(&names), trouble.remedy(name));
            }
        }
        let before = match missing.first() {
            Some(name) => Trouble::last(host, name, None).await.map_or(String::new(), |trouble| trouble.before()),
            None => String::new(),
        };
        Drift::waiting(
            format!("the certificate for {names}{before}"),
            format!(
                "{names} must point to this machine and ports 80 and 443 must be open; Caddy then gets the certificate by itself \
                 (its log: sudo tootstrap logs caddy)"
            ),
        )
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names.iter().map(ToString::to_string).collect();
        write!(f, "certificate for {}", names.join(", "))
    }
}

#[async_trait]
impl Resource for Certificate {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let missing: Vec<_> = self.missing(host).await?.into_iter().map(ToString::to_string).collect();
        if missing.is_empty() {
            return Ok(Drift::none());
        }
        let mut drift = self.wait(host, &missing).await;
        let failed = drift.wait.as_ref().is_some_and(|wait| !wait.soon);
        let late = self.missed.get_or_init(Instant::now).elapsed() >= ATTEMPT;
        if (failed || late) && self.asked.get().is_none() {
            drift.changes.push(Change::Hasten { what: format!("have Caddy ask for the certificate for {}", missing.join(" and ")) });
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        // Before it loads: a failure may be logged before it answers.
        let now = Timestamp::now();
        admin::load(host, true).await.context("cannot have Caddy ask for the certificate again")?;
        // The first time is the one that counts.
        let _kept = self.asked.set(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    fn certificate() -> Certificate {
        Certificate::new(vec!["social.fedi-test.org".parse().unwrap(), "www.social.fedi-test.org".parse().unwrap()])
    }

    #[tokio::test]
    async fn a_mastodon_that_does_not_answer_is_no_missing_certificate() {
        let host = FakeHost::debian();
        host.machine().run_mastodon_containers();
        let names = ["social.fedi-test.org", "www.social.fedi-test.org"].map(String::from);
        host.machine().docker.certificates.extend(names);
        host.machine().docker.containers.get_mut("web").unwrap().state = "paused";
        assert!(certificate().check(&host).await.unwrap().is_empty());
    }

    /// What Caddy logs when an attempt for that name has failed.
    fn failure(name: &str, at: Timestamp) -> String {
        let error = format!("[{name}] Obtain: HTTP 403 urn:ietf:params:acme:error:caa - CAA record prevents issuance");
        let line = serde_json::json!({ "ts": at.as_second(), "logger": "tls.obtain", "msg": "will retry", "error": error });
        line.to_string()
    }

    fn an_hour_ago() -> Timestamp {
        Timestamp::now() - jiff::SignedDuration::from_hours(1)
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_under_way_is_waited_for_but_not_for_ever() {
        let host = FakeHost::debian();
        host.machine().run_mastodon_containers();
        let certificate = certificate();
        let drift = certificate.check(&host).await.unwrap();
        assert!(drift.changes.is_empty() && drift.wait.unwrap().soon);
        tokio::time::advance(ATTEMPT).await;
        assert_eq!(certificate.check(&host).await.unwrap().changes.len(), 1, "nothing logged, and nothing came");
    }

    #[tokio::test]
    async fn after_a_failure_asked_for_once_a_run_and_then_waited_for() {
        let host = FakeHost::debian();
        host.machine().run_mastodon_containers();
        host.machine().place_caddyfile("");
        host.machine().docker.certificates.insert("social.fedi-test.org".into());
        host.machine().docker.caddy_log = failure("www.social.fedi-test.org", an_hour_ago());
        let certificate = certificate();
        assert_eq!(certificate.check(&host).await.unwrap().changes.len(), 1);
        certificate.apply(&host).await.unwrap();
        assert_eq!(host.take_log(), ["POST http://caddy/load"]);
        let drift = certificate.check(&host).await.unwrap();
        assert!(drift.changes.is_empty());
        let (what, why) = drift.wait.as_ref().and_then(|wait| wait.what.split_once('\n')).unwrap();
        assert_eq!(what, "the certificate for www.social.fedi-test.org");
        assert!(why.starts_with("before, Caddy said: HTTP 403"), "{why}");
        host.machine().docker.certificates.insert("www.social.fedi-test.org".into());
        assert!(certificate.check(&host).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_storage_that_caddy_cannot_write_is_named_and_caddy_asked_to_try_again() {
        let host = FakeHost::debian();
        host.machine().run_mastodon_containers();
        let error =
            "social.fedi-test.org: obtaining certificate: failed storage check: open /data/caddy/rw_test_7: no space left on device";
        let line = serde_json::json!({ "ts": an_hour_ago().as_second(), "logger": "tls", "msg": "job failed", "error": error });
        host.machine().docker.caddy_log = line.to_string();
        let drift = certificate().check(&host).await.unwrap();
        let wait = drift.wait.unwrap();
        assert!(!wait.soon && wait.what.contains("(Caddy cannot keep it in its files)\nCaddy says: "), "{wait:?}");
        assert!(wait.what.ends_with("no space left on device"), "{wait:?}");
        assert_eq!(drift.changes.len(), 1, "Caddy tries such a job never again");
    }

    #[tokio::test]
    async fn once_the_attempt_has_failed_its_reason_is_told_at_once() {
        let host = FakeHost::debian();
        host.machine().run_mastodon_containers();
        host.machine().place_caddyfile("");
        host.machine().docker.issues = false;
        let certificate = certificate();
        let before = failure("social.fedi-test.org", an_hour_ago());
        host.machine().docker.caddy_log.clone_from(&before);
        certificate.apply(&host).await.unwrap();
        assert!(certificate.check(&host).await.unwrap().wait.unwrap().soon, "that was before Caddy was asked");
        let after = failure("social.fedi-test.org", Timestamp::now() + jiff::SignedDuration::from_secs(1));
        host.machine().docker.caddy_log = format!("{before}\n{after}");
        let wait = certificate.check(&host).await.unwrap().wait.unwrap();
        assert!(!wait.soon && wait.what.contains("(a CAA record does not let Let's Encrypt issue it)\nCaddy says: "), "{wait:?}");
    }
}
