//! Caddy: its files, and its administration on a socket (<https://caddyserver.com/docs/api>).

use std::path::Path;

use serde_json::{Value, json};

use super::super::super::{Body, Kind, Method, Request, Response};
use super::{LOST, Machine};
use crate::resource::edge::admin::{CADDYFILE, SOCKET};

impl Machine {
    /// The file that Caddy loads.
    pub(crate) fn place_caddyfile(&mut self, content: &str) {
        for directory in ["/opt/mastodon/caddy", "/opt/mastodon/caddy/conf", "/opt/mastodon/caddy/custom"] {
            self.place(directory, Kind::Directory, "", 0o755);
        }
        self.place(CADDYFILE, Kind::File, content, 0o644);
    }

    /// What Caddy would load now.
    pub(super) fn caddy_files(&self) -> Value {
        self.meaning(&self.text(CADDYFILE))
    }

    /// What a Caddyfile means, with the sites that it imports.
    fn meaning(&self, caddyfile: &str) -> Value {
        let custom = Path::new("/opt/mastodon/caddy/custom");
        let sites = self
            .children(custom)
            .into_iter()
            .filter(|name| name.split('.').next_back() == Some("caddy"))
            .map(|name| self.text(custom.join(name)));
        let files: Vec<_> = std::iter::once(caddyfile.to_owned()).chain(sites).collect();
        json!({ "files": files })
    }
}

/// Its socket.
pub(in super::super) fn admin(machine: &mut Machine, request: &Request) -> Option<Response> {
    request.socket.as_ref().filter(|path| path.as_path() == Path::new(SOCKET))?;
    if !machine.service_runs("caddy") {
        return Some(LOST);
    }
    let header = |name: &str| request.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    if header("Host") != Some("") {
        return Some(answer(403, &json!({ "error": "host not allowed" })));
    }
    let path = request.url.strip_prefix("http://caddy")?;
    if (request.method, path) == (Method::Get, "/config/") {
        return Some(answer(200, &machine.docker.loaded));
    }
    let Some(Body::Text("text/caddyfile", caddyfile)) = &request.body else { return None };
    let meaning = machine.meaning(caddyfile);
    if meaning.to_string().contains("broken") {
        return Some(answer(400, &json!({ "error": "adapting config using caddyfile adapter: Caddyfile:1: broken" })));
    }
    match (request.method, path) {
        (Method::Post, "/adapt") => Some(answer(200, &json!({ "result": meaning }))),
        (Method::Post, "/load") => {
            machine.docker.loaded = meaning;
            if header("Cache-Control") == Some("must-revalidate") {
                super::obtain(machine);
            }
            Some(answer(200, &Value::Null))
        }
        _ => None,
    }
}

fn answer(status: u16, body: &Value) -> Response {
    Response { status, body: body.to_string().into(), ..Response::default() }
}
