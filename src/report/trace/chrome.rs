//! Chrome's trace format.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Gathered, Node, Part, Ran, Spent, critical};
use crate::report::Outcome;

/// The process and thread of the critical path.
const CRITICAL: usize = 0;

/// Threads of a step: its own, and more for what it does side by side.
const LANES: usize = 100;

/// The whole file: one event a line.
pub(super) fn file(nodes: &[Node], gathered: &Gathered) -> Vec<u8> {
    let chain = critical::path(nodes, &gathered.steps);
    let mut events = names(nodes);
    events.extend(chain_events(nodes, gathered, &chain));
    let critical: BTreeSet<_> = chain.iter().map(|&step| gathered.steps[step].node).collect();
    events.extend(gathered.steps.iter().map(|ran| step_event(nodes, ran, critical.contains(&ran.node))));
    events.extend(part_events(nodes, &gathered.parts));
    let lines: Vec<_> = events.iter().map(Value::to_string).collect();
    format!("[\n{}\n]\n", lines.join(",\n")).into_bytes()
}

/// `changed` of an outcome, as in the journal.
pub(super) fn tag(outcome: &Outcome) -> String {
    let value = serde_json::to_value(outcome).ok();
    value.and_then(|value| value["outcome"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// What viewers call the processes (groups of steps) and threads (steps).
fn names(nodes: &[Node]) -> Vec<Value> {
    let name =
        |kind: &str, pid: usize, tid: usize, name: &str| json!({"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": {"name": name}});
    let mut events =
        vec![name("process_name", CRITICAL, CRITICAL, "critical path"), name("thread_name", CRITICAL, CRITICAL, "critical path")];
    let groups: BTreeMap<_, _> = nodes.iter().enumerate().map(|(place, node)| (process(nodes, place), group(&node.id))).collect();
    events.extend(groups.into_iter().map(|(pid, group)| name("process_name", pid, 0, group)));
    events.extend(nodes.iter().enumerate().map(|(place, node)| name("thread_name", process(nodes, place), thread(place), &node.id)));
    events
}

fn group(id: &str) -> &str {
    id.split_once('/').map_or(id, |(group, _)| group)
}

/// One more than the place of the group's first step.
fn process(nodes: &[Node], place: usize) -> usize {
    let first = nodes.iter().position(|node| group(&node.id) == group(&nodes[place].id));
    1 + first.unwrap_or(place)
}

const fn thread(place: usize) -> usize {
    (place + 1) * LANES
}

/// The chain once more, on a thread of its own, with the time in which none of its steps ran, and a summary at its end.
fn chain_events(nodes: &[Node], gathered: &Gathered, chain: &[usize]) -> Vec<Value> {
    let mut events = Vec::new();
    let mut end = 0.0;
    for ran in chain.iter().map(|&step| &gathered.steps[step]) {
        if ran.began - end >= 0.001 {
            events.push(complete("waits", "critical,wait", (CRITICAL, CRITICAL), end, ran.began - end));
        }
        events.push(complete(&nodes[ran.node].id, "critical,step", (CRITICAL, CRITICAL), ran.began, ran.seconds));
        end = ran.ended();
    }
    let steps: Vec<_> = chain
        .iter()
        .map(|&step| &gathered.steps[step])
        .map(|ran| json!({"id": nodes[ran.node].id, "seconds": rounded(ran.seconds)}))
        .collect();
    let busy: f64 = chain.iter().map(|&step| gathered.steps[step].seconds).sum();
    events.push(json!({
        "ph": "i", "s": "g", "name": "summary", "cat": "critical", "pid": CRITICAL, "tid": CRITICAL, "ts": micros(end),
        "args": {"run_seconds": gathered.seconds.map(rounded), "critical_seconds": rounded(end), "busy_seconds": rounded(busy), "steps": steps},
    }));
    events
}

fn step_event(nodes: &[Node], ran: &Ran, critical: bool) -> Value {
    let node = &nodes[ran.node];
    let named = |places: &[usize]| places.iter().map(|&place| nodes[place].id.as_str()).collect::<Vec<_>>();
    let after: Vec<_> = node.after.iter().map(|&(place, at_most)| json!({"id": nodes[place].id, "at_most": at_most})).collect();
    let category = if critical { "step,critical" } else { "step" };
    let mut event = complete(&node.id, category, (process(nodes, ran.node), thread(ran.node)), ran.began, ran.seconds);
    event["cname"] = colour(critical, &ran.outcome).into();
    event["args"] = json!({
        "title": ran.title, "outcome": ran.outcome, "critical": critical, "needs": named(&node.needs), "after": after,
        "lock": node.lock.map(|lock| format!("{lock:?}")),
    });
    event
}

/// Names of Chrome's palette.
fn colour(critical: bool, outcome: &str) -> &'static str {
    match (critical, outcome) {
        (_, "failed") => "black",
        (true, _) => "terrible",
        (false, "changed") => "good",
        (false, _) => "grey",
    }
}

/// Parts lie within each other on their step's thread. A command that runs beside another one goes to one more thread.
fn part_events(nodes: &[Node], parts: &[Spent]) -> Vec<Value> {
    let mut busy_until: BTreeMap<usize, f64> = BTreeMap::new();
    let mut in_order: Vec<_> = parts.iter().collect();
    in_order.sort_by(|a, b| a.began.total_cmp(&b.began));
    let event = |part: &Spent| {
        let mut tid = thread(part.node);
        if matches!(part.part, Part::Command | Part::Request | Part::Lookup) {
            while busy_until.get(&tid).is_some_and(|&until| until > part.began) {
                tid += 1;
            }
            busy_until.insert(tid, part.began + part.seconds);
        }
        let category = serde_json::to_value(part.part).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
        let name = if part.what.is_empty() { &category } else { &part.what };
        let mut event = complete(name, &category, (process(nodes, part.node), tid), part.began, part.seconds);
        event["args"] = json!({"step": nodes[part.node].id});
        event
    };
    in_order.into_iter().map(event).collect()
}

/// A complete event; `began` and `seconds` in seconds, `place` is process and thread.
fn complete(name: &str, category: &str, place: (usize, usize), began: f64, seconds: f64) -> Value {
    json!({"ph": "X", "name": name, "cat": category, "pid": place.0, "tid": place.1, "ts": micros(began), "dur": micros(seconds)})
}

fn micros(seconds: f64) -> f64 {
    (seconds * 1e6).round()
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}
