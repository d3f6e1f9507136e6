//! Colours, where the operator wants them.

pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const DIM: &str = "\x1b[2m";
pub(super) const RED: &str = "\x1b[31m";
pub(super) const GREEN: &str = "\x1b[32m";
pub(super) const YELLOW: &str = "\x1b[33m";
pub(super) const CYAN: &str = "\x1b[36m";

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// On a terminal whose owner does not object (`NO_COLOR`).
    Colors,
    /// As it is.
    Plain,
}

impl Paint {
    /// The text in this colour.
    pub(super) fn paint(self, color: &str, text: &str) -> String {
        match self {
            Self::Colors if !text.is_empty() => format!("{color}{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}
