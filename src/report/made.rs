//! The made-list: what each apply created or changed, with the former value. For uninstalling and for finding causes; nothing ever decides
//! by it.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::append::Appending;
use super::{Event, Renderer};
use crate::host::Probe;
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

/// One thing that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// The step that did it.
    pub id: String,
    /// In one sentence.
    pub what: String,
}

/// Everything that was changed so far. Lines that cannot be understood are passed over: nothing is decided by the list alone.
///
/// # Errors
/// The list cannot be read.
pub async fn read(host: &dyn Probe) -> anyhow::Result<Vec<Deed>> {
    #[derive(Deserialize)]
    struct Line {
        id: String,
        changes: Vec<Change>,
    }
    let list = host.read(Path::new(PATH)).await?.unwrap_or_default();
    let lines = list.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    Ok(lines
        .flat_map(|Line { id, changes }| changes.into_iter().map(move |change| Deed { id: id.clone(), what: change.to_string() }))
        .collect())
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

    #[tokio::test]
    async fn what_was_listed_is_read_again() {
        let host = crate::host::fake::FakeHost::debian();
        assert_eq!(read(&host).await.unwrap(), []);
        let list = "{\"version\":1}\n{\"at\":\"2026-11-23T05:24:42Z\",\"id\":\"firewall/ufw\",\"changes\":[\
                    {\"kind\":\"do\",\"what\":\"open 80/tcp\"},{\"kind\":\"set\",\"what\":\"a\",\"from\":\"1\",\"to\":\"2\"}]}\n{\"at\":\"20";
        host.machine().place(PATH, crate::host::Kind::File, list, 0o600);
        let deed = |what: &str| Deed { id: "firewall/ufw".into(), what: what.into() };
        assert_eq!(read(&host).await.unwrap(), [deed("open 80/tcp"), deed("a: 1 → 2")]);
    }

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
