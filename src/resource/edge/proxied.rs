//! The operator's own web server passes Mastodon on, all of it.

use std::fmt;

use async_trait::async_trait;

use super::super::docker::PROJECT;
use super::super::{Drift, Resource};
use crate::host::{HostError, Method, Probe, Request, Response};
use crate::settings::{DomainName, Settings};

/// Whoever asks the site by its name over HTTPS, as the world does, reaches this very Mastodon: pages, the API and streaming.
#[derive(Debug)]
pub struct Proxied {
    site: DomainName,
    www: Option<DomainName>,
    /// No other server has it, and everyone may see it.
    vapid_public_key: String,
}

/// An answer, or in words why there is none.
type Answer = Result<Response, String>;

impl Proxied {
    /// For all names of these settings.
    pub fn new(settings: &Settings, vapid_public_key: &str) -> Self {
        let vapid_public_key = vapid_public_key.trim_end_matches('=').to_owned();
        Self { site: settings.site.clone(), www: settings.names().into_iter().nth(1), vapid_public_key }
    }

    /// What is wrong, in words. `None`: all is passed on.
    async fn wrong(&self, host: &dyn Probe) -> anyhow::Result<Option<String>> {
        let url = |path: &str| format!("https://{}{path}", self.site);
        let get = |path: &str| Request::new(Method::Get, url(path));
        let told = match ask(host, &get("/health")).await? {
            Err(why) => Err(why),
            Ok(answer) if answer.status != 200 => {
                Err(format!("it answers {} for /health, which 127.0.0.1:3000 answers with 200", answer.status))
            }
            Ok(_) => self.is_this_server(ask(host, &get("/api/v2/instance")).await?),
        };
        if let Err(why) = told {
            return Ok(Some(why));
        }
        match ask(host, &get("/api/v1/streaming/health")).await? {
            Ok(answer) if answer.status == 200 && answer.body == b"OK" => {}
            _ => return Ok(Some("/api/v1/streaming is not passed on to 127.0.0.1:4000".into())),
        }
        // Streaming refuses whoever has no token; a request that is not upgraded gets another refusal (mastodon.md §6).
        match ask(host, &get("/api/v1/streaming").websocket()).await? {
            Ok(answer) if matches!(answer.status, 101 | 401) => {}
            _ => return Ok(Some("WebSockets are not passed on (the header fields Upgrade and Connection)".into())),
        }
        let Some(www) = &self.www else { return Ok(None) };
        let answer = ask(host, &Request::new(Method::Get, format!("https://{www}/"))).await?;
        let redirects = answer.is_ok_and(|answer| answer.header("location").is_some_and(|to| to.starts_with(&url(""))));
        Ok((!redirects).then(|| format!("https://{www} does not redirect to {}", url(""))))
    }

    fn is_this_server(&self, answer: Answer) -> Result<(), String> {
        let answer = answer?;
        match answer.status {
            200 => {
                let instance: serde_json::Value = answer.parse().unwrap_or_default();
                let key = instance["configuration"]["vapid"]["public_key"].as_str().unwrap_or_default();
                if key.trim_end_matches('=') == self.vapid_public_key { Ok(()) } else { Err("another server than this one answers".into()) }
            }
            // A server may be closed to strangers; the answer is Mastodon's all the same.
            401 => Ok(()),
            301 | 302 | 307 | 308 => Err("X-Forwarded-Proto is not set to https, so Mastodon redirects for ever".into()),
            403 => Err("the name that was asked for is not passed on (the header field Host)".into()),
            status => Err(format!("it answers {status} for /api/v2/instance")),
        }
    }
}

async fn ask(host: &dyn Probe, request: &Request) -> anyhow::Result<Answer> {
    match host.get(request).await {
        Ok(answer) => Ok(Ok(answer)),
        Err(HostError::Http { reason, .. }) => Ok(Err(format!("nothing answers: {reason}"))),
        Err(error) => Err(error.into()),
    }
}

impl fmt::Display for Proxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}, passed on by your web server", self.site)
    }
}

#[async_trait]
impl Resource for Proxied {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let Some(why) = self.wrong(host).await? else { return Ok(Drift::none()) };
        let what = format!("your web server to pass on https://{} ({why})", self.site);
        let remedy = format!(
            "let {} point to your web server, give it a certificate, and have it pass everything on to 127.0.0.1:3000 and /api/v1/streaming to \
             127.0.0.1:4000: {PROJECT}/proxy has what nginx (nginx.conf) and Caddy (Caddyfile) need; then: sudo tootstrap install",
            self.site
        );
        Ok(Drift::stuck(what, remedy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, FakeProxy};

    #[tokio::test]
    async fn each_way_of_being_wrong_is_named() {
        let good = || FakeProxy { vapid: "BKey".into(), ..FakeProxy::default() };
        let cases = [
            (good(), None),
            (FakeProxy { silent: true, ..good() }, Some("nothing answers: timed out")),
            (FakeProxy { vapid: "BOther".into(), ..good() }, Some("another server than this one answers")),
            (FakeProxy { no_proto: true, ..good() }, Some("X-Forwarded-Proto")),
            (FakeProxy { no_host: true, ..good() }, Some("the header field Host")),
            (FakeProxy { no_streaming: true, ..good() }, Some("not passed on to 127.0.0.1:4000")),
            (FakeProxy { no_upgrade: true, ..good() }, Some("WebSockets are not passed on")),
            (FakeProxy { no_www: true, ..good() }, Some("https://www.fedi-test.org does not redirect to https://fedi-test.org")),
        ];
        let settings = Settings { site: "fedi-test.org".parse().unwrap(), www: true, ..Settings::sample() };
        for (proxy, part) in cases {
            let host = FakeHost::debian();
            host.machine().run_mastodon_containers();
            host.machine().proxy = Some(proxy.clone());
            let wait = Proxied::new(&settings, "BKey=").check(&host).await.unwrap().wait;
            match (wait, part) {
                (None, None) => {}
                (Some(wait), Some(part)) => {
                    assert!(wait.what.contains(part) && !wait.soon, "{wait:?}");
                    assert!(wait.remedy.contains("/opt/mastodon/proxy") && wait.remedy.ends_with("sudo tootstrap install"));
                }
                other => panic!("{proxy:?}: {other:?}"),
            }
            assert!(host.take_log().is_empty());
        }
    }
}
