//! Caddy: its files, its administration on a socket (<https://caddyserver.com/docs/api>), and which names it serves.

use std::path::Path;

use serde_json::{Value, json};

use super::super::super::{Body, Method};
use super::super::{Kind, LOST, Machine, NO_TLS, Request, Response};
use super::answer;
use crate::resource::edge::admin::{CADDYFILE, SOCKET};

/// Where Caddy keeps certificates.
const CERTIFICATES: &str = "/opt/mastodon/caddy/data/caddy/certificates";

impl Machine {
    /// The file that Caddy loads.
    pub(crate) fn place_caddyfile(&mut self, content: &str) {
        for directory in ["/opt/mastodon/caddy", "/opt/mastodon/caddy/conf", "/opt/mastodon/caddy/custom"] {
            self.place(directory, Kind::Directory, "", 0o755);
        }
        self.place(CADDYFILE, Kind::File, content, 0o644);
    }

    /// An empty file after a power cut, which Caddy cannot start with.
    pub(super) fn has_a_torn_certificate(&self) -> bool {
        self.nodes.iter().any(|(path, node)| path.starts_with(CERTIFICATES) && node.kind == Kind::File && node.content.is_empty())
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

/// What Caddy does at its start, and when it is forced.
pub(super) fn obtain(machine: &mut Machine) {
    if machine.docker.issues {
        machine.docker.certificates.insert(crate::settings::Settings::sample().site.as_str().to_owned());
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
        return Some(refuse(403, "host not allowed"));
    }
    let path = request.url.strip_prefix("http://caddy")?;
    if (request.method, path) == (Method::Get, "/config/") {
        return Some(answer(&machine.docker.loaded));
    }
    let Some(Body::Text("text/caddyfile", caddyfile)) = &request.body else { return None };
    let meaning = machine.meaning(caddyfile);
    if meaning.to_string().contains("broken") {
        return Some(refuse(400, "adapting config using caddyfile adapter: Caddyfile:1: broken"));
    }
    match (request.method, path) {
        (Method::Post, "/adapt") => Some(answer(&json!({ "result": meaning }))),
        (Method::Post, "/load") => {
            machine.docker.loaded = meaning;
            if header("Cache-Control") == Some("must-revalidate") {
                obtain(machine);
            }
            Some(answer(&Value::Null))
        }
        _ => None,
    }
}

/// The site as seen on this machine's own port 443.
pub(in super::super) fn site(machine: &mut Machine, request: &Request) -> Option<Response> {
    let name = request.url.strip_prefix("https://")?.strip_suffix("/health")?;
    request.connect_to.filter(|address| address.ip().is_loopback())?;
    if !machine.service_runs("caddy") || !machine.docker.certificates.contains(name) {
        return Some(NO_TLS);
    }
    let paused = machine.docker.containers.get("web").is_some_and(|web| web.state == "paused");
    Some(if paused { LOST } else { Response { status: 200, ..Response::default() } })
}

fn refuse(status: u16, error: &str) -> Response {
    Response { status, ..answer(&json!({ "error": error })) }
}
