//! Stamps: small files that say what a run-once command or a reload was last done for.
//!
//! A stamp is written after the deed, so a crash in between repeats the deed instead of losing it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::host::{Access, Host, Kind, Probe};

/// Parents of every stamp, outermost first.
const DIRECTORIES: [&str; 2] = ["/var/lib/tootstrap", "/var/lib/tootstrap/stamps"];

/// Where the kernel tells this boot's id.
pub(super) const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Where the stamp of this name lies.
fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORIES[1]).join(name.replace('/', "-"))
}

/// What a stamp says. `None`: there is none, or it is damaged: then what it was for is done again, which is always safe.
pub(super) async fn read(host: &dyn Probe, name: &str) -> anyhow::Result<Option<String>> {
    let path = path(name);
    match host.stat(&path).await? {
        None => return Ok(None),
        Some(stat) if stat.kind != Kind::File => return Ok(damaged(&path)),
        Some(_) => {}
    }
    let Some(bytes) = host.read(&path).await? else { return Ok(None) };
    // Every stamp ends with a line end, so one that was cut off is told.
    match String::from_utf8(bytes) {
        Ok(text) if text.ends_with('\n') && !text.contains('\0') && !text.trim().is_empty() => Ok(Some(text.trim_end().to_owned())),
        _ => Ok(damaged(&path)),
    }
}

fn damaged(path: &Path) -> Option<String> {
    log::warn!("{} is damaged and counts as missing", path.display());
    None
}

/// Forgets a stamp: what it was for is due again.
pub(super) async fn remove(host: &dyn Host, name: &str) -> anyhow::Result<()> {
    if host.stat(&path(name)).await?.is_some_and(|stat| stat.kind == Kind::File) {
        host.remove(&path(name)).await?;
    }
    Ok(())
}

/// Writes a stamp; its directories are made, and what is no file in its place is put aside.
pub(super) async fn write(host: &dyn Host, name: &str, content: &str) -> anyhow::Result<()> {
    for directory in DIRECTORIES.map(Path::new) {
        if host.stat(directory).await?.is_none() {
            host.make_dir(directory, Access::root(0o755)).await?;
        }
    }
    let path = path(name);
    if host.stat(&path).await?.is_some_and(|stat| stat.kind != Kind::File) {
        host.rename(&path, &path.with_extension("damaged")).await?;
    }
    host.write(&path, format!("{content}\n").as_bytes(), Access::root(0o644)).await?;
    Ok(())
}

/// This boot's id: what was true of the running system may not be after the next.
pub(super) async fn boot(host: &dyn Probe) -> anyhow::Result<String> {
    Ok(host.read_text(Path::new(BOOT)).await?.unwrap_or_default().trim().to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[tokio::test]
    async fn a_damaged_stamp_counts_as_missing_and_is_written_again() {
        let file = path("a/b");
        for content in [b"".as_slice(), b"\n", b"do", b"\xff\xfe\x00\n", b"\0\0\0\n"] {
            let host = FakeHost::debian();
            write(&host, "a/b", "done").await.unwrap();
            assert_eq!(read(&host, "a/b").await.unwrap().as_deref(), Some("done"));
            host.machine().nodes.get_mut(&file).unwrap().content = content.to_vec();
            assert_eq!(read(&host, "a/b").await.unwrap(), None, "{content:?}");
            write(&host, "a/b", "done").await.unwrap();
            assert_eq!(read(&host, "a/b").await.unwrap().as_deref(), Some("done"));
            remove(&host, "a/b").await.unwrap();
            assert_eq!(read(&host, "a/b").await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_directory_in_its_place_is_put_aside() {
        let host = FakeHost::debian();
        write(&host, "other", "done").await.unwrap();
        host.machine().place(path("a/b"), Kind::Directory, "", 0o755);
        assert_eq!(read(&host, "a/b").await.unwrap(), None);
        remove(&host, "a/b").await.unwrap();
        write(&host, "a/b", "done").await.unwrap();
        assert_eq!(read(&host, "a/b").await.unwrap().as_deref(), Some("done"));
        assert_eq!(host.machine().nodes[Path::new("/var/lib/tootstrap/stamps/a-b.damaged")].kind, Kind::Directory);
    }
}
