//! The product's own files: cut off, damaged, from another version.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use secrecy::ExposeSecret;
use tootstrap::host::Probe;
use tootstrap::report::{Event, Follower, Journal, Json, Listing, Made, Paint, Plain, Renderer, Terminal, journal};
use tootstrap::resource::docker::digests;
use tootstrap::secrets::{self, Entered};

use super::super::machine::Machine;
use super::super::wait;
use super::Trial;

const SLOTS: [&str; 3] = ["journal", "file /etc/tootstrap/secrets.toml", "file /etc/tootstrap/images.toml"];

pub fn run(data: &[u8]) {
    let mut trial = Trial::new(data, &SLOTS, 3);
    if let Some(journal) = trial.next().as_ref().and_then(|machine| machine.part("journal")) {
        let directory = scratch();
        let path = directory.join("journal.jsonl");
        fs::create_dir(&directory).expect("a directory");
        fs::write(&path, journal).expect("a file");
        let told = std::panic::catch_unwind(|| one_journal(&path));
        fs::remove_dir_all(&directory).expect("the directory");
        if let Err(panic) = told {
            std::panic::resume_unwind(panic);
        }
    }
    if let Some(machine) = trial.next() {
        let _digests = wait(digests::recorded(&machine));
    }
    if let Some(machine) = trial.next() {
        secrets_stay(&machine);
    }
}

/// A directory of this process and of this run: what is put aside lies beside.
fn scratch() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let parent = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
    parent.join(format!("tootstrap-journal-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
}

/// It can be read and shown, and what is added to it is read again.
fn one_journal(path: &Path) {
    let latest = journal::latest_run(path).expect("readable");
    assert!(latest.is_empty() || matches!(latest[0], Event::Started { .. }));
    let mut follower = Follower::from_start(path);
    let events = follower.news().expect("readable");
    show(&events);
    let Ok(mut journal) = Journal::open(path) else { return };
    let note = Event::Note { at: "2026-11-23T05:24:41Z".parse().expect("a moment"), text: "a note".into() };
    journal.event(&note).expect("written");
    let news = follower.news().expect("readable");
    assert!(news.last().is_some_and(|event| matches!(event, Event::Note { text, .. } if text == "a note")), "{news:?}");
    Made::open(path).expect("the same format");
}

/// Only our own escape sequences reach a terminal.
fn show(events: &[Event]) {
    let shown = |mut renderer: Box<dyn Renderer + '_>| {
        for event in events {
            renderer.event(event).expect("memory");
        }
        renderer.tick("2026-11-23T05:34:41Z".parse().expect("a moment")).expect("memory");
    };
    let (mut terminal, mut plain, mut listing, mut json) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    shown(Box::new(Terminal::new(&mut terminal, 80, Paint::Plain)));
    shown(Box::new(Plain::new(&mut plain)));
    shown(Box::new(Listing::new(&mut listing, Paint::Plain)));
    shown(Box::new(Json::new(&mut json)));
    for text in [plain, listing, json] {
        assert!(!text.iter().any(|c| matches!(c, 0..=8 | 11..=31 | 127)), "control characters: {:?}", String::from_utf8_lossy(&text));
    }
}

/// Secrets that can be read are never made anew and never lose one.
fn secrets_stay(machine: &Machine) {
    let Ok(Some(before)) = wait(secrets::load(machine)) else { return };
    let entered = Entered { smtp_password: before.entered.smtp_password.clone() };
    let name = "bob".parse().expect("a name");
    let kept = wait(secrets::keep(machine, entered, Some(&name))).expect("they could be read");
    let again = wait(secrets::load(machine)).expect("they could be written").expect("they are there");
    let values = |of: &secrets::Secrets| of.all().into_iter().map(|secret| secret.expose_secret().to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&kept), values(&again));
    assert!(values(&before).iter().all(|value| values(&again).contains(value)));
    let backup = wait(machine.read(Path::new(secrets::PATH))).expect("readable");
    assert!(backup.is_some());
}
