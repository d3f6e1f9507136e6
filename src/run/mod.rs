//! 4. run: doing it.

mod engine;
mod spans;
mod stop;
#[cfg(test)]
mod tests;
mod watched;

pub use engine::{Engine, Mode, Report};
pub use stop::Stop;
