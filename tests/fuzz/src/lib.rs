//! What others may say, and what must hold all the same: the bodies of the fuzz targets.
//!
//! Each target is a function of bytes. It answers the product's questions with them, through the same door as the real machine
//! ([`machine::Machine`]), and asserts what must be true of the outcome; that nothing panics or goes on for ever is asserted by being run.
//! `make fuzz` feeds them with libFuzzer, `make test` (`tests/it/hostile.rs`) with the committed seeds, every input that once broke
//! something, and mutations of both.

pub mod answers;
pub mod formats;
pub mod machine;
mod targets;

pub use targets::settings::inputs;

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

/// A target: its name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. The names are those of `fuzz_targets/NAME.rs`, `seeds/NAME/` and `regressions/NAME/`.
pub const TARGETS: &[Target] = &[
    ("values", targets::values::run),
    ("settings", targets::settings::run),
    ("formats", targets::formats::run),
    ("linode", targets::linode::run),
    ("docker", targets::docker::run),
    ("doctor", targets::doctor::run),
    ("mastodon", targets::mastodon::run),
    ("packages", targets::packages::run),
    ("system", targets::system::run),
    ("records", targets::records::run),
    #[cfg(fuzzing)]
    ("wire", targets::wire::run),
];

/// Runs the target of this name.
///
/// # Panics
/// If there is none, or if what must hold does not.
pub fn run(name: &str, data: &[u8]) {
    let (_, body) = TARGETS.iter().find(|(own, _)| *own == name).expect("a target of this name");
    body(data);
}

/// Waits for a future. Its pauses take no time.
fn wait<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
