//! What others may say: the fuzz targets of `tests/fuzz` with their seeds, with every input that once broke something, and with mutations of
//! both. `make fuzz` does the same a million times a target.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

#[path = "../fuzz/src/lib.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the fuzz targets")]
pub(super) mod bodies;

/// How often each target is run with a mutated input.
const CASES: u32 = 300;

fn files(kind: &str, target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(kind).join(target);
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a directory that can be read").path()).collect();
    files.sort();
    files
}

/// What breaks formats: quotes, line ends, interpolation, look-alikes, directions of writing, numbers at their ends, our own separators.
const HOSTILE: [&str; 32] = [
    "'",
    "\"",
    "\\",
    "$",
    "${HOME}",
    "$(id)",
    "`id`",
    "#",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "-",
    "--",
    " ",
    "=",
    ":",
    "{",
    "}",
    "[",
    "]",
    "%%",
    "\n%%\n",
    "\n~~\n",
    "\u{202e}",
    "\u{2028}",
    "\u{feff}",
    "\u{1b}[2J",
    "18446744073709551615",
    "-1",
    "1e308",
    "xn--a-ä.example",
];

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    Insert(Index, usize),
    Replace(Index, u8),
    Cut(Index, Index),
    Repeat(Index, Index),
    Truncate(Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 0..HOSTILE.len()).prop_map(|(at, what)| Change::Insert(at, what)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, what)| Change::Replace(at, what)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Cut(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
        any::<Index>().prop_map(Change::Truncate),
    ]
}

fn changed(mut input: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let length = input.len();
        let at = |index: &Index| index.index(length + 1);
        match change {
            Change::Insert(place, what) => drop(input.splice(at(place)..at(place), HOSTILE[*what].bytes())),
            Change::Replace(place, what) => input.get_mut(at(place)).into_iter().for_each(|byte| *byte = *what),
            Change::Cut(from, to) => drop(input.drain(at(from).min(at(to))..at(from).max(at(to)))),
            Change::Repeat(from, to) => input.extend_from_within(at(from).min(at(to))..at(from).max(at(to))),
            Change::Truncate(to) => input.truncate(at(to)),
        }
    }
    input
}

#[test]
fn known_inputs_hold() {
    for (name, body) in bodies::TARGETS {
        let seeds = files("seeds", name);
        assert!(!seeds.is_empty(), "{name} has no seed");
        for file in seeds.into_iter().chain(files("regressions", name)) {
            let input = fs::read(&file).expect("a file that can be read");
            let held = std::panic::catch_unwind(|| body(&input));
            assert!(held.is_ok(), "{} breaks the target {name}", file.display());
        }
    }
}

#[test]
fn changed_inputs_hold() {
    for (name, body) in bodies::TARGETS {
        let known: Vec<_> = files("seeds", name).into_iter().map(|file| fs::read(file).expect("a file that can be read")).collect();
        let inputs = (prop::sample::select(known), prop::collection::vec(change(), 1..6));
        let config = ProptestConfig { cases: CASES, source_file: Some(file!()), ..ProptestConfig::default() };
        let told = TestRunner::new(config).run(&inputs, |(input, changes)| {
            body(&changed(input, &changes));
            Ok(())
        });
        assert!(told.is_ok(), "{name}: {}", told.unwrap_err());
    }
}
