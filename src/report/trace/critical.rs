//! The critical path: the chain of steps, each of which began when the one before it ended, that made the run as long as it was.

use super::{Node, Ran};

/// Between the end of a step and the begin of one that waited for it lies less than this, in seconds.
const HANDOVER: f64 = 0.02;

/// The steps of the chain, first one first, as places in `ran`, which is in the order of their ends.
pub(super) fn path(nodes: &[Node], ran: &[Ran]) -> Vec<usize> {
    let last = (0..ran.len()).max_by(|&a, &b| ran[a].ended().total_cmp(&ran[b].ended()));
    let mut path: Vec<_> = std::iter::successors(last, |&step| before(nodes, ran, step)).collect();
    path.reverse();
    path
}

/// The step whose end let this one begin: the latest among those that it waits for and those that held its lock. Steps whose end it did not
/// wait for, because its patience with them ran out, did not let it begin.
fn before(nodes: &[Node], ran: &[Ran], step: usize) -> Option<usize> {
    let node = &nodes[ran[step].node];
    let waited_for = |other: &usize| {
        let place = ran[*other].node;
        let named = node.needs.contains(&place) || node.after.iter().any(|(earlier, _)| *earlier == place);
        let held = node.lock.is_some() && node.lock == nodes[place].lock;
        (named || held) && ran[*other].ended() <= ran[step].began + HANDOVER
    };
    // What ended later cannot have been waited for: the chain has an end.
    (0..step).filter(waited_for).max_by(|&a, &b| ran[a].ended().total_cmp(&ran[b].ended()))
}
