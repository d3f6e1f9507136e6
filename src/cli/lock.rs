//! Only one process at a time changes the machine.
//!
//! There are two locks. Whoever wants to change something ([`begin`]) holds the first from its start, while it still asks, reads and judges; the
//! process that does the work ([`take`]) holds the second, because it goes on when the one that began it is gone. Looking who holds a lock never
//! takes it, so that `status` in one window does not turn away an `install` in another.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::report::Problem;

/// The lock of the work. It names its holder.
pub(super) const PATH: &str = "/run/tootstrap.lock";

/// The lock of whoever begins something that changes the machine.
const BEGUN: &str = "/run/tootstrap-begun.lock";

/// Held as long as this exists; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Nobody else begins anything as long as this is held, and nobody is at work.
///
/// # Errors
/// Another process is at work or about to be: the error says which and since when.
pub(super) fn begin() -> anyhow::Result<Lock> {
    begin_at(Path::new(BEGUN), Path::new(PATH))
}

fn begin_at(begun: &Path, work: &Path) -> anyhow::Result<Lock> {
    let lock = lock(begun)?;
    // Looked at after the first lock was tried: the work may have begun, and its beginner be gone, in between.
    is_free(work)?;
    lock.map_err(|holder| {
        let wait = "wait for it, or end it with Ctrl-C if it waits for an answer; `sudo tootstrap attach` shows its work";
        Problem::new(anyhow!("another tootstrap was started before this one: {holder}"), wait).into()
    })
}

/// Takes the lock of the work and writes who holds it.
///
/// # Errors
/// Another process holds it: the error says which and since when.
pub(super) fn take(path: &Path) -> anyhow::Result<Lock> {
    lock(path)?.map_err(|holder| busy(&holder))
}

/// Whether nobody is at work; the same error as [`take`] otherwise.
pub(super) fn is_free(path: &Path) -> anyhow::Result<()> {
    holder(path)?.map_or(Ok(()), |holder| Err(busy(&holder)))
}

/// Who holds the lock and since when, in its own words.
pub(super) fn holder(path: &Path) -> anyhow::Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(|| format!("cannot open {}", path.display()))?,
    };
    let mut found = whole_file(libc::F_WRLCK);
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found)).with_context(|| format!("cannot see who holds {}", path.display()))?;
    if found.l_type == kind(libc::F_UNLCK) { Ok(None) } else { words(file, path).map(Some) }
}

/// Since when such a holder holds it.
pub(super) fn since(holder: &str) -> Option<Timestamp> {
    holder.rsplit(' ').next()?.parse().ok()
}

/// That another process is at work, and what to do.
pub(super) fn busy(holder: &str) -> anyhow::Error {
    Problem::new(anyhow!("another tootstrap is at work: {holder}"), "wait for it; `sudo tootstrap attach` shows it").into()
}

/// The lock, which names this process, or else who holds it.
fn lock(path: &Path) -> anyhow::Result<Result<Lock, String>> {
    let mut file = open(path).with_context(|| format!("cannot open {}", path.display()))?;
    match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_WRLCK))) {
        Ok(_) => {}
        Err(Errno::EAGAIN | Errno::EACCES) => return words(file, path).map(Err),
        Err(errno) => return Err(errno).with_context(|| format!("cannot lock {}", path.display())),
    }
    file.set_len(0).and_then(|()| file.rewind()).with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "process {} since {:.0}", std::process::id(), Timestamp::now()).context("cannot name the holder of the lock")?;
    Ok(Ok(Lock { _file: file }))
}

/// Only root may open it: whoever can read a file can hold a shared lock on it. An earlier version made it readable.
fn open(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// What the holder wrote, which it does just after it took the lock.
fn words(mut file: File, path: &Path) -> anyhow::Result<String> {
    let mut words = String::new();
    file.read_to_string(&mut words).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(if words.trim().is_empty() { "it has just begun".to_owned() } else { words.trim().to_owned() })
}

/// A lock of an open file (`fcntl(2)`, "Open file description locks"): unlike `flock(2)`'s, one can look who holds it without taking it.
const fn whole_file(lock: libc::c_int) -> libc::flock {
    libc::flock { l_type: kind(lock), l_whence: kind(libc::SEEK_SET), l_start: 0, l_len: 0, l_pid: 0 }
}

/// These constants are small; the kernel's structure has 16 bits for each.
#[expect(clippy::cast_possible_truncation)]
const fn kind(constant: libc::c_int) -> libc::c_short {
    constant as libc::c_short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_and_since_when() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        is_free(&path).expect("nobody ever held it");
        assert!(!path.exists(), "looking makes nothing");
        let held = take(&path).expect("the lock");
        let refused = format!("{:#}", take(&path).expect_err("held"));
        assert!(refused.contains(&format!("process {} since 20", std::process::id())), "{refused}");
        assert!(is_free(&path).is_err());
        let holder = holder(&path).expect("readable").expect("held");
        assert!(since(&holder).expect("a moment") <= Timestamp::now());
        drop(held);
        is_free(&path).expect("free again");
        take(&path).expect("the lock again");
    }

    #[test]
    fn nobody_else_can_open_it() {
        let dir = tempfile::tempdir().expect("a directory");
        for before in [None, Some(0o644), Some(0o666), Some(0o600)] {
            let path = dir.path().join(format!("{before:?}"));
            if let Some(mode) = before {
                let old = OpenOptions::new().write(true).create(true).truncate(false).open(&path).expect("a file");
                old.set_permissions(Permissions::from_mode(mode)).expect("its mode");
            }
            let _held = take(&path).expect("the lock");
            let mode = path.metadata().expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{before:?}");
        }
    }

    #[test]
    fn one_who_looks_does_not_turn_away_one_who_takes() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
        drop(take(&path).expect("the lock"));
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    holder(&path).expect("readable");
                }
            });
            let taken: Vec<_> = (0..1000).filter_map(|_| take(&path).err()).collect();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(taken.is_empty(), "{taken:?}");
        });
    }

    #[test]
    fn whoever_begins_is_alone_before_the_work_during_it_and_when_only_the_work_is_left() {
        let dir = tempfile::tempdir().expect("a directory");
        let (begun, work) = (dir.path().join("begun"), dir.path().join("work"));
        let refused = || format!("{:#}", begin_at(&begun, &work).expect_err("not alone"));
        let first = begin_at(&begun, &work).expect("alone");
        let told = refused();
        assert!(told.starts_with(&format!("another tootstrap was started before this one: process {}", std::process::id())), "{told}");
        let working = take(&work).expect("the lock of the work is another");
        assert!(refused().starts_with("another tootstrap is at work: process "));
        drop(first);
        assert!(refused().starts_with("another tootstrap is at work: process "));
        drop(working);
        begin_at(&begun, &work).expect("alone again");
    }
}
