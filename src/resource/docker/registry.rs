//! What a registry says about images that are not here yet: how much there is to fetch.
//!
//! The distribution protocol: <https://distribution.github.io/distribution/spec/api/>, tokens: <https://distribution.github.io/distribution/spec/auth/token/>.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use secrecy::SecretString;
use serde::Deserialize;

use crate::host::{Method, Probe, Request, Response};

/// For one answer: nothing waits for it but a reader.
const PATIENCE: Duration = Duration::from_secs(5);

const KINDS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
                     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// Docker Hub in a reference; one that names no registry is there.
const HUB: &str = "docker.io";

/// Layers and configuration of an image: digest and packed bytes of each.
pub(crate) type Blobs = BTreeMap<String, u64>;

/// Where an image is, as Docker understands its reference.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    registry: String,
    repository: String,
    /// Tag or digest.
    version: String,
}

impl Place {
    fn of(reference: &str) -> Self {
        let (name, version) = name_and_version(reference);
        let (registry, repository) = registry_and_repository(name);
        let version = version.to_owned();
        if registry != HUB {
            return Self { registry: registry.into(), repository: repository.into(), version };
        }
        // Docker Hub answers under another name, and its official images have a first part that nobody writes.
        let repository = if repository.contains('/') { repository.to_owned() } else { format!("library/{repository}") };
        Self { registry: "registry-1.docker.io".into(), repository, version }
    }

    fn manifest(&self, version: &str) -> String {
        format!("https://{}/v2/{}/manifests/{version}", self.registry, self.repository)
    }
}

/// Name, and tag or digest.
pub(super) fn name_and_version(reference: &str) -> (&str, &str) {
    let (name, digest) = reference.split_once('@').map_or((reference, None), |(name, digest)| (name, Some(digest)));
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (name, "latest"),
    };
    (name, digest.unwrap_or(tag))
}

fn registry_and_repository(name: &str) -> (&str, &str) {
    let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
    match name.split_once('/') {
        Some((HUB | "index.docker.io", rest)) => (HUB, rest),
        Some((first, rest)) if is_host(first) => (first, rest),
        _ => (HUB, name),
    }
}

/// Under which name `docker login` keeps what lets somebody in to where this image is.
pub(super) fn login_of(name: &str) -> &str {
    match registry_and_repository(name) {
        (HUB, _) => "https://index.docker.io/v1/",
        (registry, _) => registry,
    }
}

#[derive(Deserialize)]
struct Manifest {
    /// Of an index: the image for each platform.
    #[serde(default)]
    manifests: Vec<Listed>,
    #[serde(default)]
    layers: Vec<Blob>,
    config: Option<Blob>,
}

#[derive(Deserialize)]
struct Listed {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Deserialize)]
struct Blob {
    digest: String,
    size: u64,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    /// The same by its name in OAuth 2.0: a registry gives either, or both.
    access_token: Option<String>,
}

/// What an image consists of for this architecture (`amd64`), from the registry's manifests, asked for as anybody may. Docker Hub counts
/// each such question as a pull.
///
/// # Errors
/// The registry does not answer, not so, or does not have it.
pub(crate) async fn blobs(host: &dyn Probe, reference: &str, architecture: &str) -> anyhow::Result<Blobs> {
    let place = Place::of(reference);
    let mut token = None;
    let first = manifest(host, &place, &place.version, &mut token).await?;
    let of_platform = |listed: &&Listed| listed.platform.as_ref().is_some_and(|of| of.os == "linux" && of.architecture == architecture);
    let image = if first.manifests.is_empty() {
        first
    } else {
        let listed = first.manifests.iter().find(of_platform).with_context(|| format!("{reference} is not made for {architecture}"))?;
        manifest(host, &place, &listed.digest, &mut token).await?
    };
    ensure!(!image.layers.is_empty(), "{} does not say what {reference} consists of", place.registry);
    Ok(image.layers.into_iter().chain(image.config).map(|blob| (blob.digest, blob.size)).collect())
}

async fn manifest(host: &dyn Probe, place: &Place, version: &str, token: &mut Option<SecretString>) -> anyhow::Result<Manifest> {
    let url = place.manifest(version);
    let mut answer = ask(host, &url, token.clone()).await.with_context(|| format!("{} does not answer", place.registry))?;
    if answer.status == 401 && token.is_none() {
        *token = Some(sign_in(host, &answer).await.with_context(|| format!("{} lets nobody in", place.registry))?);
        answer = ask(host, &url, token.clone()).await.with_context(|| format!("{} does not answer", place.registry))?;
    }
    ensure!(answer.success(), "{} answers with status {}", place.registry, answer.status);
    answer.parse().with_context(|| format!("{} does not answer as registries do", place.registry))
}

async fn ask(host: &dyn Probe, url: &str, token: Option<SecretString>) -> anyhow::Result<Response> {
    let mut request = Request::new(Method::Get, url).header("Accept", KINDS).timeout(PATIENCE);
    request.bearer = token;
    Ok(host.get(&request).await?)
}

/// The token that anybody gets, from where the registry says: `Bearer realm="https://…",service="…",scope="…"`.
async fn sign_in(host: &dyn Probe, refused: &Response) -> anyhow::Result<SecretString> {
    let challenge = refused.header("www-authenticate").and_then(|value| value.strip_prefix("Bearer ")).context("it does not say how")?;
    let part = |name: &str| challenge.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
    let realm = part("realm").filter(|realm| realm.starts_with("https://")).ok_or_else(|| anyhow!("it does not say where"))?;
    let parts = ["service", "scope"].iter().filter_map(|name| Some(format!("{name}={}", part(name)?)));
    let url = format!("{realm}?{}", parts.collect::<Vec<_>>().join("&"));
    let answer = host.get(&Request::new(Method::Get, &url).timeout(PATIENCE)).await?;
    ensure!(answer.success(), "{realm} answers with status {}", answer.status);
    let token: Token = answer.parse()?;
    Ok(token.token.or(token.access_token).context("it gives no token")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn references_mean_what_docker_takes_them_for() {
        for (reference, registry, repository, version) in [
            ("redis", "registry-1.docker.io", "library/redis", "latest"),
            ("postgres:17-alpine", "registry-1.docker.io", "library/postgres", "17-alpine"),
            ("docker.io/tootsuite/mastodon:v4", "registry-1.docker.io", "tootsuite/mastodon", "v4"),
            ("ghcr.io/mastodon/mastodon:v4.7.4", "ghcr.io", "mastodon/mastodon", "v4.7.4"),
            ("localhost:5000/caddy", "localhost:5000", "caddy", "latest"),
            ("caddy:2-alpine@sha256:12", "registry-1.docker.io", "library/caddy", "sha256:12"),
        ] {
            let (registry, repository, version) = (registry.into(), repository.into(), version.into());
            assert_eq!(Place::of(reference), Place { registry, repository, version }, "{reference}");
        }
    }

    #[tokio::test]
    async fn an_image_is_its_layers_and_its_configuration() {
        let host = FakeHost::debian();
        let all = blobs(&host, "ghcr.io/mastodon/mastodon:v4.7.4", "amd64").await.unwrap();
        assert_eq!(all.len(), 3);
        let more = blobs(&host, "ghcr.io/mastodon/mastodon-streaming:v4.7.4", "amd64").await.unwrap();
        // Either name of the token will do.
        host.machine().gives_access_tokens = true;
        assert_eq!(blobs(&host, "ghcr.io/mastodon/mastodon:v4.7.4", "amd64").await.unwrap(), all);
        assert_eq!(more.keys().filter(|digest| all.contains_key(*digest)).count(), 1, "the first layer of both is the same");
    }

    #[tokio::test]
    async fn what_is_in_the_way_is_one_sentence() {
        let host = FakeHost::debian();
        let said = async |reference: &str, architecture: &str| format!("{:#}", blobs(&host, reference, architecture).await.unwrap_err());
        assert_eq!(said("redis:7-alpine", "riscv64").await, "redis:7-alpine is not made for riscv64");
        host.machine().apt.unreachable.insert("ghcr.io".into());
        assert_eq!(said("ghcr.io/mastodon/mastodon:v4.7.4", "amd64").await, "ghcr.io answers with status 404");
    }
}
