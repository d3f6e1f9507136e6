//! Registries of images: every image has a manifest for amd64, which is given only to who has signed in as anybody.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::{Request, Response};
use super::Machine;

const TOKEN: &str = "anybody";

/// Bytes of the layer that all images of one registry begin with, of an image's own layer, and of its configuration.
pub(crate) const SIZES: [u64; 3] = [30_000_000, 100_000_000, 9_000];

/// Simulates `ghcr.io`, Docker Hub, and where they give tokens.
pub(super) fn site(machine: &mut Machine, request: &Request) -> Option<Response> {
    if request.url.contains("/token?service=") {
        let named = if machine.gives_access_tokens { "access_token" } else { "token" };
        return Some(answer(200, &json!({ named: TOKEN })));
    }
    let (registry, rest) = request.url.strip_prefix("https://")?.split_once("/v2/")?;
    let (repository, version) = rest.split_once("/manifests/")?;
    if machine.apt.unreachable.contains(registry) {
        return Some(answer(404, &json!({})));
    }
    if request.bearer.as_ref().map(ExposeSecret::expose_secret) != Some(TOKEN) {
        let realm = format!("https://{registry}/token");
        let challenge = format!("Bearer realm=\"{realm}\",service=\"{registry}\",scope=\"repository:{repository}:pull\"");
        return Some(Response { headers: vec![("www-authenticate".into(), challenge)], ..answer(401, &json!({})) });
    }
    let [shared, own, config] = SIZES;
    let blob = |of: &str, size: u64| json!({ "digest": format!("sha256:{of}"), "size": size });
    Some(answer(
        200,
        &if version.starts_with("sha256:") {
            let layers = [blob(registry, shared), blob(repository, own)];
            json!({ "layers": layers, "config": blob(&format!("{repository}-config"), config) })
        } else {
            let platform = |os: &str, architecture: &str| json!({ "digest": format!("sha256:{os}"), "platform": { "os": os, "architecture": architecture } });
            json!({ "manifests": [platform("unknown", "unknown"), platform("linux", "amd64")] })
        },
    ))
}

fn answer(status: u16, body: &Value) -> Response {
    Response { status, body: body.to_string().into_bytes(), ..Response::default() }
}
