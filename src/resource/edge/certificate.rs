//! The certificate that the world needs to see.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::super::{Change, Drift, Resource};
use super::reload;
use crate::host::{Host, HostError, Method, Probe, Request};
use crate::settings::DomainName;

/// Every name is answered here with a certificate that this machine's roots trust.
///
/// Caddy gets and renews certificates by itself. If one is not there yet, it is made to ask again once a run: DNS may be right only now, and
/// its own next attempt may be minutes away. Then there is nothing left but waiting.
#[derive(Debug)]
pub struct Certificate {
    names: Vec<DomainName>,
    asked: AtomicBool,
}

impl Certificate {
    /// For all of these names.
    pub fn new(names: Vec<DomainName>) -> Self {
        Self { names, asked: AtomicBool::new(false) }
    }

    async fn missing(&self, host: &dyn Probe) -> anyhow::Result<Vec<&DomainName>> {
        let mut missing = Vec::new();
        for name in &self.names {
            let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 443));
            match host.get(&Request::new(Method::Get, format!("https://{name}/health")).connect_to(here)).await {
                // Whatever the status: the handshake succeeded.
                Ok(_) => {}
                Err(HostError::Http { .. }) => missing.push(name),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(missing)
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
        let names = missing.join(" and ");
        let mut drift = Drift::waiting(
            format!("the certificate for {names}"),
            format!(
                "{names} must point to this machine and ports 80 and 443 must be open; Caddy then gets the certificate by itself \
                 (its log: docker compose --project-directory /opt/mastodon logs --tail 50 caddy)"
            ),
        );
        if !self.asked.load(Ordering::Relaxed) {
            drift.changes.push(Change::Hasten { what: format!("have Caddy ask for the certificate for {names}") });
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        host.run(&reload(true)).await?;
        self.asked.store(true, Ordering::Relaxed);
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
    async fn asked_for_once_a_run_and_then_waited_for() {
        let host = FakeHost::debian();
        host.machine().run_mastodon_containers();
        host.machine().docker.certificates.insert("social.fedi-test.org".into());
        let certificate = certificate();
        assert_eq!(certificate.check(&host).await.unwrap().changes.len(), 1);
        certificate.apply(&host).await.unwrap();
        assert!(host.take_log()[0].ends_with("--address unix//run/caddy/admin.sock --force"));
        let drift = certificate.check(&host).await.unwrap();
        assert!(drift.changes.is_empty());
        assert_eq!(drift.wait.unwrap().what, "the certificate for www.social.fedi-test.org");
        host.machine().docker.certificates.insert("www.social.fedi-test.org".into());
        assert!(certificate.check(&host).await.unwrap().is_empty());
    }
}
