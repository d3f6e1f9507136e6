//! Docker with Compose, Mastodon's containers, and who listens. The database and Rails are in [`mastodon`].

mod caddy;
mod mastodon;
mod redis;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::super::{Kind, Request, Response};
use super::{Cmd, LOST, Machine, Reply};
use crate::facts::DOCKER_PACKAGES;
use crate::resource::docker::api::SOCKET;
use crate::resource::stamp::hex;

pub(super) use caddy::admin;
pub(crate) use mastodon::{FakeUser, Tables};

/// What `compose.yaml` defines.
const SERVICES: [&str; 6] = ["db", "redis", "web", "sidekiq", "streaming", "caddy"];

/// Where Caddy keeps certificates.
const CERTIFICATES: &str = "/opt/mastodon/caddy/data/caddy/certificates";

/// Where containerd keeps what it has.
const CONTAINERD: &str = "/var/lib/containerd";

/// PostgreSQL's data directory.
const CLUSTER: &str = "/opt/mastodon/postgres/17";

/// PostgreSQL's note of how it was left.
const CONTROL: &str = "/opt/mastodon/postgres/17/global/pg_control";

/// Docker's state.
#[derive(Clone, Debug)]
pub(crate) struct Docker {
    /// The daemon's version.
    pub(crate) engine: &'static str,
    /// The Compose plugin's version; empty: there is no plugin.
    pub(crate) compose: &'static str,
    /// Where the daemon keeps what it has.
    pub(crate) root: &'static str,
    pub(crate) images: BTreeSet<String>,
    /// Who keeps something in containerd.
    pub(crate) namespaces: &'static [&'static str],
    /// Digests of images that are not the first ones of their tag.
    pub(crate) digests: BTreeMap<String, String>,
    /// Containers of our project by service.
    pub(crate) containers: BTreeMap<String, FakeContainer>,
    /// Services that start but never become healthy.
    pub(crate) never_healthy: BTreeSet<String>,
    /// Services that pass their test before Docker has run it.
    pub(crate) early: BTreeSet<String>,
    /// How many bytes Redis cannot read at the end of its append-only file; with any it does not start.
    pub(crate) unreadable: u64,
    /// `config --hash` prints another hash than `up` writes (docker/compose#14001).
    pub(crate) prints_other_hashes: bool,
    /// The tables of Mastodon's database. `None`: there are none.
    pub(crate) tables: Option<Tables>,
    /// `pg_dump` leaves the tables out.
    pub(crate) dumps_nothing: bool,
    /// For how many more looks at the containers a Rails process of an earlier run is at work.
    pub(crate) rails_at_work: usize,
    /// Domains that cannot receive mail.
    pub(crate) unreachable_mail: BTreeSet<String>,
    /// What `ss` prints about ports 80 and 443.
    pub(crate) listeners: String,
    /// Networks of our project.
    pub(crate) networks: Vec<String>,
    /// Ports that containers of somebody else publish, with the container's name.
    pub(crate) published: Vec<(u16, String)>,
    /// Names that are served with a trusted certificate. Caddy gets one at its start and at a forced reload, if `issues` says so.
    pub(crate) certificates: BTreeSet<String>,
    /// The certificate authority can reach this machine.
    pub(crate) issues: bool,
    /// Images whose files a power cut tore: Docker lists them, and can neither show nor remove them.
    pub(crate) torn_images: BTreeSet<String>,
    /// How many images were built without a name, or pulled by digest.
    pub(crate) unnamed_images: usize,
    /// How often Compose was asked for its hashes.
    pub(crate) config_asked: u32,
    /// What Caddy logged.
    pub(crate) caddy_log: String,
    /// What Caddy runs with.
    loaded: serde_json::Value,
}

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

impl Default for Docker {
    fn default() -> Self {
        Self {
            engine: "20.10.5+dfsg1",
            compose: "2.26.1-4",
            root: "/var/lib/docker",
            images: BTreeSet::new(),
            namespaces: &["moby"],
            digests: BTreeMap::new(),
            containers: BTreeMap::new(),
            never_healthy: BTreeSet::new(),
            early: BTreeSet::new(),
            unreadable: 0,
            prints_other_hashes: false,
            tables: None,
            dumps_nothing: false,
            rails_at_work: 0,
            unreachable_mail: BTreeSet::new(),
            listeners: String::new(),
            networks: Vec::new(),
            published: Vec::new(),
            certificates: BTreeSet::new(),
            issues: true,
            torn_images: BTreeSet::new(),
            unnamed_images: 0,
            config_asked: 0,
            caddy_log: String::new(),
            loaded: serde_json::Value::Null,
        }
    }
}

impl Machine {
    /// Docker from its own repository, running.
    pub(crate) fn install_docker(&mut self) {
        for package in DOCKER_PACKAGES {
            self.install(package);
        }
    }

    /// Docker with every container of the project running.
    pub(crate) fn run_mastodon_containers(&mut self) {
        self.install_docker();
        for service in SERVICES {
            self.start(service, "(healthy)");
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

    fn is_ill(&self, service: &str) -> bool {
        let torn = match service {
            "redis" => self.docker.unreadable > 0,
            "caddy" => self.has_a_torn_certificate(),
            _ => false,
        };
        torn || self.docker.never_healthy.contains(service)
    }

    /// An empty file after a power cut, which Caddy cannot start with.
    fn has_a_torn_certificate(&self) -> bool {
        self.nodes.iter().any(|(path, node)| path.starts_with(CERTIFICATES) && node.kind == Kind::File && node.content.is_empty())
    }

    pub(super) fn service_runs(&self, service: &str) -> bool {
        self.docker.containers.get(service).is_some_and(|container| container.state == "running")
    }

    fn start(&mut self, service: &str, health: &'static str) {
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
    fn hash(&self, service: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(service);
        for file in ["compose.yaml", "compose.override.yaml", "env.production", "secrets.env", "custom.env"] {
            hash.update(self.text(Path::new("/opt/mastodon").join(file)));
        }
        hex(&hash.finalize())
    }
}

/// `docker`, `ss`, `sync`, and `find` where Docker and PostgreSQL keep their data.
pub(super) fn programs(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    match cmd.argv().as_slice() {
        ["ss", "-H", "-ltnp", "( sport = :80 or sport = :443 )"] => Some(Reply::read(machine.docker.listeners.clone())),
        ["sync", "/opt/mastodon/postgres/17/pg_hba.conf"] => Some(Reply::changed("")),
        ["sync", "--file-system", path] | ["sync", "--file-system", path, CONTAINERD] if *path == machine.docker.root => {
            Some(Reply::changed(""))
        }
        ["ctr", "namespaces", "list", "--quiet"] => {
            let names = machine.docker.namespaces.iter().map(|name| format!("{name}\n"));
            Some(Reply::read(names.collect::<String>()).status(i32::from(!is_on(machine, "containerd.service")), ""))
        }
        ["find", store @ .., "-mindepth", "1", "-delete"]
            if !store.is_empty()
                && store.iter().all(|path| matches!(*path, "/var/lib/docker/image" | "/var/lib/docker/overlay2" | CONTAINERD)) =>
        {
            let on = is_on(machine, "docker.service") || store.contains(&CONTAINERD) && is_on(machine, "containerd.service");
            let there = store.iter().all(|path| machine.nodes.contains_key(Path::new(path)));
            machine.docker.images.clear();
            machine.docker.torn_images.clear();
            Some(Reply::changed("").status(i32::from(on || !there), ""))
        }
        ["find", unfinished @ "/opt/mastodon/postgres/17.unfinished", "-delete"] => {
            machine.nodes.retain(|path, _| !path.starts_with(unfinished));
            Some(Reply::changed(""))
        }
        ["cp", "--archive", "--reflink=auto", from @ "/opt/mastodon/redis/data", to] => {
            Some(redis::copy(machine, Path::new(from), Path::new(to)))
        }
        ["docker", "compose", "version", "--short"] => {
            let has_plugin = machine.apt.installed.contains_key("docker-compose-plugin") && !machine.docker.compose.is_empty();
            let none = || Reply::read("").status(1, "docker: 'compose' is not a docker command.");
            Some(if has_plugin { Reply::read(format!("{}\n", machine.docker.compose)) } else { none() })
        }
        ["docker", ..] if !is_on(machine, "docker.service") => Some(
            Reply::read("").status(1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"),
        ),
        ["docker", "compose", "--project-directory", "/opt/mastodon", words @ ..] => compose(machine, cmd, words),
        ["docker", words @ ..] => engine(machine, cmd, words),
        _ => None,
    }
}

fn is_on(machine: &Machine, unit: &str) -> bool {
    machine.systemd.units.get(unit).is_some_and(|unit| unit.active == "active")
}

fn engine(machine: &mut Machine, cmd: &Cmd, words: &[&str]) -> Option<Reply> {
    match words {
        ["image", "rm", "--force", image] if machine.docker.torn_images.contains(*image) => {
            Some(Reply::changed("").status(1, "Error response from daemon: readlink /var/lib/docker/overlay2: invalid argument"))
        }
        ["image", "rm", image] | ["image", "rm", "--force", image] => {
            machine.docker.images.remove(*image);
            Some(Reply::changed(""))
        }
        ["rm", "--force", ids @ ..] => {
            for id in ids {
                machine.docker.containers.remove(id.strip_suffix("-id")?);
            }
            Some(Reply::changed(""))
        }
        ["pull", image] => {
            machine.docker.images.insert((*image).into());
            Some(Reply::changed(""))
        }
        ["logs", "--tail", _, "caddy-id"] => Some(Reply::read("").status(0, machine.docker.caddy_log.clone())),
        ["tag", image, name] => {
            if machine.docker.images.contains(*image) {
                machine.docker.images.insert((*name).into());
                return Some(Reply::changed(""));
            }
            Some(Reply::changed("").status(1, format!("Error response from daemon: No such image: {image}")))
        }
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
        ["exec", id, "test-of-health"] => {
            let passes = id.strip_suffix("-id").is_some_and(|service| machine.docker.early.contains(service));
            Some(Reply::read("").status(i32::from(!passes), ""))
        }
        ["exec", "--interactive", "db-id", "psql", ..] => Some(mastodon::psql(machine, cmd)),
        ["exec", "db-id", "pg_dump", "--format=custom", "--username", "mastodon", "mastodon"] => Some(mastodon::pg_dump(machine)),
        ["exec", "--interactive", "db-id", "pg_restore", option] => Some(mastodon::pg_restore(machine, cmd, option)),
        _ => None,
    }
}

fn compose(machine: &mut Machine, cmd: &Cmd, words: &[&str]) -> Option<Reply> {
    if machine.text("/opt/mastodon/compose.override.yaml").contains("broken") {
        return Some(Reply::read("").status(15, "yaml: line 1: did not find expected key"));
    }
    let project = Path::new("/opt/mastodon");
    for file in ["env.production", "secrets.env"] {
        if machine.text(project.join("compose.yaml")).contains(file) && machine.file(&project.join(file)).is_none() {
            return Some(Reply::read("").status(1, format!("env file /opt/mastodon/{file} not found")));
        }
    }
    match words {
        ["config", "--hash", "*"] => {
            machine.docker.config_asked += 1;
            let print = |service: &str| {
                let hash = machine.hash(service);
                let hash = if machine.docker.prints_other_hashes {
                    format!("other-{}", hex(&Sha256::digest(machine.text("/opt/mastodon/compose.yaml"))))
                } else {
                    hash
                };
                format!("{service} {hash}\n")
            };
            Some(Reply::read(SERVICES.map(print).concat()))
        }
        ["up", "--detach", "--no-deps", "--wait", "--wait-timeout", _, services @ ..] => Some(wait(machine, services)),
        ["up", "--detach", "--no-deps", services @ ..] => Some(up(machine, services)),
        ["restart", services @ ..] => {
            for service in services {
                machine.docker.containers.get_mut(*service)?.health = "(healthy)";
            }
            Some(Reply::changed(""))
        }
        ["rm", "--stop", "--force", service] => {
            machine.docker.containers.remove(*service);
            Some(Reply::changed(""))
        }
        ["stop", services @ ..] => {
            for service in services {
                if let Some(container) = machine.docker.containers.get_mut(*service) {
                    container.state = "exited";
                }
            }
            Some(Reply::changed(""))
        }
        ["logs", "--no-color", "--tail", "20", services @ ..] => {
            let torn = machine.docker.unreadable > 0;
            let last = |service: &&str| match *service {
                "redis" if torn => redis::TORN.to_owned(),
                service => format!("{service}-1  | the last line of {service}\n"),
            };
            Some(Reply::read(services.iter().map(last).collect::<String>()))
        }
        ["exec", "-T", service, ..] if *service != "-e" && !machine.service_runs(service) => Some(not_running(service)),
        ["exec", "-T", "-e", _, "web", "tootctl", words @ ..] => {
            Some(if machine.service_runs("web") { mastodon::tootctl(machine, words)? } else { not_running("web") })
        }
        ["run", "--rm", "-T", "--no-deps", "--entrypoint", "redis-check-aof", "redis", options @ ..] => redis::check(machine, cmd, options),
        ["run", "--rm", "-T", "--no-deps", words @ ..] => mastodon::run(machine, cmd, words),
        _ => None,
    }
}

fn not_running(service: &str) -> Reply {
    Reply::read("").status(1, format!("service \"{service}\" is not running"))
}

fn up(machine: &mut Machine, services: &[&str]) -> Reply {
    for service in services {
        machine.start_service(service);
    }
    if services.contains(&"caddy") {
        obtain(machine);
    }
    Reply::changed("")
}

/// What Caddy does at its start, and when it is forced.
fn obtain(machine: &mut Machine) {
    if machine.docker.issues {
        machine.docker.certificates.insert(crate::settings::Settings::sample().site.as_str().to_owned());
    }
}

fn wait(machine: &mut Machine, services: &[&str]) -> Reply {
    match services.iter().find(|service| machine.is_ill(service)) {
        Some(service) => Reply::changed("").status(1, format!("container mastodon-{service}-1 is unhealthy")),
        None => Reply::changed(""),
    }
}

/// The daemon's socket.
pub(super) fn daemon(machine: &mut Machine, request: &Request) -> Option<Response> {
    request.socket.as_ref().filter(|path| path.as_path() == Path::new(SOCKET))?;
    if !is_on(machine, "docker.service") {
        return Some(LOST);
    }
    let json = |value: &serde_json::Value| Response { status: 200, body: value.to_string().into_bytes(), ..Response::default() };
    let path = request.url.strip_prefix("http://docker")?;
    if path == "/version" {
        return Some(json(&serde_json::json!({ "Version": machine.docker.engine, "ApiVersion": "1.41" })));
    }
    let path = path.strip_prefix("/v1.41")?;
    if path == "/info" {
        return Some(json(&serde_json::json!({ "DockerRootDir": machine.docker.root })));
    }
    if path == "/containers/json?all=true" {
        let others = machine.docker.published.iter().map(of_somebody_else);
        let mut containers: Vec<_> = machine.docker.containers.iter().map(listed).chain(others).collect();
        if machine.docker.rails_at_work > 0 {
            machine.docker.rails_at_work -= 1;
            containers.push(rails_process());
        }
        return Some(json(&containers.into()));
    }
    if path.starts_with("/containers/") && path.ends_with("-id/json") {
        return Some(json(&serde_json::json!({ "Config": { "Healthcheck": { "Test": ["CMD", "test-of-health"] } } })));
    }
    if path == "/images/json" {
        let named = machine.docker.images.iter().map(|image| serde_json::json!({ "RepoTags": [image] }));
        let unnamed = std::iter::repeat_n(serde_json::json!({ "RepoTags": null }), machine.docker.unnamed_images);
        return Some(json(&named.chain(unnamed).collect()));
    }
    let image = path.strip_prefix("/images/")?.strip_suffix("/json")?;
    if !machine.docker.images.contains(image) {
        return Some(Response { status: 404, body: br#"{"message":"No such image"}"#.to_vec(), ..Response::default() });
    }
    if machine.docker.torn_images.contains(image) {
        let body = br#"{"message":"readlink /var/lib/docker/overlay2: invalid argument"}"#.to_vec();
        return Some(Response { status: 500, body, ..Response::default() });
    }
    let name = image.split([':', '@']).next().unwrap_or_default();
    let digest = machine.docker.digests.get(image).cloned().unwrap_or_else(|| format!("{name}@sha256:{}", "0".repeat(64)));
    Some(json(&serde_json::json!({ "RepoDigests": [digest] })))
}

/// Of the two whose names begin their images'; who asks for others' containers by image is told of none.
fn image_of(service: &str) -> &'static str {
    match service {
        "redis" => "redis:7-alpine",
        "caddy" => "caddy:2-alpine",
        _ => "an-image",
    }
}

fn listed((service, container): (&String, &FakeContainer)) -> serde_json::Value {
    serde_json::json!({
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

fn of_somebody_else((port, name): &(u16, String)) -> serde_json::Value {
    let (id, name) = (format!("{name}-id"), format!("/{name}"));
    let ports = [serde_json::json!({ "IP": "0.0.0.0", "PrivatePort": 8080, "PublicPort": port, "Type": "tcp" })];
    serde_json::json!({ "Id": id, "Names": [name], "Image": "an-image", "State": "running", "Status": "Up 2 days", "Ports": ports })
}

/// What `docker compose run` of a run that was killed left behind.
fn rails_process() -> serde_json::Value {
    serde_json::json!({
        "Id": "rails-id",
        "Image": "an-image",
        "Command": "/usr/bin/tini -- bundle exec rails db:prepare",
        "State": "running",
        "Status": "Up 3 seconds",
        "Labels": {
            "com.docker.compose.project": "mastodon",
            "com.docker.compose.project.working_dir": "/opt/mastodon",
            "com.docker.compose.service": "web",
            "com.docker.compose.oneoff": "True",
        },
    })
}

/// The site as seen on this machine's own port 443.
pub(super) fn site(machine: &mut Machine, request: &Request) -> Option<Response> {
    let name = request.url.strip_prefix("https://")?.strip_suffix("/health")?;
    request.connect_to.filter(|address| address.ip().is_loopback())?;
    let trusted = machine.service_runs("caddy") && machine.docker.certificates.contains(name);
    Some(Response { status: if trusted { 200 } else { 0 }, ..Response::default() })
}
