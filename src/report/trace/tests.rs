//! Traces of small plans, run in paused time on the fake host.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::*;
use crate::host::fake::FakeHost;
use crate::host::{Cmd, Host, Probe};
use crate::plan::StepRef;
use crate::report::{Events, Redactor, render};
use crate::resource::{Drift, Resource};
use crate::run::{Engine, Mode, Stop};

const SECRET: &str = "hunter2hunter2";

/// Applying it takes so many seconds and one command.
#[derive(Default)]
struct Takes {
    seconds: u64,
    lock: Option<Lock>,
    fails: bool,
    done: AtomicBool,
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "something that takes {} s", self.seconds)
    }
}

#[async_trait]
impl Resource for Takes {
    async fn check(&self, _host: &dyn Probe) -> anyhow::Result<Drift> {
        Ok(if self.done.load(Ordering::SeqCst) { Drift::none() } else { Drift::to_do("take time") })
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        tokio::time::sleep(Duration::from_secs(self.seconds)).await;
        let unknown = host.run(&Cmd::new("take-time").arg(SECRET)).await;
        anyhow::ensure!(!self.fails && unknown.is_err(), "it failed");
        self.done.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn lock(&self) -> Option<Lock> {
        self.lock
    }
}

fn takes(seconds: u64) -> Takes {
    Takes { seconds, ..Takes::default() }
}

fn add(plan: &mut Plan, id: &str, seconds: u64, needs: &[StepRef]) -> StepRef {
    plan.step(id, takes(seconds)).needs(needs.iter().copied()).add()
}

/// The file that a run of this plan leaves.
async fn traced(plan: Plan, jobs: usize) -> String {
    let redactor = Arc::new(Redactor::default());
    redactor.hide(&SECRET.into());
    let (events, stream) = Events::new(redactor);
    let trace = Trace::of(&plan);
    let telling = tokio::spawn(render(stream, vec![Box::new(trace.clone())]));
    let engine = Engine { host: Arc::new(FakeHost::debian()), events, stop: Stop::default(), jobs };
    engine.run(plan, Mode::Apply).await;
    drop(engine);
    telling.await.unwrap();
    String::from_utf8(trace.to_json()).unwrap()
}

fn events(file: &str) -> Vec<Value> {
    serde_json::from_str(file).unwrap()
}

/// `step SECONDS` for each of the critical path.
fn critical(events: &[Value]) -> Vec<String> {
    let summary = events.iter().find(|event| event["name"] == "summary").unwrap();
    let steps = summary["args"]["steps"].as_array().unwrap();
    steps.iter().map(|step| format!("{} {}", step["id"].as_str().unwrap(), step["seconds"].as_f64().unwrap().round())).collect()
}

fn named<'a>(events: &'a [Value], category: &str, name: &str) -> &'a Value {
    let is = |event: &&Value| event["name"] == name && event["cat"] == category;
    events.iter().find(is).unwrap_or_else(|| panic!("no {category} {name}"))
}

#[tokio::test(start_paused = true)]
async fn the_chain_that_took_longest_is_marked() {
    let mut plan = Plan::default();
    let a = add(&mut plan, "g/a", 3, &[]);
    let b = add(&mut plan, "g/b", 5, &[]);
    let c = add(&mut plan, "h/c", 4, &[a]);
    let d = add(&mut plan, "h/d", 1, &[b]);
    add(&mut plan, "h/e", 2, &[c, d]);
    let events = events(&traced(plan, 8).await);
    assert_eq!(critical(&events), ["g/a 3", "h/c 4", "h/e 2"]);
    assert_eq!(named(&events, "step,critical", "h/c")["args"]["needs"][0], "g/a");
    assert_eq!(named(&events, "step,critical", "h/c")["cname"], "terrible");
    assert_eq!(named(&events, "step", "g/b")["cname"], "good");
    let again = named(&events, "critical,step", "h/e");
    assert_eq!((again["pid"].as_u64(), again["ts"].as_f64().map(|ts| (ts / 1e6).round())), (Some(0), Some(7.0)));
}

#[tokio::test(start_paused = true)]
async fn whoever_holds_the_lock_is_on_the_path() {
    let mut plan = Plan::default();
    plan.step("x", Takes { lock: Some(Lock::Apt), ..takes(2) }).add();
    plan.step("y", Takes { lock: Some(Lock::Apt), ..takes(8) }).add();
    add(&mut plan, "z", 9, &[]);
    let events = events(&traced(plan, 8).await);
    assert_eq!(critical(&events), ["x 2", "y 8"]);
    let waited = named(&events, "lock", "lock");
    assert_eq!((waited["args"]["step"].as_str(), waited["dur"].as_f64().map(|dur| (dur / 1e6).round())), (Some("y"), Some(2.0)));
}

#[tokio::test(start_paused = true)]
async fn who_was_not_waited_for_is_not_on_the_path() {
    let mut plan = Plan::default();
    let slow = add(&mut plan, "slow", 10, &[]);
    plan.step("impatient", takes(20)).after(slow, Duration::from_secs(1)).add();
    let events = events(&traced(plan, 8).await);
    assert_eq!(critical(&events), ["impatient 20"]);
    let waits = named(&events, "critical,wait", "waits");
    assert_eq!(waits["dur"].as_f64().map(|dur| (dur / 1e6).round()), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn one_job_at_a_time_shows_who_waited_for_a_slot() {
    let mut plan = Plan::default();
    add(&mut plan, "a", 2, &[]);
    add(&mut plan, "b", 3, &[]);
    let events = events(&traced(plan, 1).await);
    let waited: f64 = events.iter().filter(|event| event["cat"] == "slot").filter_map(|event| event["dur"].as_f64()).sum();
    assert!(waited >= 2e6, "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_has_a_trace_and_no_secret_is_in_any() {
    let mut plan = Plan::default();
    let bad = plan.step("bad", Takes { fails: true, ..takes(1) }).add();
    add(&mut plan, "blocked", 1, &[bad]);
    let file = traced(plan, 8).await;
    let events = events(&file);
    assert_eq!(named(&events, "step,critical", "bad")["args"]["outcome"], "failed");
    assert_eq!(named(&events, "command", "take-time [hidden]")["args"]["step"], "bad");
    assert!(!file.contains(SECRET));
}
