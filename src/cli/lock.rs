//! Only one process at a time changes the machine.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use jiff::Timestamp;

use crate::report::Problem;

/// Where the lock is. It names its holder.
pub(super) const PATH: &str = "/run/tootstrap.lock";

/// Held as long as this exists; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock and writes who holds it.
///
/// # Errors
/// Another process holds it: the error says which and since when.
pub(super) fn take(path: &Path) -> anyhow::Result<Lock> {
    let mut file = open(path)?.map_err(|holder| busy(&holder))?;
    file.set_len(0).and_then(|()| file.rewind()).with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "process {} since {:.0}", std::process::id(), Timestamp::now()).context("cannot name the holder of the lock")?;
    Ok(Lock { _file: file })
}

/// Whether the lock could be taken now; the same error as [`take`] otherwise.
pub(super) fn is_free(path: &Path) -> anyhow::Result<()> {
    holder(path)?.map_or(Ok(()), |holder| Err(busy(&holder)))
}

/// Who holds the lock and since when, in its own words.
pub(super) fn holder(path: &Path) -> anyhow::Result<Option<String>> {
    Ok(open(path)?.err())
}

/// Since when such a holder holds it.
pub(super) fn since(holder: &str) -> Option<Timestamp> {
    holder.rsplit(' ').next()?.parse().ok()
}

/// That another process is at work, and what to do.
pub(super) fn busy(holder: &str) -> anyhow::Error {
    Problem::new(anyhow!("another tootstrap is at work: {holder}"), "wait for it; `sudo tootstrap attach` shows it").into()
}

/// The locked file, or else who holds it.
fn open(path: &Path) -> anyhow::Result<Result<File, String>> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(path);
    let mut file = file.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Ok(file)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(Err(holder.trim().to_owned()))
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_and_since_when() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("lock");
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
}
