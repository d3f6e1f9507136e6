//! Containers of the project and of others, their networks, and what the daemon says of them.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::{Kind, Machine, Reply, Response};
use super::{Unstarted, answer};
use crate::resource::stamp::hex;

/// PostgreSQL's data directory.
const CLUSTER: &str = "/opt/mastodon/postgres/17";

/// PostgreSQL's note of how it was left.
const CONTROL: &str = "/opt/mastodon/postgres/17/global/pg_control";

/// The bridge of our network.
const BRIDGE: &str = "mastodon0";

/// A container.
#[derive(Clone, Debug)]
pub(crate) struct FakeContainer {
    pub(crate) state: &'static str,
    /// `(healthy)`, `(unhealthy)`, `(health: starting)`.
    pub(crate) health: &'static str,
    pub(crate) hash: String,
    /// Label `org.tootstrap.environment`.
    pub(crate) environment: String,
}

impl Machine {
    /// Docker makes the bridges that its record of networks names, and no others.
    pub(in super::super) fn docker_starts(&mut self) {
        if !self.nodes.contains_key(Path::new("/var/lib/docker/network/files/local-kv.db")) {
            self.nodes.remove(&Path::new("/sys/class/net").join(BRIDGE));
        }
    }

    /// One of them alone.
    pub(crate) fn start_service(&mut self, service: &str) {
        self.start(service, self.health(service));
    }

    /// What Docker says about a service that has just started.
    fn health(&self, service: &str) -> &'static str {
        match service {
            ill if self.is_ill(ill) => "(unhealthy)",
            early if self.docker.early.contains(early) => "(health: starting)",
            _ => "(healthy)",
        }
    }

    pub(super) fn is_ill(&self, service: &str) -> bool {
        let torn = match service {
            "redis" => self.docker.unreadable > 0,
            "caddy" => self.has_a_torn_certificate(),
            _ => false,
        };
        torn || self.docker.never_healthy.contains(service)
    }

    pub(in super::super) fn service_runs(&self, service: &str) -> bool {
        self.docker.containers.get(service).is_some_and(|container| container.state == "running")
    }

    pub(super) fn start(&mut self, service: &str, health: &'static str) {
        let compose = self.text("/opt/mastodon/compose.yaml");
        let label = compose.lines().find_map(|line| line.trim().strip_prefix("org.tootstrap.environment: "));
        let label = label.filter(|_| matches!(service, "web" | "sidekiq" | "streaming"));
        let environment = label.map(|label| label.trim_matches('"').to_owned()).unwrap_or_default();
        let hash = self.hash(service);
        self.docker.containers.insert(service.into(), FakeContainer { state: "running", health, hash, environment });
        if service == "caddy" {
            self.docker.loaded = self.caddy_files();
        }
        if service == "db" && self.nodes.contains_key(Path::new(CLUSTER)) {
            self.place(format!("{CLUSTER}/PG_VERSION"), Kind::File, "17\n", 0o600);
            self.place(CONTROL, Kind::File, "in production", 0o600);
        }
    }

    /// Hash of a service's definition: everything in the project that could be part of it.
    pub(super) fn hash(&self, service: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(service);
        for file in ["compose.yaml", "compose.override.yaml", "env.production", "secrets.env", "custom.env"] {
            hash.update(self.text(Path::new("/opt/mastodon").join(file)));
        }
        hex(&hash.finalize())
    }
}

/// Stopped, started and removed, with their networks.
pub(super) fn program(machine: &mut Machine, words: &[&str]) -> Option<Reply> {
    match words {
        ["rm", "--force", ids @ ..] => {
            for id in ids {
                machine.docker.containers.remove(id.strip_suffix("-id")?);
            }
            Some(Reply::changed(""))
        }
        ["rm", "unstarted-id"] => match machine.docker.rails_unstarted.take()? {
            Unstarted::Goes => Some(Reply::changed("")),
            Unstarted::Begins => {
                machine.docker.rails_at_work = 2;
                Some(Reply::changed("").status(1, "Error response from daemon: You cannot remove a running container unstarted-id."))
            }
        },
        ["stop", "--time", _, ids @ ..] => {
            for service in ids.iter().filter_map(|id| id.strip_suffix("-id")) {
                machine.docker.containers.get_mut(service)?.state = "exited";
                if service == "db" {
                    machine.place(CONTROL, Kind::File, "shut down", 0o600);
                }
            }
            Some(Reply::changed(""))
        }
        ["start", ids @ ..] | ["restart", "--time", _, ids @ ..] => {
            for service in ids.iter().filter_map(|id| id.strip_suffix("-id")) {
                machine.start(service, "(healthy)");
            }
            Some(Reply::changed(""))
        }
        ["rm", "--volumes", ids @ ..] => {
            machine.docker.containers.retain(|service, _| !ids.contains(&format!("{service}-id").as_str()));
            Some(Reply::changed(""))
        }
        ["network", "ls", "--filter", _, "--format", "{{.Name}}"] => {
            Some(Reply::read(machine.docker.networks.iter().map(|name| name.clone() + "\n").collect::<String>()))
        }
        ["network", "ls", "--filter", _, "--format", "{{.ID}}\t{{.Name}}"] => {
            Some(Reply::read(machine.docker.networks.iter().map(|name| "12\t".to_owned() + name + "\n").collect::<String>()))
        }
        ["network", "rm", name] => {
            machine.docker.networks.retain(|network| network != name);
            Some(Reply::changed(""))
        }
        _ => None,
    }
}

/// The daemon's answers about containers.
pub(super) fn daemon(machine: &mut Machine, path: &str) -> Option<Response> {
    if path == "/containers/json?all=true" {
        let others = machine.docker.published.iter().map(of_somebody_else);
        let mut containers: Vec<_> = machine.docker.containers.iter().map(listed).chain(others).collect();
        if machine.docker.rails_at_work > 0 {
            machine.docker.rails_at_work -= 1;
            containers.push(rails_process("rails-id", "running"));
        }
        if machine.docker.rails_unstarted.is_some() {
            containers.push(rails_process("unstarted-id", "created"));
        }
        return Some(answer(&containers.into()));
    }
    if path == "/networks" {
        let bridge = |name: &str| if name.ends_with("_outside") { BRIDGE } else { "" };
        let network = |name: &String| json!({ "Name": name, "Options": { "com.docker.network.bridge.name": bridge(name) } });
        return Some(answer(&machine.docker.networks.iter().map(network).collect()));
    }
    if path.starts_with("/containers/") && path.ends_with("-id/json") {
        return Some(answer(&json!({ "Config": { "Healthcheck": { "Test": ["CMD", "test-of-health"] } } })));
    }
    None
}

/// Of the two whose names begin their images'; who asks for others' containers by image is told of none.
fn image_of(service: &str) -> &'static str {
    match service {
        "redis" => "redis:7-alpine",
        "caddy" => "caddy:2-alpine",
        _ => "an-image",
    }
}

fn listed((service, container): (&String, &FakeContainer)) -> Value {
    json!({
        "Id": format!("{service}-id"),
        "Names": [format!("/mastodon-{service}-1")],
        "Image": image_of(service),
        "State": container.state,
        "Status": format!("Up 3 minutes {}", container.health),
        "Labels": {
            "com.docker.compose.project": "mastodon",
            "com.docker.compose.project.working_dir": "/opt/mastodon",
            "com.docker.compose.service": service,
            "com.docker.compose.oneoff": "False",
            "com.docker.compose.config-hash": container.hash,
            "org.tootstrap.environment": container.environment,
        },
    })
}

fn of_somebody_else((port, name): &(u16, String)) -> Value {
    let (id, name) = (format!("{name}-id"), format!("/{name}"));
    let ports = [json!({ "IP": "0.0.0.0", "PrivatePort": 8080, "PublicPort": port, "Type": "tcp" })];
    json!({ "Id": id, "Names": [name], "Image": "an-image", "State": "running", "Status": "Up 2 days", "Ports": ports })
}

/// What `docker compose run` of a run that was killed left behind.
fn rails_process(id: &str, state: &str) -> Value {
    json!({
        "Id": id,
        "Image": "an-image",
        "Command": "/usr/bin/tini -- bundle exec rails db:prepare",
        "State": state,
        "Status": "",
        "Labels": {
            "com.docker.compose.project": "mastodon",
            "com.docker.compose.project.working_dir": "/opt/mastodon",
            "com.docker.compose.service": "web",
            "com.docker.compose.oneoff": "True",
        },
    })
}
