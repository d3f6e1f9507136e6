//! 3. plan: which resources, in which order. Pure: the same inputs give the same plan.

pub mod base;
pub mod dns;
pub mod docker;
pub mod edge;
pub mod finish;
pub mod hardening;
pub mod mastodon;
pub mod proxy;
pub mod removal;
#[cfg(test)]
mod tests;

use std::time::Duration;

use secrecy::SecretString;

use crate::facts::Facts;
use crate::resource::Resource;
use crate::secrets::Secrets;
use crate::settings::{Settings, UserName};

/// All that a plan is made from.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// What the operator wants.
    pub settings: Settings,
    /// What the machine is.
    pub facts: Facts,
    /// What it keeps to itself.
    pub secrets: Secrets,
}

impl Inputs {
    /// The sudo user that is asked for and its password.
    pub(crate) fn sudo(&self) -> Option<(UserName, SecretString)> {
        let name = self.settings.sudo_user.clone()?;
        let password = self.secrets.sudo_passwords.get(&name).expect("whoever plans has given the sudo user a password");
        Some((name, password.clone()))
    }
}

/// The whole installation. Reads top to bottom; arguments are what must come first.
pub fn build(with: &Inputs) -> Plan {
    let mut plan = Plan::default();
    let base = base::add(&mut plan, with);
    let dns = dns::add(&mut plan, with);
    let docker = docker::add(&mut plan, with, &base);
    edge::add(&mut plan, with, &dns, &docker);
    let app = mastodon::add(&mut plan, with, &base, &docker);
    if with.settings.behind_proxy {
        proxy::add(&mut plan, with, &dns, &docker, app.serving);
    }
    hardening::add(&mut plan, with, &base);
    finish::add(&mut plan, with, &base, app.owner);
    plan
}

/// A step that was added to a plan. Only [`Plan`] makes these, so a step can name only earlier ones: there are no cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepRef(usize);

impl StepRef {
    /// Its place in [`Plan::steps`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// Everything that the machine should have, in an order that works.
#[derive(Default)]
pub struct Plan {
    steps: Vec<Step>,
}

/// One resource with its place in the order.
pub struct Step {
    /// Stable name, `group/thing`: `docker/packages`. Used in reports, stamps and tests.
    pub id: String,
    /// What should be so.
    pub resource: Box<dyn Resource>,
    /// Steps whose failure blocks this one.
    pub needs: Vec<StepRef>,
    /// Steps that are waited for at most so long, whatever becomes of them.
    pub after: Vec<(StepRef, Duration)>,
    /// How often and how long to try.
    pub patience: Patience,
}

/// How often a step is applied and how long its effect may take to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How many times apply may be tried.
    pub tries: u32,
    /// How long the check may still find a difference after an apply, or while it only waits.
    pub settle: Duration,
    /// How long it waits between two looks meanwhile, at first.
    pub every: Duration,
    /// What that doubles to, look by look: for a look that costs the machine something.
    pub at_most: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self::settle(Duration::ZERO, Duration::from_secs(1))
    }
}

impl Patience {
    /// Waits up to `settle` for the effect to show, looking each `every`.
    pub const fn settle(settle: Duration, every: Duration) -> Self {
        Self { tries: 1, settle, every, at_most: every }
    }

    /// Looks less and less often, in the end each `at_most`.
    #[must_use]
    pub const fn backing_off(mut self, at_most: Duration) -> Self {
        self.at_most = at_most;
        self
    }

    /// Tries apply this many times.
    #[must_use]
    pub const fn tries(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }
}

/// For what was just told to start.
pub(crate) const STARTS: Patience = Patience::settle(Duration::from_secs(30), Duration::from_millis(500));

/// A step being described; [`StepBuilder::add`] puts it into the plan.
#[must_use = "a step is in the plan only after `add`"]
pub struct StepBuilder<'a> {
    plan: &'a mut Plan,
    step: Step,
}

impl Plan {
    /// Starts describing a step; `id` must be new.
    pub fn step(&mut self, id: impl Into<String>, resource: impl Resource + 'static) -> StepBuilder<'_> {
        let id = id.into();
        debug_assert!(self.steps.iter().all(|step| step.id != id), "two steps named {id}");
        let step = Step { id, resource: Box::new(resource), needs: Vec::new(), after: Vec::new(), patience: Patience::default() };
        StepBuilder { plan: self, step }
    }

    /// The steps, each after all that it names.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// A step.
    pub fn get(&self, step: StepRef) -> &Step {
        &self.steps[step.0]
    }
}

impl StepBuilder<'_> {
    /// These must have succeeded.
    pub fn needs(mut self, steps: impl IntoIterator<Item = StepRef>) -> Self {
        self.step.needs.extend(steps);
        self
    }

    /// This is waited for, but not longer than `at_most`.
    pub fn after(mut self, step: StepRef, at_most: Duration) -> Self {
        self.step.after.push((step, at_most));
        self
    }

    /// How often and how long to try.
    pub fn patience(mut self, patience: Patience) -> Self {
        self.step.patience = patience;
        self
    }

    /// Puts the step into the plan.
    pub fn add(self) -> StepRef {
        self.plan.steps.push(self.step);
        StepRef(self.plan.steps.len() - 1)
    }
}

#[cfg(test)]
impl Inputs {
    /// What a test plans from unless it says otherwise: the sample settings on a bare Debian 11 with 2 GB and one processor.
    pub(crate) fn sample() -> Self {
        static SECRETS: std::sync::LazyLock<Secrets> = std::sync::LazyLock::new(|| {
            let mut secrets = Secrets::generate().expect("random bytes");
            if let Some(name) = &Settings::sample().sudo_user {
                secrets.add_sudo_user(name).expect("random bytes");
            }
            secrets
        });
        let facts = Facts {
            release: crate::facts::Release::Bullseye,
            architecture: "amd64".into(),
            memory: 1968 << 20,
            cpus: 1,
            linode: true,
            ssh_ports: vec![22],
            foreign_docker: false,
            docker_packages: crate::facts::DOCKER_PACKAGES.map(String::from).to_vec(),
            foreign_firewall: None,
        };
        Self { settings: Settings::sample(), facts, secrets: SECRETS.clone() }
    }
}
