//! Mastodon: tables, processes, owner.

use std::time::Duration;

use super::base::Base;
use super::docker::Docker;
use super::{Inputs, Patience, Plan, StepRef};
use crate::assets::BACK_PAGE;
use crate::host::Access;
use crate::resource::File;
use crate::resource::docker::{PROJECT, Services};
use crate::resource::mastodon::{Database, Owner, Seeds};
use crate::sizing::Sizing;

/// Copies of other servers' media are kept a week.
const MEDIA_DAYS: u32 = 7;
/// Sidekiq and Rails boot within this even on the smallest machine.
const BOOT: Patience = Patience::settle(Duration::from_mins(10), Duration::from_secs(2));

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
    let small = Sizing::of(&with.facts).small;
    let database = Database::new(&with.settings.images.mastodon_version, small);
    let database = plan.step("app/database", database).needs([docker.stores, docker.mastodon]).needs(base.swap).add();
    let (serving, owner) = if small {
        // There is no memory for both at once.
        let owner = plan.step("app/owner", owner(with)).needs([database]).add();
        let services = Services::new(&["sidekiq", "streaming", "web"]);
        let serving = plan.step("app/services", services).needs([database, docker.streaming]).after(owner, Duration::from_mins(20));
        (serving.patience(BOOT).add(), owner)
    } else {
        let services = Services::new(&["sidekiq", "streaming", "web"]);
        let serving = plan.step("app/services", services).needs([database, docker.streaming]).patience(BOOT).add();
        (serving, plan.step("app/owner", owner(with)).needs([database]).add())
    };
    let page = File::text(format!("{PROJECT}/caddy/site/back.html"), BACK_PAGE, Access::root(0o644));
    plan.step("app/page", page).needs([serving]).add();
    App { serving, owner }
}

fn owner(with: &Inputs) -> Owner {
    let settings = &with.settings;
    Owner {
        name: settings.owner.clone(),
        email: settings.owner_email.clone(),
        password: with.secrets.owner_password.clone(),
        email_is_ours: settings.names().iter().any(|name| name.as_str() == settings.owner_email.domain()),
        seeds: Seeds { registrations: settings.registrations, contact: settings.contact.clone(), media_days: MEDIA_DAYS },
    }
}
