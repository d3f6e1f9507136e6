//! The whole plan on the simulated Debian: applied twice, previewed, and disturbed at every single mutation.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Inputs, build};
use crate::host::fake::{FakeHost, Node, Trouble};
use crate::report::{Events, Outcome, Redactor};
use crate::run::{Engine, Mode, Report, Stop};

async fn run(host: &FakeHost, mode: Mode, stop: Stop) -> Report {
    let (events, _unread) = Events::new(Arc::new(Redactor::default()));
    // One at a time, so that the n-th mutation is the same in every run.
    let engine = Engine { host: Arc::new(host.clone()), events, stop, jobs: 1 };
    engine.run(build(&Inputs::sample()), mode).await
}

async fn install(host: &FakeHost) -> Report {
    run(host, Mode::Apply, Stop::default()).await
}

/// Every file and directory, without the kept former versions: a disturbed run may have written one more of them.
fn files(host: &FakeHost) -> BTreeMap<PathBuf, Node> {
    let machine = host.machine();
    let ours = machine.nodes.iter().filter(|(path, _)| !path.to_string_lossy().contains(".former"));
    ours.map(|(path, node)| (path.clone(), node.clone())).collect()
}

fn broken(report: &Report) -> Vec<&(String, Outcome)> {
    let fine = |outcome: &Outcome| matches!(outcome, Outcome::Unchanged | Outcome::Changed);
    report.outcomes.iter().filter(|(_, outcome)| !fine(outcome)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_second_run_changes_nothing() {
    let host = FakeHost::debian();
    let first = install(&host).await;
    assert_eq!(broken(&first), Vec::<&(String, Outcome)>::new());
    assert!(!host.take_log().is_empty());

    let second = install(&host).await;
    assert_eq!(host.take_log(), Vec::<String>::new());
    assert_eq!(second.counts.unchanged, second.counts.total());
    assert_eq!(second.outcomes.len(), first.outcomes.len());
}

#[tokio::test(start_paused = true)]
async fn a_preview_of_a_bare_machine_changes_nothing_and_fails_nowhere() {
    let host = FakeHost::debian();
    let before = files(&host);
    let report = run(&host, Mode::Preview, Stop::default()).await;
    assert_eq!(host.take_log(), Vec::<String>::new());
    assert_eq!(files(&host), before);
    assert_eq!((report.counts.failed, report.counts.blocked, report.counts.changed), (0, 0, 0), "{:?}", broken(&report));
    assert!(report.counts.pending > 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_at_any_mutation_is_completed_by_the_next() {
    disturbed_at_every_mutation(|_| Trouble::Fail).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_at_any_mutation_is_completed_by_the_next() {
    disturbed_at_every_mutation(|stop| Trouble::Stop(stop.clone())).await;
}

async fn disturbed_at_every_mutation(trouble: fn(&Stop) -> Trouble) {
    let undisturbed = FakeHost::debian();
    install(&undisturbed).await;
    let mutations = undisturbed.take_log();
    let wanted = files(&undisturbed);

    for (number, mutation) in mutations.iter().enumerate() {
        let (host, stop) = (FakeHost::debian(), Stop::default());
        host.trouble_at(number, trouble(&stop));
        run(&host, Mode::Apply, stop).await;
        let next = install(&host).await;
        assert_eq!(broken(&next), Vec::<&(String, Outcome)>::new(), "after trouble at {number}: {mutation}");
        assert_eq!(files(&host), wanted, "after trouble at {number}: {mutation}");
        install(&host).await;
        host.take_log();
        install(&host).await;
        assert_eq!(host.take_log(), Vec::<String>::new(), "after trouble at {number}: {mutation}");
    }
}
