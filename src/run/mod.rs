//! 4. run: doing it.

mod engine;
mod stop;

pub use engine::{Engine, Mode, Report};
pub use stop::Stop;
