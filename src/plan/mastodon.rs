//! Mastodon: databases, tables, processes, owner.

use std::sync::Arc;
use std::time::Duration;

use super::base::Base;
use super::docker::Docker;
use super::{Inputs, Patience, Plan, StepRef};
use crate::assets::Project;
use crate::assets::page;
use crate::host::Access;
use crate::resource::File;
use crate::resource::docker::{Services, Stores};
use crate::resource::mastodon::{Content, Database, Owner, Seeds};
use crate::sizing::Sizing;

/// Shown whenever an installed Mastodon does not answer; made when it has first served.
pub const BACK_PAGE: &str = "/opt/mastodon/caddy/site/back.html";

/// Copies of other servers' media are kept a week.
const MEDIA_DAYS: u32 = 7;
/// Sidekiq and Rails boot within this even on the smallest machine.
const BOOT: Patience = starting(Duration::from_mins(10));

/// For containers that start: each look runs a process in every one of them, next to what they do themselves.
const fn starting(settle: Duration) -> Patience {
    Patience::settle(settle, Duration::from_millis(500)).backing_off(Duration::from_secs(5))
}

/// Steps that others name.
#[derive(Clone, Copy, Debug)]
pub struct App {
    /// Web, Sidekiq and streaming are healthy.
    pub serving: StepRef,
    /// The owner has an account.
    pub owner: StepRef,
}

/// Adds the steps.
pub fn add(plan: &mut Plan, with: &Inputs, base: &Base, docker: &Docker) -> App {
    let stores =
        plan.step("app/stores", Stores).needs([docker.project]).needs(docker.stores).patience(starting(Duration::from_mins(5))).add();
    let small = Sizing::of(&with.facts).small;
    let content = Content::new(with.settings.owner.clone());
    let database = Database::new(&with.settings.images.mastodon_version, Arc::clone(&content), small);
    let database = plan.step("app/database", database).needs([stores, docker.mastodon]).needs(base.swap).add();
    // Settings that cannot be written down are refused by the step of the files.
    let digest = Project::render(with).map(|project| project.digest).ok();
    let services = Services::of_mastodon(&["sidekiq", "streaming", "web"], digest);
    let (serving, owner) = if small {
        // There is no memory for both at once.
        let owner = plan.step("app/owner", owner(with, content)).needs([database]).add();
        let serving = plan.step("app/services", services).needs([database, docker.streaming]).after(owner, Duration::from_mins(20));
        (serving.patience(BOOT).add(), owner)
    } else {
        let serving = plan.step("app/services", services).needs([database, docker.streaming]).patience(BOOT).add();
        (serving, plan.step("app/owner", owner(with, content)).needs([database]).add())
    };
    if !with.settings.behind_proxy {
        let page = File::text(BACK_PAGE, page::BACK_PAGE.as_str(), Access::root(0o644));
        plan.step("app/page", page).needs([serving]).add();
    }
    App { serving, owner }
}

fn owner(with: &Inputs, content: Arc<Content>) -> Owner {
    let settings = &with.settings;
    Owner {
        name: settings.owner.clone(),
        content,
        email: settings.owner_email.clone(),
        password: with.secrets.owner_password.clone(),
        email_is_ours: settings.names().iter().any(|name| name.as_str() == settings.owner_email.domain()),
        seeds: Seeds { registrations: settings.registrations, contact: settings.contact.clone(), media_days: MEDIA_DAYS },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each step: `id: ids of what it needs; ~id of what it comes after`.
    fn order(memory: u64) -> Vec<String> {
        let mut inputs = Inputs::sample();
        inputs.facts.memory = memory << 20;
        let plan = crate::plan::build(&inputs);
        let id = |step: StepRef| plan.get(step).id.as_str();
        let line = |step: &crate::plan::Step| {
            let needs = step.needs.iter().map(|needed| id(*needed).to_owned());
            let after = step.after.iter().map(|(earlier, _)| format!("~{}", id(*earlier)));
            format!("{}: {}", step.id, needs.chain(after).collect::<Vec<_>>().join(" "))
        };
        let ours = |line: &String| ["docker/image-", "app/", "edge/"].iter().any(|group| line.starts_with(group));
        plan.steps().iter().map(line).filter(ours).collect()
    }

    #[test]
    fn with_two_gigabytes_pulls_and_rails_run_side_by_side() {
        let expected = [
            "docker/image-caddy: docker/pulls-begun",
            "docker/image-postgres: docker/pulls-begun",
            "docker/image-redis: docker/pulls-begun ~docker/image-caddy",
            "docker/image-mastodon: docker/pulls-begun ~docker/image-postgres",
            "docker/image-streaming: docker/pulls-begun ~docker/image-mastodon ~docker/image-redis",
            "edge/ports: docker/networks",
            "edge/caddy: docker/project docker/image-caddy edge/ports",
            "edge/loaded: edge/caddy",
            "edge/certificate: edge/loaded ~dns/published",
            "app/stores: docker/project docker/image-postgres docker/image-redis",
            "app/database: app/stores docker/image-mastodon base/swap",
            "app/services: app/database docker/image-streaming",
            "app/owner: app/database",
            "app/page: app/services",
        ];
        assert_eq!(order(1968), expected);
    }

    #[test]
    fn with_one_gigabyte_everything_comes_one_after_the_other() {
        let order = order(970);
        let has = |line: &str| assert!(order.iter().any(|step| step == line), "{order:#?}");
        has("docker/image-postgres: docker/pulls-begun ~docker/image-caddy");
        has("docker/image-redis: docker/pulls-begun ~docker/image-postgres");
        has("docker/image-mastodon: docker/pulls-begun ~docker/image-redis");
        has("app/owner: app/database");
        has("app/services: app/database docker/image-streaming ~app/owner");
    }
}
