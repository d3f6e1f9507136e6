//! Docker, the images, and the files of the Compose project.

use std::time::Duration;

use super::base::Base;
use super::{Inputs, Patience, Plan, StepRef};
use crate::assets::{self, Project};
use crate::host::Access;
use crate::resource::docker::{Digests, DockerReady, Image, MetadataShut, Networks, PROJECT, PullsBegun, PullsSynced, metadata};
use crate::resource::{Directory, File, Refusal, Unit};
use crate::sizing::Sizing;

/// Users inside the official images (mastodon.md §1.2; docker-library's postgres and redis, alpine).
const POSTGRES: (u32, u32) = (70, 70);
const REDIS: (u32, u32) = (999, 1000);
const MASTODON: (u32, u32) = (991, 991);

/// Steps that others name.
#[derive(Clone, Copy, Debug)]
pub struct Docker {
    /// Docker answers.
    pub ready: StepRef,
    /// Every file of the Compose project is there.
    pub project: StepRef,
    /// Images of PostgreSQL and Redis are here.
    pub stores: [StepRef; 2],
    /// Caddy's image is here. `None`: another web server does its work.
    pub caddy: Option<StepRef>,
    /// Mastodon's image is here.
    pub mastodon: StepRef,
    /// Streaming's image is here.
    pub streaming: StepRef,
}

/// Adds the steps.
pub fn add(plan: &mut Plan, with: &Inputs, base: &Base) -> Docker {
    let ready = daemon(plan, with, base);
    let ready = if with.facts.foreign_docker { ready } else { plan.step("docker/networks", Networks).needs([ready]).add() };
    let metadata = metadata(plan, base);
    let project = project(plan, with, base, metadata);
    let images = pulls(plan, with, ready);
    Docker {
        ready,
        project,
        stores: [images.postgres, images.redis],
        caddy: images.caddy,
        mastodon: images.mastodon,
        streaming: images.streaming,
    }
}

fn daemon(plan: &mut Plan, with: &Inputs, base: &Base) -> StepRef {
    let patience = Patience::settle(Duration::from_mins(1), Duration::from_millis(500));
    if with.facts.foreign_docker {
        return plan.step("docker/ready", DockerReady).needs([base.packages]).patience(patience).add();
    }
    let directory = plan.step("docker/directory", Directory::new("/etc/docker", Access::root(0o755))).needs([base.records]).add();
    let file = File::text("/etc/docker/daemon.json", assets::DAEMON_JSON, Access::root(0o644));
    let file = plan.step("docker/daemon.json", file).needs([directory]).add();
    plan.step("docker/ready", DockerReady).needs([base.packages, file]).patience(patience).add()
}

/// Before any container is made.
fn metadata(plan: &mut Plan, base: &Base) -> StepRef {
    let unit = File::text(metadata::UNIT_PATH, metadata::UNIT_FILE, Access::root(0o644));
    let unit = plan.step("docker/metadata-unit", unit).needs([base.records]).add();
    let enabled = plan.step("docker/metadata-enabled", Unit::enabled([metadata::UNIT])).needs([unit]).add();
    plan.step("docker/metadata", MetadataShut).needs([enabled, base.packages]).add()
}

struct Pulls {
    caddy: Option<StepRef>,
    postgres: StepRef,
    redis: StepRef,
    mastodon: StepRef,
    streaming: StepRef,
}

/// Caddy's image first, so that something answers, and PostgreSQL's, which makes its cluster while Mastodon's, the largest, is pulled; Redis'
/// small one as soon as Caddy's is here; streaming's last. On a small machine one after the other.
fn pulls(plan: &mut Plan, with: &Inputs, ready: StepRef) -> Pulls {
    let images = &with.settings.images;
    let all = [&images.mastodon, &images.streaming, &images.postgres, &images.redis, &images.caddy].into_iter();
    let references: Vec<_> = all.take(if with.settings.behind_proxy { 4 } else { 5 }).cloned().collect();
    let begun = PullsBegun::new(references.clone(), !with.facts.foreign_docker);
    let begun = plan.step("docker/pulls-begun", begun).needs([ready]).add();
    let one_by_one = Sizing::of(&with.facts).pulls_at_once == 1;
    let hour = Duration::from_hours(1);
    let mut pull = |name: &str, reference: &str, before: &[StepRef]| {
        let mut step = plan.step(format!("docker/image-{name}"), Image::new(reference)).needs([begun]);
        for earlier in before {
            step = step.after(*earlier, hour);
        }
        step.patience(Patience::settle(Duration::ZERO, Duration::from_secs(5)).tries(3)).add()
    };
    let caddy = (!with.settings.behind_proxy).then(|| pull("caddy", &images.caddy, &[]));
    let postgres = pull("postgres", &images.postgres, if one_by_one { caddy.as_slice() } else { &[] });
    let redis = pull("redis", &images.redis, if one_by_one { std::slice::from_ref(&postgres) } else { caddy.as_slice() });
    let mastodon = pull("mastodon", &images.mastodon, &[if one_by_one { redis } else { postgres }]);
    let streaming = pull("streaming", &images.streaming, &[mastodon, redis]);
    let synced = plan.step("docker/pulls-synced", PullsSynced).needs(caddy).needs([postgres, redis, mastodon, streaming]).add();
    plan.step("docker/images", Digests::new(references)).needs([synced]).add();
    Pulls { caddy, postgres, redis, mastodon, streaming }
}

/// Directories and files. They do not need Docker, so they are there long before it is.
fn project(plan: &mut Plan, with: &Inputs, base: &Base, metadata: StepRef) -> StepRef {
    let directories = directories(plan, with, base);
    let files = match Project::render(with) {
        Ok(project) => files(project, with.settings.behind_proxy),
        Err(error) => return plan.step("docker/project", Refusal::new("files of the Compose project", &error)).needs([base.records]).add(),
    };
    let mut needs = directories.clone();
    for (id, file) in files {
        needs.push(plan.step(format!("docker/{id}"), file).needs(directories.iter().copied()).add());
    }
    needs.push(metadata);
    // One step to name for all of them.
    plan.step("docker/project", Directory::new(PROJECT, Access::root(0o755))).needs(needs).add()
}

fn directories(plan: &mut Plan, with: &Inputs, base: &Base) -> Vec<StepRef> {
    let owned = |(uid, gid), mode| Access { mode, uid, gid };
    let wanted = [
        ("postgres/17", owned(POSTGRES, 0o700)),
        ("postgres/secret", owned(POSTGRES, 0o700)),
        ("redis/data", owned(REDIS, 0o700)),
        ("redis/conf", owned(REDIS, 0o700)),
        ("public/system", owned(MASTODON, 0o755)),
    ];
    let caddy = [
        ("caddy/conf", Access::root(0o755)),
        ("caddy/custom", Access::root(0o755)),
        ("caddy/site", Access::root(0o755)),
        ("caddy/data", Access::root(0o700)),
        ("caddy/config", Access::root(0o700)),
        ("caddy/run", Access::root(0o700)),
    ];
    let proxy = [("proxy", Access::root(0o755))];
    let edge: &[_] = if with.settings.behind_proxy { &proxy } else { &caddy };
    let step = |(path, access): (&str, Access)| {
        let directory = Directory::new(format!("{PROJECT}/{path}"), access);
        plan.step(format!("docker/directory-{}", path.replace('/', "-")), directory).needs([base.records]).add()
    };
    wanted.iter().chain(edge).copied().map(step).collect()
}

fn files(project: Project, behind_proxy: bool) -> Vec<(&'static str, File)> {
    let at = |path: &str| format!("{PROJECT}/{path}");
    let readable = Access::root(0o644);
    let owned = |(uid, gid)| Access { mode: 0o600, uid, gid };
    let mut files = vec![
        ("compose.yaml", File::text(at("compose.yaml"), project.compose, readable)),
        ("env.production", File::text(at("env.production"), project.environment, readable)),
        ("secrets.env", File::secret(at("secrets.env"), project.secrets, Access::root(0o600))),
        ("postgres-password", File::secret(at("postgres/secret/password"), project.postgres, owned(POSTGRES))),
        ("redis.conf", File::secret(at("redis/conf/redis.conf"), project.redis, owned(REDIS))),
    ];
    if !behind_proxy {
        files.push(("Caddyfile", File::text(at("caddy/conf/Caddyfile"), project.caddyfile, readable)));
        files.push(("page-setup", File::text(at("caddy/site/setup.html"), assets::page::SETUP_PAGE.as_str(), readable)));
    }
    files
}
