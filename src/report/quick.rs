//! Steps that end within a moment: a first installation has dozens, and nobody reads a line for each. The journal and `--json` have them all.

use jiff::Timestamp;

use super::words;
use crate::resource::Change;

/// Seconds. What takes longer has a line of its own.
pub(super) const MOMENT: f64 = 1.0;

/// What was changed in passing and is not told yet, by group of steps.
#[derive(Default)]
pub(super) struct Quick {
    since: Option<Timestamp>,
    groups: Vec<Group>,
}

struct Group {
    name: String,
    /// Of its first step.
    id: String,
    steps: usize,
    changes: Vec<Change>,
}

impl Quick {
    /// One more such step.
    pub(super) fn add(&mut self, at: Timestamp, id: &str, changes: &[Change]) {
        self.since.get_or_insert(at);
        let name = id.split_once('/').map_or(id, |(name, _)| name);
        match self.groups.iter_mut().find(|group| group.name == name) {
            Some(group) => {
                group.steps += 1;
                group.changes.extend_from_slice(changes);
            }
            None => self.groups.push(Group { name: name.to_owned(), id: id.to_owned(), steps: 1, changes: changes.to_vec() }),
        }
    }

    /// One sentence a group, once the first step in it is a moment old; otherwise nothing.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<String> {
        match self.since {
            Some(since) if words::seconds_between(since, now) >= MOMENT => self.all(),
            _ => Vec::new(),
        }
    }

    /// One sentence a group.
    pub(super) fn all(&mut self) -> Vec<String> {
        self.since = None;
        std::mem::take(&mut self.groups).into_iter().map(|group| group.sentence()).collect()
    }
}

impl Group {
    fn sentence(&self) -> String {
        let about = if self.steps == 1 { &self.id } else { &self.name };
        format!("{about}: {}", words::first_of(&self.changes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::at;

    fn make(name: &str) -> Vec<Change> {
        vec![Change::Do { what: format!("make {name}") }]
    }

    #[test]
    fn a_group_is_one_sentence_after_a_moment() {
        let mut quick = Quick::default();
        quick.add(at(3), "docker/a", &make("a"));
        quick.add(at(3), "base/b", &make("b"));
        quick.add(at(3), "docker/c", &[make("c"), make("d")].concat());
        assert_eq!(quick.due(at(3)), [""; 0]);
        assert_eq!(quick.due(at(4)), ["docker: make a (and 2 more)", "base/b: make b"]);
        assert_eq!(quick.due(at(9)), [""; 0]);
        quick.add(at(9), "base/b", &make("b"));
        assert_eq!(quick.all(), ["base/b: make b"]);
    }
}
