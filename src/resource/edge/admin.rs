//! Caddy's administration, asked on its socket: an answer takes a millisecond, a process in its container a hundred.
//!
//! Documented at <https://caddyserver.com/docs/api>.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::host::{Host, HostError, Method, Probe, Request, Response};

/// The file that Caddy loads, as this machine sees it.
pub(crate) const CADDYFILE: &str = "/opt/mastodon/caddy/conf/Caddyfile";

/// Where it listens, as this machine sees it.
pub(crate) const SOCKET: &str = "/opt/mastodon/caddy/run/admin.sock";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long loading may take: connections to what ran before are given some seconds.
const LOADING: Duration = Duration::from_mins(2);

/// What `/adapt` answers.
#[derive(Deserialize)]
struct Adapted {
    result: Value,
}

/// How Caddy refuses.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// What Caddy runs with. `None`: it does not answer.
///
/// # Errors
/// This machine cannot ask it.
pub(super) async fn running(host: &dyn Probe) -> anyhow::Result<Option<Value>> {
    Ok(ask(host, &request(Method::Get, "/config/")).await?.map(without_own_name))
}

/// What this Caddyfile, and the files that it imports, mean to Caddy. `None`: it does not answer, or refuses them.
///
/// # Errors
/// This machine cannot ask it.
pub(super) async fn meaning(host: &dyn Probe, caddyfile: &str) -> anyhow::Result<Option<Value>> {
    let adapted: Option<Adapted> = ask(host, &carrying(caddyfile, "/adapt").safe()).await?;
    Ok(adapted.map(|adapted| without_own_name(adapted.result)))
}

/// Every file server hides the Caddyfile, under the name that Caddy knows it by: one that it was sent has another than the one that it read
/// when it started (modules/caddyhttp/fileserver/caddyfile.go).
fn without_own_name(mut config: Value) -> Value {
    match &mut config {
        Value::Object(fields) => {
            if let Some(Value::Array(hidden)) = fields.get_mut("hide") {
                hidden.retain(|file| file.as_str().is_none_or(|file| file.rsplit('/').next() != Some("Caddyfile")));
            }
            fields.values_mut().for_each(|value| *value = without_own_name(value.take()));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| *value = without_own_name(value.take())),
        _ => {}
    }
    config
}

/// Makes Caddy load its files. `anew`: also if nothing has changed, which ends its back-off at the certificate authority (testbed.md §6).
///
/// # Errors
/// There is no Caddyfile, Caddy does not answer, or it refuses the files and keeps what it runs with.
pub(super) async fn load(host: &dyn Host, anew: bool) -> anyhow::Result<()> {
    let caddyfile = host.read_text(Path::new(CADDYFILE)).await?.with_context(|| format!("there is no {CADDYFILE}"))?;
    let request = carrying(&caddyfile, "/load").timeout(LOADING);
    let request = if anew { request.header("Cache-Control", "must-revalidate") } else { request };
    let answer = host.send(&request).await?;
    ensure!(answer.success(), "{}", refusal(&answer));
    Ok(())
}

fn carrying(caddyfile: &str, path: &str) -> Request {
    request(Method::Post, path).text("text/caddyfile", caddyfile)
}

/// On its socket Caddy 2.6 takes no other Host than an empty one.
fn request(method: Method, path: &str) -> Request {
    Request::new(method, format!("http://caddy{path}")).socket(Path::new(SOCKET)).header("Host", "").timeout(PATIENCE)
}

async fn ask<T: serde::de::DeserializeOwned>(host: &dyn Probe, request: &Request) -> anyhow::Result<Option<T>> {
    match host.get(request).await {
        Ok(answer) if answer.success() => Ok(answer.parse().ok()),
        Ok(_) | Err(HostError::Http { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn refusal(answer: &Response) -> String {
    let said = answer.parse::<Refusal>().map_or_else(|_| answer.text(), |refusal| refusal.error);
    format!("Caddy answers with status {}: {}", answer.status, said.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    fn machine(caddyfile: &str) -> FakeHost {
        let host = FakeHost::debian();
        host.machine().place_caddyfile(caddyfile);
        host
    }

    #[test]
    fn the_name_that_caddy_hides_its_file_by_is_no_difference() {
        let with = |hidden: &[&str]| without_own_name(serde_json::json!({"apps": [{"handler": "file_server", "hide": hidden}]}));
        assert_eq!(with(&["/etc/caddy/Caddyfile"]), with(&["./Caddyfile"]));
        assert_ne!(with(&["/srv/secret", "./Caddyfile"]), with(&["./Caddyfile"]));
    }

    #[tokio::test]
    async fn only_a_forced_load_makes_caddy_ask_for_its_certificate_again() {
        let host = machine("a site");
        host.machine().docker.issues = false;
        host.machine().run_mastodon_containers();
        host.machine().docker.issues = true;
        for anew in [false, true] {
            load(&host, anew).await.unwrap();
            assert_eq!(host.take_log(), ["POST http://caddy/load"]);
            assert_eq!(!host.machine().docker.certificates.is_empty(), anew);
        }
    }

    #[tokio::test]
    async fn what_caddy_refuses_is_no_meaning_and_it_says_why() {
        let host = machine("broken");
        host.machine().run_mastodon_containers();
        assert_eq!(meaning(&host, "broken").await.unwrap(), None);
        let error = load(&host, false).await.unwrap_err().to_string();
        assert_eq!(error, "Caddy answers with status 400: adapting config using caddyfile adapter: Caddyfile:1: broken");
        assert!(meaning(&host, "a site").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn one_that_does_not_run_has_no_answer() {
        let host = machine("a site");
        assert_eq!((running(&host).await.unwrap(), meaning(&host, "a site").await.unwrap()), (None, None));
        assert!(load(&host, false).await.is_err());
    }
}
