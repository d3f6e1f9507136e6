//! 4. run: doing it.

mod engine;
mod stop;
#[cfg(test)]
mod tests;

pub use engine::{Engine, Mode, Report};
pub use stop::Stop;
