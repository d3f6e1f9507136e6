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
    /// Opens or begins the file, and makes its directory (0700). A newer version's file is refused.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        put_aside(path)?;
        let mut file = File::options().read(true).append(true).create(true).mode(0o600).open(path)?;
        if file.metadata()?.len() == 0 {
            let mut appending = Self { file };
            appending.append(&Header { version: VERSION })?;
            return Ok(appending);
        }
        check_version(&mut file, path)?;
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

#[expect(clippy::disallowed_methods, reason = "our own record, not the machine's configuration")]
fn put_aside(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.len() > LONGEST => {
            let mut old = PathBuf::from(path).into_os_string();
            old.push(".old");
            fs::rename(path, old)
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn check_version(file: &mut File, path: &Path) -> io::Result<()> {
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(200).read_to_end(&mut start)?;
    let first = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    match serde_json::from_slice::<Header>(first) {
        Ok(header) if header.version > VERSION => {
            let (path, version) = (path.display(), header.version);
            Err(io::Error::other(format!("{path} has version {version}; this program knows {VERSION}: use a newer one")))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(io::Error::other(format!("{} does not begin with its version: {error}", path.display()))),
    }
}

/// A power cut may have torn the last line: the next one must not continue it.
fn end_last_line(file: &mut File) -> io::Result<()> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}
