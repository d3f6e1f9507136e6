//! The operator's own web server passes Mastodon on, all of it.

use std::fmt;
use std::net::SocketAddr;

use anyhow::Context;
use async_trait::async_trait;
use serde_json::Value;

use super::super::docker::PROJECT;
use super::super::{Drift, Resource, dns};
use crate::host::{HostError, Method, Probe, Request, Response};
use crate::settings::{DomainName, Settings};

/// Where Mastodon itself answers.
const WEB: ([u8; 4], u16) = ([127, 0, 0, 1], 3000);

/// Whoever asks the site by its name over HTTPS reaches this very Mastodon: pages, the API and streaming. Asked is at the address that DNS
/// gives the world: `/etc/hosts` may have another.
#[derive(Debug)]
pub struct Proxied {
    site: DomainName,
    www: Option<DomainName>,
}

/// An answer, or in words why there is none.
type Answer = Result<Response, String>;

impl Proxied {
    /// For all names of these settings.
    pub fn new(settings: &Settings) -> Self {
        Self { site: settings.site.clone(), www: settings.names().into_iter().nth(1) }
    }

    /// What is wrong, in words. `None`: all is passed on.
    async fn wrong(&self, host: &dyn Probe) -> anyhow::Result<Option<String>> {
        let Some(address) = address(host, &self.site).await? else { return Ok(Some(without_address(&self.site))) };
        let url = |path: &str| format!("https://{}{path}", self.site);
        let get = |path: &str| Request::new(Method::Get, url(path)).connect_to(address);
        let told = match ask(host, &get("/health")).await? {
            Err(why) => Err(why),
            Ok(answer) if answer.status != 200 => {
                Err(format!("it answers {} for /health, which 127.0.0.1:3000 answers with 200", answer.status))
            }
            Ok(_) => self.is_this_server(host, ask(host, &as_a_server(get("/actor"))).await?).await?,
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
        let Some(address) = self::address(host, www).await? else { return Ok(Some(without_address(www))) };
        let answer = ask(host, &Request::new(Method::Get, format!("https://{www}/")).connect_to(address)).await?;
        let redirects = answer.is_ok_and(|answer| answer.header("location").is_some_and(|to| to.starts_with(&url(""))));
        Ok((!redirects).then(|| format!("https://{www} does not redirect to {}", url(""))))
    }

    /// By the key of the instance's own actor: no other server has it, and Mastodon tells it everyone, however closed it is to strangers
    /// (mastodon.md §6).
    async fn is_this_server(&self, host: &dyn Probe, answer: Answer) -> anyhow::Result<Result<(), String>> {
        let answer = match answer {
            Ok(answer) if answer.status == 200 => answer,
            Ok(answer) => return Ok(Err(refusal(answer.status))),
            Err(why) => return Ok(Err(why)),
        };
        let here = Request::new(Method::Get, format!("http://{}/actor", self.site)).header("X-Forwarded-Proto", "https");
        let here = host.get(&as_a_server(here).connect_to(WEB.into())).await.context("Mastodon does not answer on 127.0.0.1:3000")?;
        let key = key_of(&here).with_context(|| format!("127.0.0.1:3000 answers {} for /actor, and no key", here.status))?;
        Ok(if key_of(&answer) == Some(key) { Ok(()) } else { Err("another server than this one answers".into()) })
    }
}

/// In words.
fn refusal(status: u16) -> String {
    match status {
        301 | 302 | 307 | 308 => "X-Forwarded-Proto is not set to https, so Mastodon redirects for ever".into(),
        403 => "the name that was asked for is not passed on (the header field Host)".into(),
        status => format!("it answers {status} for /actor, which 127.0.0.1:3000 answers with 200"),
    }
}

fn as_a_server(request: Request) -> Request {
    request.header("Accept", "application/activity+json")
}

fn key_of(actor: &Response) -> Option<String> {
    let actor: Value = actor.parse().ok().filter(|_| actor.status == 200)?;
    actor["publicKey"]["publicKeyPem"].as_str().map(str::to_owned)
}

async fn address(host: &dyn Probe, name: &DomainName) -> anyhow::Result<Option<SocketAddr>> {
    Ok(dns::seen_by_the_world(host, name.as_str()).await?.first().map(|address| SocketAddr::new(*address, 443)))
}

fn without_address(name: &DomainName) -> String {
    format!("DNS has no address for {name}")
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

    fn settings() -> Settings {
        Settings { site: "fedi-test.org".parse().unwrap(), www: true, ..Settings::sample() }
    }

    /// A server whose names DNS has, with its addresses.
    fn machine(names: &[&str]) -> FakeHost {
        let host = FakeHost::debian();
        host.machine().run_mastodon_containers();
        host.machine().publish(names);
        host
    }

    #[tokio::test]
    async fn what_the_world_does_not_find_is_not_there_whatever_this_machine_knows() {
        for (names, part) in
            [(&[][..], "(DNS has no address for fedi-test.org)"), (&["fedi-test.org"], "(DNS has no address for www.fedi-test.org)")]
        {
            let host = machine(names);
            host.machine().place("/etc/hosts", crate::host::Kind::File, "127.0.1.1 fedi-test.org www.fedi-test.org\n", 0o644);
            host.machine().proxy = Some(FakeProxy::default());
            let wait = Proxied::new(&settings()).check(&host).await.unwrap().wait.unwrap();
            assert!(wait.what.contains(part), "{wait:?}");
        }
    }

    #[tokio::test]
    async fn each_way_of_being_wrong_is_named() {
        let cases = [
            (FakeProxy::default(), None),
            (FakeProxy { silent: true, ..FakeProxy::default() }, Some("nothing answers: timed out")),
            (FakeProxy { elsewhere: true, ..FakeProxy::default() }, Some("another server than this one answers")),
            (FakeProxy { guarded: true, ..FakeProxy::default() }, Some("it answers 401 for /actor, which 127.0.0.1:3000 answers with 200")),
            (FakeProxy { no_proto: true, ..FakeProxy::default() }, Some("X-Forwarded-Proto")),
            (FakeProxy { no_host: true, ..FakeProxy::default() }, Some("the header field Host")),
            (FakeProxy { no_streaming: true, ..FakeProxy::default() }, Some("not passed on to 127.0.0.1:4000")),
            (FakeProxy { no_upgrade: true, ..FakeProxy::default() }, Some("WebSockets are not passed on")),
            (
                FakeProxy { no_www: true, ..FakeProxy::default() },
                Some("https://www.fedi-test.org does not redirect to https://fedi-test.org"),
            ),
        ];
        for (proxy, part) in cases {
            let host = machine(&["fedi-test.org", "www.fedi-test.org"]);
            host.machine().proxy = Some(proxy.clone());
            let wait = Proxied::new(&settings()).check(&host).await.unwrap().wait;
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
