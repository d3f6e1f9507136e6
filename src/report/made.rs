//! The made-list: what each apply created or changed, with the former value. For uninstalling and for finding causes; nothing ever decides
//! by it.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::append::Appending;
use super::{Event, Renderer};
use crate::resource::Change;

/// Where it is.
pub const PATH: &str = "/var/lib/tootstrap/made.jsonl";

/// Writes the made-list.
pub struct Made {
    file: Appending,
}

#[derive(Serialize)]
struct Entry<'a> {
    at: Timestamp,
    id: &'a str,
    changes: &'a [Change],
}

impl Made {
    /// Opens or begins the list at this path; its directory is made.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Appending::open(path)? })
    }
}

impl Renderer for Made {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let Event::Applying { at, id, changes } = event else { return Ok(()) };
        self.file.append(&Entry { at: *at, id, changes })?;
        self.file.sync()
    }
}

#[cfg(test)]
mod tests {
    use snapbox::{IntoData, assert_data_eq, str};

    use super::*;
    use crate::report::sample;

    #[test]
    fn only_applies_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made.jsonl");
        let mut made = Made::open(&path).unwrap();
        for event in sample::run() {
            made.event(&event).unwrap();
        }
        assert_data_eq!(
            std::fs::read_to_string(&path).unwrap(),
            str![[r#"
{"version":1}
{"at":"2026-11-23T05:24:42Z","id":"dns/record-a-social.example.org","changes":[{"kind":"do","what":"create the A record social.example.org → 203.0.113.10"}]}
{"at":"2026-11-23T05:24:44Z","id":"docker/packages","changes":[{"kind":"do","what":"install docker-ce"},{"kind":"set","what":"docker-compose-plugin","from":"2.1","to":"2.40"}]}

"#]]
            .raw()
        );
    }
}
