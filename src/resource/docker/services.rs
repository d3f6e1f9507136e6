//! Containers of the Compose project.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::{Drift, Resource, is_stop, stamp};
use super::api::{self, Container};
use super::{PROJECT, compose, health, installed, known};
use crate::host::{Host, Probe};
use crate::report::WithRemedy;

/// The label with which Compose remembers the hash of a service's definition.
const HASH: &str = "com.docker.compose.config-hash";
/// Our digest of Mastodon's environment.
const ENVIRONMENT: &str = "org.tootstrap.environment";
/// Longest a container may take from its start to healthy, in seconds: twice a slow boot of Rails.
const WAIT: Duration = Duration::from_mins(10);

/// Each `up` makes all networks of the project that are missing: two at once would make them twice. A leaf lock, held for a second.
static UP: Mutex<()> = Mutex::const_new(());

/// Containers that run as the Compose files define them and are healthy.
///
/// "As defined" means that the hash on the running container equals the one that `docker compose config --hash` prints now. Compose
/// releases from 2.22 to mid-2026 print another hash than they write for services with `env_file` (docker/compose#14001), so the pair
/// that belonged together after our last `up` is remembered and accepted too.
#[derive(Debug)]
pub struct Services {
    names: &'static [&'static str],
    /// What the label of Mastodon's environment shall say; a preview tells by it what settings not yet written will change.
    environment: Option<String>,
}

impl Services {
    /// By their names in `compose.yaml`.
    pub const fn new(names: &'static [&'static str]) -> Self {
        Self { names, environment: None }
    }

    /// By their names in `compose.yaml`, with the digest of their environment.
    pub const fn of_mastodon(names: &'static [&'static str], environment: Option<String>) -> Self {
        Self { names, environment }
    }

    async fn conditions(&self, host: &dyn Probe) -> anyhow::Result<BTreeMap<&'static str, Condition>> {
        if !installed(host).await || host.stat(Path::new(PROJECT)).await?.is_none() {
            return Ok(self.names.iter().map(|name| (*name, Condition::Missing)).collect());
        }
        let (containers, known) = (containers(host).await?, known::read(host).await?);
        let is_known = |name: &str, container: &Container| known.get(name).is_some_and(|hash| container.label(HASH) == hash);
        let all_known = self.names.iter().all(|name| containers.get(*name).is_some_and(|container| is_known(name, container)));
        let none = !self.names.iter().any(|name| containers.contains_key(*name));
        // With files that are ours alone there is nothing that Compose could refuse.
        let need_not_ask = all_known || !is_whole(host).await? || (none && !known::shared(host).await?);
        let wanted = if need_not_ask { None } else { Some(wanted_hashes(host).await?) };
        let mut conditions = BTreeMap::new();
        for name in self.names {
            let condition = match containers.get(*name) {
                None => Condition::Missing,
                Some(container) if self.environment.as_ref().is_some_and(|digest| container.label(ENVIRONMENT) != digest) => {
                    Condition::Outdated
                }
                Some(container) if !is_as_defined(host, name, container, wanted.as_ref()).await? => Condition::Outdated,
                Some(container) => match Condition::from(container) {
                    Condition::Starting if health::passes(host, container).await? => Condition::Good,
                    condition => condition,
                },
            };
            conditions.insert(*name, condition);
        }
        Ok(conditions)
    }

    /// Makes and starts them.
    async fn start(&self, host: &dyn Host) -> anyhow::Result<()> {
        let _alone = UP.lock().await;
        let inputs = known::inputs(host.probe()).await?;
        let up = host.run(&compose().args(["up", "--detach", "--no-deps"]).args(self.names.iter().copied())).await;
        if let Err(error) = up {
            return Err(self.with_last_words(host, error.into()).await);
        }
        self.note(host, inputs).await.with_context(|| format!("{self} started, but how they are defined could not be noted"))
    }

    /// Waits until all are healthy.
    async fn become_healthy(&self, host: &dyn Host) -> anyhow::Result<()> {
        let began = Instant::now();
        if self.are_healthy(host, began).await? {
            return Ok(());
        }
        // What is wrong Compose knows best.
        let rest = WAIT.saturating_sub(began.elapsed()).as_secs() + 1;
        let wait =
            compose().args(["up", "--detach", "--no-deps", "--wait", "--wait-timeout", &rest.to_string()]).args(self.names.iter().copied());
        host.run(&wait.timeout(Duration::from_secs(rest + 60))).await?;
        Ok(())
    }

    /// Looks until all are healthy, or the run is told to stop. `false`: one of them is in trouble, or the time is over. What Docker says costs nothing; a test of our
    /// own is a process in the container, so there is one after half a second, and the next each time when half as much again has passed.
    async fn are_healthy(&self, host: &dyn Host, began: Instant) -> anyhow::Result<bool> {
        let mut passed = BTreeSet::new();
        let mut next = Duration::from_millis(500);
        while began.elapsed() < WAIT {
            let is_due = began.elapsed() >= next;
            let containers = containers(host.probe()).await?;
            let mut all = true;
            for name in self.names {
                let Some(container) = containers.get(*name) else { return Ok(false) };
                match Condition::from(container) {
                    Condition::Good => {}
                    Condition::Starting if passed.contains(name) => {}
                    Condition::Starting if is_due && health::passes(host.probe(), container).await? => _ = passed.insert(name),
                    Condition::Starting => all = false,
                    _ => return Ok(false),
                }
            }
            if all {
                return Ok(true);
            }
            if is_due {
                next = began.elapsed() * 3 / 2;
            }
            host.pause(Duration::from_millis(250)).await?;
        }
        Ok(false)
    }

    /// Adds what `up` has just made to what is known. `inputs`: what [`known::inputs`] told before it.
    async fn note(&self, host: &dyn Host, inputs: Option<String>) -> anyhow::Result<()> {
        let Some(inputs) = inputs else { return Ok(()) };
        let mut hashes = known::read(host.probe()).await?;
        let containers = containers(host.probe()).await?;
        let made = self.names.iter().filter_map(|name| Some(((*name).to_owned(), containers.get(*name)?.label(HASH).to_owned())));
        hashes.extend(made);
        known::write(host, &inputs, &hashes).await
    }

    /// Writes down which hashes belong together now.
    async fn remember(&self, host: &dyn Host) -> anyhow::Result<()> {
        let (containers, wanted) = (containers(host.probe()).await?, wanted_hashes(host.probe()).await?);
        for name in self.names {
            if let (Some(container), Some(wanted)) = (containers.get(*name), wanted.get(*name))
                && container.label(HASH) != wanted
            {
                stamp::write(host, &stamp_name(name), &pair(host.probe(), container.label(HASH), wanted).await?).await?;
            }
        }
        Ok(())
    }

    /// Why they do not run, with what they said themselves. A stop has nothing to do with them.
    async fn with_last_words(&self, host: &dyn Host, error: anyhow::Error) -> anyhow::Error {
        if is_stop(&error) {
            return error;
        }
        let words = self.last_words(host).await;
        error.context(format!("{self} did not become healthy; last lines of their logs:\n{}", words.trim_end()))
    }

    /// The last lines of containers that did not become healthy.
    async fn last_words(&self, host: &dyn Host) -> String {
        let unhealthy = match self.conditions(host.probe()).await {
            Ok(conditions) => conditions.into_iter().filter(|(_, condition)| *condition != Condition::Good).map(|(name, _)| name).collect(),
            Err(_) => self.names.to_vec(),
        };
        match host.query(&compose().args(["logs", "--no-color", "--tail", "20"]).args(unhealthy)).await {
            // Even without colours Compose clears the line first.
            Ok(logs) => logs.stdout.replace("\u{1b}[2K", ""),
            Err(error) => format!("(no logs: {error})"),
        }
    }
}

/// Writes down which containers are as defined, so that later runs need not ask Compose as long as its files stay as they are.
///
/// # Errors
/// Docker or Compose does not answer, or the record cannot be written.
pub async fn remember_definitions(host: &dyn Host) -> anyhow::Result<()> {
    let (probe, containers) = (host.probe(), containers(host.probe()).await?);
    let labels = |name: &str, container: &Container| (name.to_owned(), container.label(HASH).to_owned());
    let all: Hashes = containers.iter().map(|(name, container)| labels(name, container)).collect();
    let Some(inputs) = known::inputs(probe).await?.filter(|_| !all.is_empty()) else { return Ok(()) };
    if known::read(probe).await? == all {
        return Ok(());
    }
    let wanted = wanted_hashes(probe).await?;
    let mut good = Hashes::new();
    for (name, container) in &containers {
        if wanted.contains_key(name) && is_as_defined(probe, name, container, Some(&wanted)).await? {
            good.extend([labels(name, container)]);
        }
    }
    known::write(host, &inputs, &good).await
}

/// Hash of each service's definition.
type Hashes = BTreeMap<String, String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Missing,
    Outdated,
    Stopped,
    Paused,
    Unhealthy,
    Starting,
    Good,
}

impl From<&Container> for Condition {
    fn from(container: &Container) -> Self {
        match container.state.as_str() {
            "running" if container.status.contains("(unhealthy)") => Self::Unhealthy,
            "running" if container.status.contains("(health: starting)") => Self::Starting,
            "running" => Self::Good,
            "paused" => Self::Paused,
            _ => Self::Stopped,
        }
    }
}

fn stamp_name(service: &str) -> String {
    format!("containers/{service}")
}

/// What Compose tells now about every service.
async fn wanted_hashes(host: &dyn Probe) -> anyhow::Result<Hashes> {
    let answer = host.query(&compose().args(["config", "--hash", "*"])).await?;
    if !answer.success() {
        return Err(anyhow!("Compose refuses the project: {}", answer.stderr.trim()))
            .remedy(format!("look at compose.override.yaml and custom.env in {PROJECT}, if they exist"));
    }
    Ok(answer.stdout.lines().filter_map(|line| line.split_once(' ')).map(|(name, hash)| (name.into(), hash.trim().into())).collect())
}

/// `wanted`: the hashes that Compose tells. `None`: it need not be asked, or cannot yet; the step that writes its files says what they lack.
async fn is_as_defined(host: &dyn Probe, name: &str, container: &Container, wanted: Option<&Hashes>) -> anyhow::Result<bool> {
    let Some(wanted) = wanted else { return Ok(true) };
    let wanted = wanted.get(name).with_context(|| format!("Compose told no hash for the service {name}"))?;
    let label = container.label(HASH);
    Ok(label == wanted || stamp::read(host, &stamp_name(name)).await? == Some(pair(host, label, wanted).await?))
}

/// Whether every file is there without which Compose answers nothing.
async fn is_whole(host: &dyn Probe) -> anyhow::Result<bool> {
    for file in ["compose.yaml", "env.production", "secrets.env"] {
        if host.stat(&Path::new(PROJECT).join(file)).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `custom.env` is part of it, since it may not be part of the hash.
async fn pair(host: &dyn Probe, hash: &str, wanted: &str) -> anyhow::Result<String> {
    let custom = stamp::fingerprint(host, &[PathBuf::from(PROJECT).join("custom.env")]).await?;
    Ok(format!("{hash} {wanted} {custom}"))
}

/// The project's containers by service.
async fn containers(host: &dyn Probe) -> anyhow::Result<BTreeMap<String, Container>> {
    let ours = |container: Container| Some((container.service()?.to_owned(), container));
    Ok(api::containers(host).await?.into_iter().filter_map(ours).collect())
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.names.len() == 1 { "container" } else { "containers" };
        write!(f, "{noun} {}", self.names.join(", "))
    }
}

#[async_trait]
impl Resource for Services {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::none();
        let mut starting = Vec::new();
        for (name, condition) in self.conditions(host).await? {
            match condition {
                Condition::Missing => drift.push_do(format!("create container {name}")),
                Condition::Outdated => drift.push_do(format!("replace container {name}: its definition has changed")),
                Condition::Stopped => drift.push_do(format!("start container {name}")),
                Condition::Paused => drift.push_do(format!("let container {name} go on: it is paused")),
                Condition::Unhealthy => drift.push_do(format!("restart container {name}: it is unhealthy")),
                Condition::Starting => starting.push(name),
                Condition::Good => {}
            }
        }
        if !starting.is_empty() {
            let names = starting.join(", ");
            let remedy = format!("look at its log: sudo tootstrap logs {}", starting.join(" "));
            drift.merge(Drift::waiting(format!("{names} to be healthy"), remedy));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let containers = containers(host.probe()).await?;
        // What is paused cannot be started, also if it shall be replaced; what goes on after a pause has missed its tests and counts as unhealthy.
        for (word, conditions) in [("unpause", &[Condition::Paused][..]), ("restart", &[Condition::Paused, Condition::Unhealthy])] {
            let is_so = |name: &&&str| containers.get(**name).is_some_and(|found| conditions.contains(&Condition::from(found)));
            let names: Vec<_> = self.names.iter().filter(is_so).copied().collect();
            if !names.is_empty() {
                host.run(&compose().arg(word).args(names)).await?;
            }
        }
        self.start(host).await?;
        let (healthy, remembered) = tokio::join!(self.become_healthy(host), self.remember(host));
        match healthy {
            Ok(()) => remembered,
            Err(error) => Err(self.with_last_words(host, error).await),
        }
    }
}

#[cfg(test)]
mod tests;
