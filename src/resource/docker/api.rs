//! Docker's daemon, asked over its socket: an answer takes a millisecond, a process of Docker's client forty.
//!
//! Documented at <https://docs.docker.com/reference/api/engine/>.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::PROJECT;
use super::pull::SILENCE;
use super::registry::name_and_version;
use crate::host::{BodySink, Host, Method, Probe, Request, Response};

/// Where the daemon listens.
pub(crate) const SOCKET: &str = "/var/run/docker.sock";

/// The daemon's versions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Version {
    /// Of the daemon: `20.10.5+dfsg1`.
    pub(crate) version: String,
    /// The newest version of its interface: `1.41`.
    api_version: String,
}

/// Where the daemon keeps what it has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    docker_root_dir: String,
}

/// What a container was made with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    config: Config,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    healthcheck: Option<Healthcheck>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Healthcheck {
    #[serde(default)]
    test: Option<Vec<String>>,
}

/// A container as the daemon lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Container {
    pub(crate) id: String,
    /// Each with a slash before it.
    #[serde(default)]
    pub(crate) names: Vec<String>,
    /// The reference that it was made from.
    pub(crate) image: String,
    /// What runs in it, with its arguments.
    #[serde(default)]
    pub(crate) command: String,
    /// `running`, `exited`, …
    pub(crate) state: String,
    /// In words: `Up 3 minutes (healthy)`.
    pub(crate) status: String,
    #[serde(default)]
    ports: Option<Vec<Port>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Port {
    /// On the machine. `None`: it is not published.
    #[serde(default)]
    public_port: Option<u16>,
    /// `tcp`, `udp`, `sctp`.
    #[serde(default)]
    r#type: String,
}

impl Container {
    /// As its owner calls it.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", |name| name.trim_start_matches('/'))
    }

    /// Whether it has this TCP port of the machine; only one that runs does.
    pub(crate) fn publishes(&self, port: u16) -> bool {
        self.ports.iter().flatten().any(|published| published.public_port == Some(port) && published.r#type == "tcp")
    }

    /// A label; empty if it has none of this name.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.as_ref().and_then(|labels| labels.get(name)).map_or("", String::as_str)
    }

    /// Whether it is of our project. Another one may have its name: Compose calls a project as the directory is called that it lies in.
    pub(crate) fn is_ours(&self) -> bool {
        self.label("com.docker.compose.project") == "mastodon" && self.label("com.docker.compose.project.working_dir") == PROJECT
    }

    /// Which service of our project it is. `None`: it is someone else's, or of `compose run`.
    pub(crate) fn service(&self) -> Option<&str> {
        let ours = self.is_ours() && self.label("com.docker.compose.oneoff") != "True";
        ours.then(|| self.label("com.docker.compose.service"))
    }
}

/// An image that is here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ImageInfo {
    /// `name@sha256:…` as it was pulled; none, if it was built here or loaded from a file.
    #[serde(default)]
    pub(crate) repo_digests: Option<Vec<String>>,
}

/// A network as the daemon lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Network {
    pub(crate) name: String,
    #[serde(default)]
    options: Option<BTreeMap<String, String>>,
}

impl Network {
    /// The bridge that it was made to have; empty if Docker chose one.
    pub(crate) fn bridge(&self) -> &str {
        self.options.as_ref().and_then(|options| options.get("com.docker.network.bridge.name")).map_or("", String::as_str)
    }
}

/// An image as the daemon lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListedImage {
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
}

impl ListedImage {
    /// Whether it has no other name than these references; one without a tag is known by its digest.
    pub(crate) fn is_one_of(&self, references: &BTreeSet<String>) -> bool {
        let tags = self.repo_tags.as_deref().unwrap_or_default();
        let names = if tags.is_empty() { self.repo_digests.as_deref().unwrap_or_default() } else { tags };
        !names.is_empty() && names.iter().all(|name| references.contains(name))
    }
}

/// What the daemon says about itself.
///
/// # Errors
/// It does not answer.
pub(crate) async fn version(host: &dyn Probe) -> anyhow::Result<Version> {
    parse(&ask(host, "/version").await?)
}

/// The directory with images, containers and volumes: `/var/lib/docker`, unless the daemon was told another.
///
/// # Errors
/// The daemon does not answer as documented.
pub(crate) async fn root(host: &dyn Probe) -> anyhow::Result<String> {
    let info: Info = get(host, "/info").await?.context("Docker does not tell about itself")?;
    let root = info.docker_root_dir;
    ensure!(root.starts_with('/'), "Docker says that it keeps its data in {root:?}, which is no absolute path");
    Ok(root)
}

/// Every container, also those that ended, ours and others'.
///
/// # Errors
/// The daemon does not answer as documented.
pub(crate) async fn containers(host: &dyn Probe) -> anyhow::Result<Vec<Container>> {
    get(host, "/containers/json?all=true").await?.context("Docker does not list its containers")
}

/// How a container's health is tested: `CMD` and words, or `CMD-SHELL` and a line. Empty: it is not, or there is no such container.
///
/// # Errors
/// The daemon does not answer as documented.
pub(crate) async fn health_test(host: &dyn Probe, id: &str) -> anyhow::Result<Vec<String>> {
    let inspected: Option<Inspected> = get(host, &format!("/containers/{id}/json")).await?;
    Ok(inspected.and_then(|inspected| inspected.config.healthcheck?.test).unwrap_or_default())
}

/// An image by reference. `None`: it is not here.
///
/// # Errors
/// The daemon does not answer as documented.
pub(crate) async fn image(host: &dyn Probe, reference: &str) -> anyhow::Result<Option<ImageInfo>> {
    get(host, &format!("/images/{reference}/json")).await
}

/// Every image, also those without a name: built without one, or pulled by digest.
///
/// # Errors
/// The daemon does not answer as documented.
pub(crate) async fn images(host: &dyn Probe) -> anyhow::Result<Vec<ListedImage>> {
    get(host, "/images/json").await?.context("Docker does not list its images")
}

/// Every network.
///
/// # Errors
/// The daemon does not answer as documented.
pub(crate) async fn networks(host: &dyn Probe) -> anyhow::Result<Vec<Network>> {
    get(host, "/networks").await?.context("Docker does not list its networks")
}

/// How the daemon refuses.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// Has the daemon pull an image; `told` takes what it tells meanwhile. `login` is what it shows to the registry.
///
/// # Errors
/// The daemon does not answer, is silent for long, or refuses. What goes wrong later is in what it tells.
pub(super) async fn pull(host: &dyn Host, reference: &str, login: Option<SecretString>, told: BodySink<'_>) -> anyhow::Result<()> {
    let version = version(host.probe()).await?.api_version;
    let (name, tag) = name_and_version(reference);
    let url = format!("http://docker/v{version}/images/create?fromImage={}&tag={}", encoded(name), encoded(tag));
    let mut request = Request::new(Method::Post, url).socket(Path::new(SOCKET)).timeout(SILENCE);
    if let Some(login) = login {
        request = request.secret_header("X-Registry-Auth", login);
    }
    let answer = host.stream(&request, told).await?;
    if !answer.success() {
        let why = answer.parse().map_or_else(|_| answer.text(), |refusal: Refusal| refusal.message);
        bail!("Error response from daemon: {}", why.trim());
    }
    Ok(())
}

/// As a value in a query (RFC 3986, §3.4).
fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The newest interface is asked for: paths without a version are deprecated, and old versions go away.
async fn get<T: DeserializeOwned>(host: &dyn Probe, path: &str) -> anyhow::Result<Option<T>> {
    let version = version(host).await?.api_version;
    let response = ask(host, &format!("/v{version}{path}")).await?;
    if response.status == 404 { Ok(None) } else { parse(&response).map(Some) }
}

async fn ask(host: &dyn Probe, path: &str) -> anyhow::Result<Response> {
    let request = Request::new(Method::Get, format!("http://docker{path}")).socket(Path::new(SOCKET));
    host.get(&request).await.context("Docker does not answer")
}

fn parse<T: DeserializeOwned>(response: &Response) -> anyhow::Result<T> {
    ensure!(response.success(), "Docker answers with status {}: {}", response.status, response.text().trim());
    response.parse().context("Docker's answer cannot be understood")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Docker 20.10.5.
    const LISTED: &str = r#"[
        {"Id": "1", "Names": ["/mastodon-db-1"], "Image": "postgres:17-alpine", "ImageID": "sha256:2", "Command": "x", "Created": 1,
         "Ports": [], "Labels": {"com.docker.compose.project": "mastodon", "com.docker.compose.service": "db",
         "com.docker.compose.project.working_dir": "/opt/mastodon",
         "com.docker.compose.oneoff": "False"}, "State": "running", "Status": "Up 3 minutes (healthy)", "HostConfig": {}},
        {"Id": "2", "Names": ["/mastodon-web-run-1"], "Image": "m", "Labels": {"com.docker.compose.project": "mastodon",
         "com.docker.compose.project.working_dir": "/opt/mastodon", "com.docker.compose.service": "web", "com.docker.compose.oneoff": "True"}, "State": "exited", "Status": "Exited (0)"},
        {"Id": "3", "Names": ["/other"], "Image": "nginx", "Labels": null, "State": "running", "Status": "Up 2 days",
         "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}, {"PrivatePort": 443, "Type": "tcp"}]},
        {"Id": "4", "Names": ["/mastodon-db-2"], "Image": "x", "Labels": {"com.docker.compose.project": "mastodon",
         "com.docker.compose.project.working_dir": "/home/ada/mastodon", "com.docker.compose.service": "db"}, "State": "running", "Status": "Up"}]"#;

    #[test]
    fn whose_containers_are_whose() {
        let listed: Vec<Container> = serde_json::from_str(LISTED).unwrap();
        let services: Vec<_> = listed.iter().map(Container::service).collect();
        assert_eq!(services, [Some("db"), None, None, None]);
        assert_eq!(listed.iter().map(Container::is_ours).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!((listed[0].status.as_str(), listed[2].label("x")), ("Up 3 minutes (healthy)", ""));
        assert_eq!((listed[2].name(), [80, 443, 8080].map(|port| listed[2].publishes(port))), ("other", [false, false, true]));
    }
}
