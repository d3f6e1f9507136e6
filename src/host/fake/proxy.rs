//! A web server of the operator's in front of Mastodon, as asked by the site's names.

use super::super::{Request, Response};
use super::{LOST, Machine};

/// What it does wrong.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a mistake of its own")]
pub(crate) struct FakeProxy {
    /// It leads to another Mastodon.
    pub(crate) elsewhere: bool,
    /// It wants a password for all but `/health`.
    pub(crate) guarded: bool,
    pub(crate) silent: bool,
    pub(crate) no_proto: bool,
    pub(crate) no_host: bool,
    pub(crate) no_streaming: bool,
    pub(crate) no_upgrade: bool,
    pub(crate) no_www: bool,
}

/// Whoever asks at the address that DNS has for a name reaches the proxy; Mastodon itself is asked at its own port.
pub(super) fn site(machine: &mut Machine, request: &Request) -> Option<Response> {
    if request.url.starts_with("http://") && request.connect_to == Some(([127, 0, 0, 1], 3000).into()) {
        return machine.service_runs("web").then(|| actor("this"));
    }
    let proxy = machine.proxy.clone()?;
    let (name, path) = request.url.strip_prefix("https://")?.split_once('/')?;
    if request.connect_to != Some(([203, 0, 113, 10], 443).into()) || !name.ends_with("fedi-test.org") {
        return None;
    }
    let answer = |status, body: &str| Response { status, body: body.as_bytes().to_vec(), ..Response::default() };
    let redirect = |to: &str| Response { headers: vec![("location".into(), to.into())], ..answer(301, "") };
    let upgrade = request.headers.iter().any(|(name, value)| name == "Upgrade" && value == "websocket");
    Some(match path {
        _ if proxy.silent => LOST,
        "" if name.starts_with("www.") => redirect(if proxy.no_www { "https://elsewhere.org/" } else { "https://fedi-test.org/" }),
        path if !path.starts_with("api/v1/streaming") && !machine.service_runs("web") => answer(502, ""),
        "health" => answer(200, "OK"),
        _ if proxy.guarded => answer(401, ""),
        "actor" if proxy.no_host => answer(403, ""),
        "actor" if proxy.no_proto => redirect(&request.url),
        "actor" => actor(if proxy.elsewhere { "other" } else { "this" }),
        path if path.starts_with("api/v1/streaming") && proxy.no_streaming => answer(404, "<html>"),
        "api/v1/streaming/health" => answer(200, "OK"),
        "api/v1/streaming" if upgrade && !proxy.no_upgrade => answer(401, "Missing access token"),
        "api/v1/streaming" => answer(400, r#"{"error":"Unknown channel requested"}"#),
        _ => answer(404, ""),
    })
}

/// The instance's own actor, as Mastodon tells it.
fn actor(key: &str) -> Response {
    let actor = serde_json::json!({ "id": "https://fedi-test.org/actor", "publicKey": { "publicKeyPem": key } });
    Response { status: 200, body: actor.to_string().into_bytes(), ..Response::default() }
}
