//! Docker with Compose, Mastodon's containers, and who listens. The database and Rails are in [`mastodon`].

mod caddy;
mod compose;
mod containers;
mod exec;
mod images;
mod mastodon;
mod redis;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::{Method, Request, Response};
use super::{Cmd, LOST, Machine, Reply};
use crate::facts::DOCKER_PACKAGES;
use crate::resource::docker::api::SOCKET;

pub(super) use caddy::{admin, site};
pub(crate) use containers::FakeContainer;
pub(crate) use mastodon::{FakeUser, Tables};

/// What `compose.yaml` defines.
const SERVICES: [&str; 6] = ["db", "redis", "web", "sidekiq", "streaming", "caddy"];

/// Where containerd keeps what it has.
const CONTAINERD: &str = "/var/lib/containerd";

/// What a container that was never started does when it is to be removed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unstarted {
    Goes,
    /// It is started at that moment.
    Begins,
}

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
    /// The container of one that was never started.
    pub(crate) rails_unstarted: Option<Unstarted>,
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
    /// What Sidekiq logged.
    pub(crate) sidekiq_log: String,
    /// What `assets/mastodon/test_message.rb` finds out.
    pub(crate) test_message: Value,
    /// What the credential helper `pass` keeps: user and secret by registry.
    pub(crate) kept: BTreeMap<String, (&'static str, &'static str)>,
    /// What Caddy runs with.
    loaded: Value,
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
            rails_unstarted: None,
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
            sidekiq_log: String::new(),
            test_message: Value::Null,
            kept: BTreeMap::new(),
            loaded: Value::Null,
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
        ["docker-credential-pass", "get"] => {
            let kept = machine.docker.kept.get(cmd.text()?.expose_secret());
            let answer = kept.map(|(user, secret)| json!({ "ServerURL": "", "Username": user, "Secret": secret }).to_string());
            Some(answer.map_or_else(|| Reply::read("credentials not found in native keychain\n").status(1, ""), Reply::read))
        }
        ["docker", ..] if !is_on(machine, "docker.service") => Some(
            Reply::read("").status(1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"),
        ),
        ["docker", "compose", "--project-directory", "/opt/mastodon", words @ ..] => compose::program(machine, cmd, words),
        ["docker", words @ ..] => engine(machine, cmd, words),
        _ => None,
    }
}

fn is_on(machine: &Machine, unit: &str) -> bool {
    machine.systemd.units.get(unit).is_some_and(|unit| unit.active == "active")
}

fn engine(machine: &mut Machine, cmd: &Cmd, words: &[&str]) -> Option<Reply> {
    images::program(machine, words).or_else(|| containers::program(machine, words)).or_else(|| exec::program(machine, cmd, words))
}

/// The daemon's socket.
pub(super) fn daemon(machine: &mut Machine, request: &Request) -> Option<Response> {
    request.socket.as_ref().filter(|path| path.as_path() == Path::new(SOCKET))?;
    if !is_on(machine, "docker.service") {
        return Some(LOST);
    }
    let path = request.url.strip_prefix("http://docker")?;
    if path == "/version" {
        return Some(answer(&json!({ "Version": machine.docker.engine, "ApiVersion": "1.41" })));
    }
    let path = path.strip_prefix("/v1.41")?;
    if path == "/info" {
        return Some(answer(&json!({ "DockerRootDir": machine.docker.root })));
    }
    if let (Method::Post, Some(query)) = (request.method, path.strip_prefix("/images/create?")) {
        return images::create(machine, query);
    }
    containers::daemon(machine, path).or_else(|| images::daemon(machine, path))
}

fn refuse(status: u16, message: &str) -> Response {
    Response { status, ..answer(&json!({ "message": message })) }
}

fn answer(value: &Value) -> Response {
    Response { status: 200, body: value.to_string().into_bytes(), ..Response::default() }
}
