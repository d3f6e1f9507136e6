//! Every step is a task that waits for the steps it names: check, apply, check.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Stop;
use super::spans::Spans;
use super::watched::Watched;
use crate::host::{Host, News};
use crate::plan::{Plan, Step, StepRef};
use crate::report::{Counts, Event, Events, Outcome, Part, Problem, StepInfo, awaited};
use crate::resource::{Change, Drift, Lock, is_stop};

/// Whether anything may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Check, apply, check.
    Apply,
    /// Check only.
    Preview,
}

/// Runs plans.
pub struct Engine {
    /// The machine.
    pub host: Arc<dyn Host>,
    /// Where events go.
    pub events: Events,
    /// Signals.
    pub stop: Stop,
    /// How many checks and applies may be under way at once.
    pub jobs: usize,
}

/// How each step ended, in plan order.
#[derive(Clone, Debug)]
pub struct Report {
    /// Id and outcome.
    pub outcomes: Vec<(String, Outcome)>,
    /// The same, counted.
    pub counts: Counts,
}

type Ended = watch::Receiver<Option<Outcome>>;

impl Engine {
    /// Runs every step of the plan and tells the events.
    pub async fn run(&self, plan: Plan, mode: Mode) -> Report {
        let began = Instant::now();
        let id = |step: &StepRef| plan.get(*step).id.clone();
        let info = |step: &Step| StepInfo {
            needs: step.needs.iter().map(id).collect(),
            after: step.after.iter().map(|(earlier, _)| id(earlier)).collect(),
            ..StepInfo::new(step.id.clone(), step.resource.to_string())
        };
        let steps = plan.steps().iter().map(info).collect();
        let preview = mode == Mode::Preview;
        self.events.emit(Event::Started { at: Timestamp::now(), version: env!("CARGO_PKG_VERSION").into(), preview, steps });

        let outcomes = self.run_steps(Arc::new(plan), mode, began).await;

        let mut counts = Counts::default();
        for (_, outcome) in &outcomes {
            counts.add(outcome);
        }
        let complete = !counts.broken() && counts.waiting == 0;
        self.events.emit(Event::Finished { at: Timestamp::now(), counts, seconds: began.elapsed().as_secs_f64(), complete });
        Report { outcomes, counts }
    }

    async fn run_steps(&self, plan: Arc<Plan>, mode: Mode, began: Instant) -> Vec<(String, Outcome)> {
        let shared = Arc::new(Shared {
            stop: self.stop.clone(),
            slots: Semaphore::new(self.jobs.max(1)),
            locks: [Lock::Apt, Lock::Accounts].map(|lock| (lock, Arc::default())).into(),
            mode,
        });
        let (senders, receivers): (Vec<_>, Vec<Ended>) = plan.steps().iter().map(|_| watch::channel(None)).unzip();
        let receivers = Arc::new(receivers);
        let mut tasks = JoinSet::new();
        for (index, sender) in senders.into_iter().enumerate() {
            let (shared, plan, receivers) = (Arc::clone(&shared), Arc::clone(&plan), Arc::clone(&receivers));
            let spans = Spans { id: plan.steps()[index].id.clone(), events: self.events.clone(), began };
            let host = Watched::new(Arc::clone(&self.host), spans.clone());
            tasks.spawn(async move {
                let run = StepRun { step: &plan.steps()[index], plan: &plan, shared: &shared, ended: &receivers, host, spans };
                sender.send_replace(Some(run.to_end().await));
            });
        }
        while let Some(joined) = tasks.join_next().await {
            if let Err(panic) = joined {
                log::error!("a step panicked: {panic}");
            }
        }
        let lost = || Outcome::Failed { why: "the step crashed: a defect in tootstrap".into(), remedy: None };
        let outcome = |(step, ended): (&Step, &Ended)| (step.id.clone(), ended.borrow().clone().unwrap_or_else(lost));
        plan.steps().iter().zip(receivers.iter()).map(outcome).collect()
    }
}

struct Shared {
    stop: Stop,
    slots: Semaphore,
    locks: HashMap<Lock, Arc<Mutex<()>>>,
    mode: Mode,
}

struct StepRun<'a> {
    step: &'a Step,
    plan: &'a Plan,
    shared: &'a Shared,
    ended: &'a [Ended],
    host: Watched,
    spans: Spans,
}

/// What a step did besides its outcome.
type Done = (Outcome, Vec<Change>);

impl StepRun<'_> {
    async fn to_end(&self) -> Outcome {
        let unknown_until = match self.wait_for_others().await {
            Ok(unknown_until) => unknown_until,
            Err(outcome) => return self.tell((outcome, Vec::new()), Instant::now()),
        };
        let _exclusive = self.spans.waited(Part::Lock, self.lock()).await;
        let began = Instant::now();
        let done = match self.shared.mode {
            Mode::Apply => self.converge().await,
            Mode::Preview => self.preview(unknown_until).await,
        };
        self.tell(done, began)
    }

    /// Waits for the steps named. `Err`: this one cannot run. `Ok(Some(id))`: in a preview, that step would change first.
    async fn wait_for_others(&self) -> Result<Option<String>, Outcome> {
        let mut unknown_until = None;
        for &needed in &self.step.needs {
            let id = &self.plan.get(needed).id;
            match self.outcome_of(needed.index()).await {
                Outcome::Failed { .. } | Outcome::Blocked { .. } => return Err(Outcome::Blocked { by: id.clone() }),
                Outcome::Stopped => return Err(Outcome::Stopped),
                Outcome::Pending | Outcome::Unknown { .. } => unknown_until = unknown_until.or_else(|| Some(id.clone())),
                Outcome::Unchanged | Outcome::Changed | Outcome::Waiting { .. } => {}
            }
        }
        for &(earlier, at_most) in &self.step.after {
            // Running out of patience is what `after` is for.
            let _late = tokio::time::timeout(at_most, self.outcome_of(earlier.index())).await;
        }
        Ok(unknown_until)
    }

    async fn outcome_of(&self, index: usize) -> Outcome {
        let mut ended = self.ended[index].clone();
        match ended.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Outcome::Stopped),
            // Its task panicked and dropped the sender.
            Err(_) => Outcome::Failed { why: "the step crashed".into(), remedy: None },
        }
    }

    async fn lock(&self) -> Option<OwnedMutexGuard<()>> {
        let lock = self.step.resource.lock()?;
        Some(Arc::clone(&self.shared.locks[&lock]).lock_owned().await)
    }

    async fn preview(&self, unknown_until: Option<String>) -> Done {
        if self.shared.stop.draining() {
            return (Outcome::Stopped, Vec::new());
        }
        match (self.check().await, unknown_until) {
            (Ok(drift), _) if drift.is_empty() => (Outcome::Unchanged, Vec::new()),
            (Ok(drift), Some(after)) if drift.changes.is_empty() => (Outcome::Unknown { after }, Vec::new()),
            (Ok(Drift { changes, wait: Some(wait) }), None) if only_hasten(&changes) => (wait.into(), changes),
            (Ok(drift), _) => (Outcome::Pending, drift.changes),
            (Err(_), Some(after)) => (Outcome::Unknown { after }, Vec::new()),
            (Err(error), None) => (failed(&error), Vec::new()),
        }
    }

    /// Check, apply, check, as often as patience allows.
    async fn converge(&self) -> Done {
        let mut changes = Vec::new();
        let mut tries = 0;
        loop {
            if tries == 0 && self.shared.stop.draining() {
                return (Outcome::Stopped, changes);
            }
            let drift = match self.settled(tries > 0).await {
                Ok(drift) => drift,
                Err(error) => return (failed(&error), changes),
            };
            if let Some(wait) = drift.wait.filter(|_| drift.changes.is_empty()) {
                return (wait.into(), changes);
            }
            if drift.changes.is_empty() {
                return (if changes.is_empty() { Outcome::Unchanged } else { Outcome::Changed }, changes);
            }
            if self.shared.stop.draining() {
                return (Outcome::Stopped, changes);
            }
            if tries == self.step.patience.tries {
                return (not_converged(&drift.changes), changes);
            }
            tries += 1;
            if let Err(error) = self.apply(&drift.changes).await {
                if tries == self.step.patience.tries || is_stop(&error) {
                    return (failed(&error), changes);
                }
                log::warn!("{}: try {tries} failed: {error:#}", self.step.id);
                self.pause(self.step.patience.every).await;
            }
            merge_new(&mut changes, drift.changes);
        }
    }

    /// Checks until nothing differs, or until the step's patience with the effect ends. Before the first apply only a pure wait is patient; what
    /// waits for the operator never is.
    async fn settled(&self, applied: bool) -> anyhow::Result<Drift> {
        let deadline = Instant::now() + self.step.patience.settle;
        let (mut told, mut pause) = (false, self.step.patience.every);
        loop {
            let drift = self.check().await;
            let worth_waiting = match &drift {
                Ok(Drift { changes, wait }) => {
                    if changes.is_empty() {
                        wait.as_ref().is_some_and(|wait| wait.soon)
                    } else {
                        applied
                    }
                }
                Err(_) => applied,
            };
            if !worth_waiting || Instant::now() >= deadline || self.shared.stop.draining() {
                return drift;
            }
            if let (Ok(Drift { wait: Some(wait), .. }), false) = (&drift, told) {
                told = true;
                let what = awaited(&wait.what).to_owned();
                self.spans.events.emit(Event::Waiting { at: Timestamp::now(), id: self.step.id.clone(), what });
            }
            self.pause(pause).await;
            pause = (pause * 2).min(self.step.patience.at_most);
        }
    }

    async fn pause(&self, time: Duration) {
        let pause = async {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = self.shared.stop.drain() => {}
            }
        };
        self.spans.time(Part::Pause, "", pause).await;
    }

    async fn check(&self) -> anyhow::Result<Drift> {
        let _slot = self.spans.waited(Part::Slot, self.shared.slots.acquire()).await?;
        self.spans.time(Part::Check, "", self.step.resource.check(self.host.probe())).await
    }

    async fn apply(&self, changes: &[Change]) -> anyhow::Result<()> {
        let _slot = self.spans.waited(Part::Slot, self.shared.slots.acquire()).await?;
        let (id, events) = (self.step.id.clone(), self.spans.events.clone());
        events.emit(Event::Applying { at: Timestamp::now(), id: id.clone(), changes: changes.to_vec() });
        let news = move |news: News<'_>| {
            let id = id.clone();
            events.emit(match news {
                News::Line(line) => Event::Output { id, line: line.to_owned() },
                News::Progress(progress) => Event::Progress { id, progress },
            });
        };
        let host = self.host.with_news(Arc::new(news));
        self.spans.time(Part::Apply, "", self.step.resource.apply(&*host)).await
    }

    fn tell(&self, (outcome, changes): Done, began: Instant) -> Outcome {
        self.spans.tell(Part::Whole, "", began);
        self.spans.events.emit(Event::Step {
            at: Timestamp::now(),
            id: self.step.id.clone(),
            title: self.step.resource.to_string(),
            outcome: outcome.clone(),
            changes,
            seconds: round_to_milliseconds(began.elapsed()),
        });
        outcome
    }
}

impl From<crate::resource::Wait> for Outcome {
    fn from(wait: crate::resource::Wait) -> Self {
        Self::Waiting { what: wait.what, remedy: wait.remedy }
    }
}

fn failed(error: &anyhow::Error) -> Outcome {
    if is_stop(error) {
        return Outcome::Stopped;
    }
    Outcome::Failed { why: format!("{error:#}"), remedy: Problem::remedy_of(error).map(str::to_owned) }
}

fn not_converged(changes: &[Change]) -> Outcome {
    let left: Vec<_> = changes.iter().map(ToString::to_string).collect();
    Outcome::Failed { why: format!("it was applied, but still differs: {}", left.join("; ")), remedy: None }
}

/// Whether no change is needed for the machine to be as wanted.
fn only_hasten(changes: &[Change]) -> bool {
    changes.iter().all(|change| matches!(change, Change::Hasten { .. }))
}

fn merge_new(all: &mut Vec<Change>, new: Vec<Change>) {
    for change in new {
        if !all.contains(&change) {
            all.push(change);
        }
    }
}

fn round_to_milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
