//! What is only known or wanted once everything else stands.

use super::base::Base;
use super::{Inputs, Plan, StepRef};
use crate::host::Cmd;
use crate::resource::{Credentials, Once};

/// Adds the steps. `owner`: the owner's account exists.
pub fn add(plan: &mut Plan, with: &Inputs, base: &Base, owner: StepRef) {
    let settings = &with.settings;
    let password = with.secrets.owner_password.clone();
    let credentials = Credentials::new(settings.owner.as_str(), settings.owner_email.as_str(), password, with.sudo());
    let credentials = plan.step("finish/credentials", credentials).needs(base.user).needs([owner]).add();
    if settings.harden {
        let write = Cmd::new("systemctl").args(["start", "--no-block", "tootstrap-status.service"]);
        let motd = Once::new("finish/motd", "write the first message of the day", [write]);
        plan.step("finish/motd", motd).needs([credentials]).add();
    }
}
