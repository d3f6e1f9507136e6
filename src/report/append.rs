//! Files that only grow: a header with the version, then one line of JSON an entry. 0600.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Version of the format.
const VERSION: u32 = 1;

/// A file that has grown longer than this is put aside as `….old` when it is opened, bytes.
const LONGEST: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
}

/// A file open for appending.
pub(super) struct Appending {
    file: File,
}

impl Appending {
    /// Opens or begins the file, and makes its directory (0700). One that is too long or damaged is put aside.
    ///
    /// # Errors
    /// A newer version's file ([`io::ErrorKind::InvalidData`]), or what cannot be read or written.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        match condition(path)? {
            Condition::Good => {}
            Condition::TooLong => put_aside(path, &beside(path, "old"))?,
            Condition::Damaged => {
                let aside = free_name(path);
                log::warn!("{} is damaged: it is kept as {} and begun anew", path.display(), aside.display());
                put_aside(path, &aside)?;
            }
        }
        let mut file = File::options().read(true).append(true).create(true).mode(0o600).open(path)?;
        if file.metadata()?.len() == 0 {
            let mut appending = Self { file };
            appending.append(&Header { version: VERSION })?;
            return Ok(appending);
        }
        end_last_line(&mut file)?;
        Ok(Self { file })
    }

    /// Adds an entry.
    pub(super) fn append(&mut self, entry: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }

    /// Makes everything so far survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

enum Condition {
    /// It can be added to, or there is none.
    Good,
    TooLong,
    /// It is no file, or does not begin with its version.
    Damaged,
}

fn condition(path: &Path) -> io::Result<Condition> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Condition::Good),
        Err(error) => return Err(error),
    };
    if !found.is_file() {
        return Ok(Condition::Damaged);
    }
    if found.len() == 0 {
        return Ok(Condition::Good);
    }
    let mut start = Vec::new();
    File::open(path)?.take(200).read_to_end(&mut start)?;
    let first = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    match serde_json::from_slice::<Header>(first) {
        Ok(header) if header.version > VERSION => {
            let why = format!("{} has version {}, this program knows {VERSION}", path.display(), header.version);
            Err(io::Error::new(io::ErrorKind::InvalidData, why))
        }
        Ok(_) if found.len() > LONGEST => Ok(Condition::TooLong),
        Ok(_) => Ok(Condition::Good),
        Err(_) => Ok(Condition::Damaged),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = PathBuf::from(path).into_os_string();
    name.push(".");
    name.push(ending);
    name.into()
}

/// `….damaged`, or `….damaged-2` and so on: an earlier one is never overwritten.
fn free_name(path: &Path) -> PathBuf {
    let mut candidate = beside(path, "damaged");
    let mut number = 2;
    while fs::symlink_metadata(&candidate).is_ok() {
        candidate = beside(path, &format!("damaged-{number}"));
        number += 1;
    }
    candidate
}

#[expect(clippy::disallowed_methods, reason = "our own record, not the machine's configuration")]
fn put_aside(path: &Path, name: &Path) -> io::Result<()> {
    fs::rename(path, name)
}

/// A power cut may have torn the last line: the next one must not continue it.
fn end_last_line(file: &mut File) -> io::Result<()> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}
