//! One file a target.

pub mod docker;
pub mod doctor;
pub mod formats;
pub mod linode;
pub mod mastodon;
pub mod packages;
pub mod records;
pub mod settings;
pub mod system;
pub mod values;
#[cfg(fuzzing)]
pub mod wire;

use tootstrap::resource::Resource;

use super::machine::Machine;
use super::wait;

/// What is tried with one input. libFuzzer tries one thing with each, by the input's checksum: it is the number of inputs that finds more. Known
/// inputs are tried with everything.
struct Trial<'a> {
    data: &'a [u8],
    slots: &'a [&'static str],
    number: usize,
    /// `None`: everything.
    chosen: Option<usize>,
}

impl<'a> Trial<'a> {
    /// Of so many things.
    fn new(data: &'a [u8], slots: &'a [&'static str], things: usize) -> Self {
        let sum = data.iter().fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        let chosen = cfg!(fuzzing).then_some(sum as usize % things);
        Self { data, slots, number: 0, chosen }
    }

    /// A machine for the next thing, if that is to be tried.
    fn next(&mut self) -> Option<Machine> {
        self.number += 1;
        self.chosen.is_none_or(|chosen| chosen == self.number - 1).then(|| Machine::new(self.data, self.slots))
    }

    /// Tries the next thing: looks, changes, looks again, as the engine does.
    fn converge(&mut self, resource: &dyn Resource) {
        if let Some(machine) = self.next() {
            converge(&machine, resource);
        }
    }
}

/// Looks, changes, looks again, as the engine does. What fails must say so in words.
fn converge(machine: &Machine, resource: &dyn Resource) {
    let drift = wait(resource.check(machine));
    if let Err(error) = &drift {
        assert!(!format!("{error:#}").trim().is_empty(), "{resource} fails without a word");
        return;
    }
    if let Err(error) = wait(resource.apply(machine)) {
        assert!(!format!("{error:#}").trim().is_empty(), "{resource} fails without a word");
    }
    // Whatever it finds now: it is only looked at.
    let changed = machine.log().len();
    let _found = wait(resource.check(machine));
    assert_eq!(machine.log().len(), changed, "a look has changed something");
}
