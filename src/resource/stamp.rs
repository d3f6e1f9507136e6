//! Stamps: small files that say what a run-once command or a reload was last done for.
//!
//! A stamp is written after the deed, so a crash in between repeats the deed instead of losing it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::host::{Access, Host, Probe};

/// Parents of every stamp, outermost first.
const DIRECTORIES: [&str; 2] = ["/var/lib/tootstrap", "/var/lib/tootstrap/stamps"];

/// Where the stamp of this name lies.
fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORIES[1]).join(name.replace('/', "-"))
}

/// What a stamp says. `None`: there is none.
pub(super) async fn read(host: &dyn Probe, name: &str) -> anyhow::Result<Option<String>> {
    Ok(host.read_text(&path(name)).await?.map(|text| text.trim_end().to_owned()))
}

/// Writes a stamp; its directories are made.
pub(super) async fn write(host: &dyn Host, name: &str, content: &str) -> anyhow::Result<()> {
    for directory in DIRECTORIES.map(Path::new) {
        if host.stat(directory).await?.is_none() {
            host.make_dir(directory, Access::root(0o755)).await?;
        }
    }
    host.write(&path(name), format!("{content}\n").as_bytes(), Access::root(0o644)).await?;
    Ok(())
}

/// SHA-256 over names and contents of files, hexadecimal. A file that does not exist counts as such.
pub(super) async fn fingerprint(host: &dyn Probe, files: &[PathBuf]) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.as_os_str().as_encoded_bytes());
        match host.read(file).await? {
            Some(content) => {
                hash.update([0, 1]);
                hash.update(content.len().to_be_bytes());
                hash.update(&content);
            }
            None => hash.update([0, 0]),
        }
    }
    Ok(hex(&hash.finalize()))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
