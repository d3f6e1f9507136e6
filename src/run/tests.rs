//! The engine, tried with small resources.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow};
use async_trait::async_trait;

use super::{Engine, Mode, Report, Stop};
use crate::host::fake::FakeHost;
use crate::host::{Access, Host, HostError, Probe};
use crate::plan::{Patience, Plan};
use crate::report::{Event, Events, Outcome, Redactor, WithRemedy};
use crate::resource::apt::Packages;
use crate::resource::{Change, Drift, File, Resource, is_stop};

/// Differs until it was applied `needed` times; fails the first `failures` applies; stops the run when told.
#[derive(Default)]
struct Dummy {
    needed: u32,
    failures: u32,
    waits: bool,
    applied: Arc<AtomicU32>,
    looked: Arc<AtomicU32>,
    stop_on_apply: Option<Stop>,
}

impl fmt::Display for Dummy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dummy")
    }
}

#[async_trait]
impl Resource for Dummy {
    async fn check(&self, _host: &dyn Probe) -> anyhow::Result<Drift> {
        let looks = self.looked.fetch_add(1, Ordering::SeqCst);
        if self.waits {
            return Ok(if looks < self.needed { Drift::waiting("the world", "be patient") } else { Drift::none() });
        }
        Ok(if self.applied.load(Ordering::SeqCst) < self.needed { Drift::to_do("dummy work") } else { Drift::none() })
    }

    async fn apply(&self, _host: &dyn Host) -> anyhow::Result<()> {
        if let Some(stop) = &self.stop_on_apply {
            stop.request();
        }
        let applied = self.applied.fetch_add(1, Ordering::SeqCst);
        anyhow::ensure!(applied >= self.failures, "apply failed");
        Ok(())
    }
}

async fn run_on(host: &FakeHost, plan: Plan, mode: Mode, stop: Stop) -> (Report, Vec<Event>) {
    let (events, mut receiver) = Events::new(Arc::new(Redactor::default()));
    let engine = Engine { host: Arc::new(host.clone()), events, stop, jobs: 4 };
    let report = engine.run(plan, mode).await;
    drop(engine);
    let mut all = Vec::new();
    while let Some(event) = receiver.recv().await {
        all.push(event);
    }
    (report, all)
}

async fn outcomes(plan: Plan, mode: Mode) -> Vec<Outcome> {
    let (report, _) = run_on(&FakeHost::debian(), plan, mode, Stop::default()).await;
    report.outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn failed(why: &str) -> Outcome {
    Outcome::Failed { why: why.into(), remedy: None }
}

#[tokio::test]
async fn check_apply_check() {
    let mut plan = Plan::default();
    plan.step("as-wanted", Dummy::default()).add();
    plan.step("to-do", Dummy { needed: 1, ..Dummy::default() }).add();
    plan.step("never", Dummy { needed: 2, ..Dummy::default() }).add();
    let expected = [Outcome::Unchanged, Outcome::Changed, failed("it was applied, but still differs: dummy work")];
    assert_eq!(outcomes(plan, Mode::Apply).await, expected);
}

#[tokio::test(start_paused = true)]
async fn tries_and_patience() {
    let mut plan = Plan::default();
    let twice = Patience::default().tries(2);
    plan.step("second-try", Dummy { needed: 2, failures: 1, ..Dummy::default() }).patience(twice).add();
    plan.step("too-few-tries", Dummy { needed: 3, failures: 2, ..Dummy::default() }).patience(twice).add();
    let patient = Patience::settle(Duration::from_mins(1), Duration::from_millis(1));
    plan.step("comes-late", Dummy { waits: true, needed: 5, ..Dummy::default() }).patience(patient).add();
    assert_eq!(outcomes(plan, Mode::Apply).await, [Outcome::Changed, failed("apply failed"), Outcome::Unchanged]);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_costs_something_becomes_rarer() {
    let often = Patience::settle(Duration::from_mins(1), Duration::from_millis(500));
    // At 0, 0.5, 1.5, 3.5, 7.5, then each 5 s, and once more at the end.
    for (patience, looks) in [(often, 121), (often.backing_off(Duration::from_secs(5)), 16)] {
        let looked = Arc::default();
        let mut plan = Plan::default();
        plan.step("waits", Dummy { waits: true, needed: u32::MAX, looked: Arc::clone(&looked), ..Dummy::default() })
            .patience(patience)
            .add();
        outcomes(plan, Mode::Apply).await;
        assert_eq!(looked.load(Ordering::SeqCst), looks);
    }
}

#[tokio::test]
async fn a_wait_that_does_not_end_is_no_failure_and_blocks_nobody() {
    let mut plan = Plan::default();
    let waiting = plan.step("waits", Dummy { waits: true, needed: 99, ..Dummy::default() }).add();
    plan.step("next", Dummy { needed: 1, ..Dummy::default() }).needs([waiting]).add();
    let expected = [Outcome::Waiting { what: "the world".into(), remedy: "be patient".into() }, Outcome::Changed];
    assert_eq!(outcomes(plan, Mode::Apply).await, expected);
}

#[tokio::test]
async fn a_failure_blocks_what_needs_it_but_not_what_comes_after() {
    let mut plan = Plan::default();
    let bad = plan.step("bad", Dummy { needed: 1, failures: 9, ..Dummy::default() }).add();
    let blocked = plan.step("blocked", Dummy::default()).needs([bad]).add();
    plan.step("blocked-too", Dummy::default()).needs([blocked]).add();
    plan.step("after", Dummy::default()).after(bad, Duration::from_secs(1)).add();
    let by = |id: &str| Outcome::Blocked { by: id.into() };
    assert_eq!(outcomes(plan, Mode::Apply).await, [failed("apply failed"), by("bad"), by("blocked"), Outcome::Unchanged]);
}

#[tokio::test]
async fn after_waits_only_so_long() {
    let mut plan = Plan::default();
    let patience = Patience::settle(Duration::from_millis(300), Duration::from_millis(5));
    let slow = plan.step("slow", Dummy { waits: true, needed: u32::MAX, ..Dummy::default() }).patience(patience).add();
    plan.step("impatient", Dummy::default()).after(slow, Duration::from_millis(20)).add();
    let (_, events) = run_on(&FakeHost::debian(), plan, Mode::Apply, Stop::default()).await;
    let ended: Vec<_> =
        events.iter().filter_map(|event| if let Event::Step { id, .. } = event { Some(id.as_str()) } else { None }).collect();
    assert_eq!(ended, ["impatient", "slow"]);
}

#[tokio::test]
async fn a_preview_changes_nothing_and_says_what_it_cannot_know() {
    let host = FakeHost::debian();
    let mut plan = Plan::default();
    let motd = plan.step("motd", File::text("/etc/motd", "hello\n", Access::root(0o644))).add();
    plan.step("depends", Dummy { waits: true, needed: 9, ..Dummy::default() }).needs([motd]).add();
    plan.step("free", Dummy::default()).add();
    let (report, _) = run_on(&host, plan, Mode::Preview, Stop::default()).await;
    let outcomes: Vec<_> = report.outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Pending, Outcome::Unknown { after: "motd".into() }, Outcome::Unchanged]);
    assert!(host.take_log().is_empty());
}

/// Waits for the world, which an apply may hasten.
struct Hastened;

impl fmt::Display for Hastened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hastened")
    }
}

#[async_trait]
impl Resource for Hastened {
    async fn check(&self, _host: &dyn Probe) -> anyhow::Result<Drift> {
        let mut drift = Drift::waiting("the world", "be patient");
        drift.changes.push(Change::Hasten { what: "ask again".into() });
        Ok(drift)
    }
}

#[tokio::test]
async fn in_a_preview_what_would_only_be_hastened_is_waited_for() {
    let mut plan = Plan::default();
    plan.step("free", Hastened).add();
    let changing = plan.step("changing", Dummy { needed: 1, ..Dummy::default() }).add();
    plan.step("depends", Hastened).needs([changing]).add();
    let waiting = Outcome::Waiting { what: "the world".into(), remedy: "be patient".into() };
    assert_eq!(outcomes(plan, Mode::Preview).await, [waiting, Outcome::Pending, Outcome::Pending]);
}

#[tokio::test]
async fn the_first_signal_lets_the_running_step_end_and_starts_nothing_new() {
    let stop = Stop::default();
    let mut plan = Plan::default();
    let running = plan.step("running", Dummy { needed: 1, stop_on_apply: Some(stop.clone()), ..Dummy::default() }).add();
    plan.step("next", Dummy { needed: 1, ..Dummy::default() }).needs([running]).add();
    let (report, _) = run_on(&FakeHost::debian(), plan, Mode::Apply, stop).await;
    let outcomes: Vec<_> = report.outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Changed, Outcome::Stopped]);
}

#[test]
fn a_stop_is_seen_behind_context_and_remedies() {
    let stopped = || Err::<(), _>(HostError::Stopped);
    let seen = [
        stopped().context("apt failed"),
        stopped().remedy("look"),
        stopped().context("apt failed").remedy("look"),
        stopped().remedy("look").context("apt failed").remedy("look again"),
    ];
    for error in seen.map(Result::unwrap_err) {
        assert!(is_stop(&error), "{error:?}");
    }
    assert!(!is_stop(&Err::<(), _>(anyhow!("stopped")).remedy("look").unwrap_err()));
}

#[tokio::test(start_paused = true)]
async fn the_first_signal_ends_a_step_that_waits_for_somebody_elses_lock() {
    let stop = Stop::default();
    let host = FakeHost::debian().stopped_by(&stop);
    host.machine().locks.insert("/var/lib/dpkg/lock".into(), (712, u32::MAX));
    let mut plan = Plan::default();
    plan.step("packages", Packages::new("base", ["sudo"])).add();
    let signal = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        stop.request();
    };
    let ((report, _), ()) = tokio::join!(run_on(&host, plan, Mode::Apply, stop.clone()), signal);
    assert_eq!(report.outcomes, [("packages".to_owned(), Outcome::Stopped)]);
    assert!(!host.take_log().iter().any(|line| line.starts_with("run ")), "apt did not begin");
}

#[tokio::test]
async fn secrets_do_not_enter_the_stream() {
    let redactor = Arc::new(Redactor::default());
    redactor.hide(&"hunter2hunter2".into());
    let (events, mut receiver) = Events::new(redactor);
    events.note("the password is hunter2hunter2");
    drop(events);
    let Some(Event::Note { text, .. }) = receiver.recv().await else { panic!("a note was sent") };
    assert_eq!(text, "the password is [hidden]");
}
