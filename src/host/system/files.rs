//! Files and directories.

#![expect(clippy::disallowed_methods, reason = "this is the door through which files are changed")]

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK};
use secrecy::{ExposeSecret, SecretSlice};
use tempfile::NamedTempFile;

use super::super::{Access, HostError, Kind, Result, Space, Stat};

/// Bytes compared at a time.
const PIECE: usize = 64 << 10;

/// Runs file work where it may block.
pub(super) async fn blocking<T: Send + 'static>(path: &Path, work: impl FnOnce(&Path) -> Result<T> + Send + 'static) -> Result<T> {
    let path = path.to_owned();
    let name = path.clone();
    match tokio::task::spawn_blocking(move || work(&path)).await {
        Ok(result) => result,
        Err(crashed) => Err(HostError::File { action: "use", path: name, source: io::Error::other(crashed) }),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HostError {
    let path = path.to_owned();
    move |source| HostError::File { action, path, source }
}

/// `None` where nothing is: also below something that is no directory.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    if_there(fs::read(path)).map_err(failed("read", path))
}

/// Piece by piece; not at all if both are one file.
pub(super) fn same_content(one: &Path, other: &Path) -> Result<bool> {
    let open = |path: &Path| if_there(File::open(path)).map_err(failed("read", path));
    let (Some(mut a), Some(mut b)) = (open(one)?, open(other)?) else { return Ok(false) };
    let (of_a, of_b) = (a.metadata().map_err(failed("look at", one))?, b.metadata().map_err(failed("look at", other))?);
    if !of_a.is_file() || !of_b.is_file() || of_a.len() != of_b.len() {
        return Ok(false);
    }
    if (of_a.dev(), of_a.ino()) == (of_b.dev(), of_b.ino()) {
        return Ok(true);
    }
    let (mut piece_a, mut piece_b) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        let count = a.read(&mut piece_a).map_err(failed("read", one))?;
        if count == 0 {
            return Ok(true);
        }
        match b.read_exact(&mut piece_b[..count]) {
            Ok(()) if piece_a[..count] == piece_b[..count] => {}
            Ok(()) => return Ok(false),
            Err(cut) if cut.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(failed("read", other)(error)),
        }
    }
}

pub(super) fn stat(path: &Path) -> Result<Option<Stat>> {
    let found = if_there(fs::symlink_metadata(path)).map_err(failed("look at", path))?;
    Ok(found.map(|meta| Stat {
        kind: kind(meta.file_type()),
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        size: meta.len(),
    }))
}

fn kind(of: fs::FileType) -> Kind {
    if of.is_file() {
        Kind::File
    } else if of.is_dir() {
        Kind::Directory
    } else if of.is_symlink() {
        Kind::Link
    } else {
        debug_assert!(of.is_socket() || of.is_fifo() || of.is_block_device() || of.is_char_device());
        Kind::Other
    }
}

/// The process that stands in the way of a write lock on the whole file.
#[expect(clippy::cast_possible_truncation, reason = "the C header's constants, which are small, for the C header's short fields")]
pub(super) fn lock_holder(path: &Path) -> Result<Option<i32>> {
    let Some(file) = if_there(File::open(path)).map_err(failed("open", path))? else { return Ok(None) };
    let (write, none, whole) = (libc::F_WRLCK as libc::c_short, libc::F_UNLCK as libc::c_short, libc::SEEK_SET as libc::c_short);
    let mut lock = libc::flock { l_type: write, l_whence: whole, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(&file, FcntlArg::F_GETLK(&mut lock)).map_err(|errno| failed("look for the lock of", path)(errno.into()))?;
    Ok((lock.l_type != none).then_some(lock.l_pid))
}

pub(super) fn list(dir: &Path) -> Result<Vec<String>> {
    let Some(entries) = if_there(fs::read_dir(dir)).map_err(failed("list", dir))? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed("list", dir))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

pub(super) fn space(path: &Path) -> Result<Space> {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let found = nix::sys::statvfs::statvfs(existing).map_err(|errno| failed("look at", existing)(errno.into()))?;
    let bytes = |blocks: u64| blocks * found.fragment_size();
    let (free, total) = (bytes(found.blocks_free()), bytes(found.blocks()));
    Ok(Space { free, total, files_free: found.files_free(), files: found.files() })
}

/// How a file ends that is not yet in its place.
const TEMPORARY: &str = ".tmp";

pub(super) fn write(path: &Path, content: &SecretSlice<u8>, access: Access) -> Result<()> {
    let (mut whole, _file) = begin(path, access)?;
    whole.write_all(content.expose_secret()).map_err(failed("write", path))?;
    complete(whole, path)
}

/// A file that takes its place at `path` once it is [`complete`]d, and goes away if it never is; and a handle to write into it.
pub(super) fn begin(path: &Path, access: Access) -> Result<(NamedTempFile, File)> {
    let fail = || failed("write", path);
    let (dir, name) = split(path)?;
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{name}.");
    builder.prefix(&prefix).suffix(TEMPORARY).permissions(Permissions::from_mode(0o600));
    remove_leftovers(dir, &prefix).map_err(fail())?;
    let temporary = builder.tempfile_in(dir).map_err(fail())?;
    temporary.as_file().lock().map_err(fail())?;
    give(temporary.as_file(), access).map_err(fail())?;
    let handle = temporary.as_file().try_clone().map_err(fail())?;
    Ok((temporary, handle))
}

/// Gives a file from [`begin`] its place, safe from a power cut.
pub(super) fn complete(whole: NamedTempFile, path: &Path) -> Result<()> {
    let fail = || failed("write", path);
    whole.as_file().sync_all().map_err(fail())?;
    whole.persist(path).map_err(|error| fail()(error.error))?;
    sync_dir(split(path)?.0)
}

/// Removes what writes of the same file left that were killed; one that goes on holds its lock.
fn remove_leftovers(dir: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(prefix)?.strip_suffix(TEMPORARY));
        if random.is_none_or(|random| random.len() != 6 || !random.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            continue;
        }
        let path = dir.join(&name);
        // What vanished, and a link, is no leftover.
        let Ok(file) = File::options().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(&path) else { continue };
        if file.try_lock().is_ok() {
            if_there(fs::remove_file(&path))?;
        }
    }
    Ok(())
}

pub(super) fn make_dir(path: &Path, access: Access) -> Result<()> {
    // With its mode from the beginning: of a parent made on the way nobody would notice that it has another one after a kill.
    let is_new = match fs::DirBuilder::new().mode(access.mode).create(path) {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => return Err(failed("make", path)(error)),
    };
    let dir = File::options().read(true).custom_flags(O_DIRECTORY | O_NOFOLLOW).open(path).map_err(failed("open", path))?;
    give(&dir, access).map_err(failed("set the owner of", path))?;
    dir.sync_all().map_err(failed("sync", path))?;
    if is_new { sync_dir(split(path)?.0) } else { Ok(()) }
}

pub(super) fn set_access(path: &Path, access: Access) -> Result<()> {
    // A link is refused: in a user's directory it could lead anywhere.
    let file = File::options().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path).map_err(failed("open", path))?;
    give(&file, access).map_err(failed("set the owner of", path))
}

/// The owner first: changing it clears the set-user-id bits.
fn give(file: &File, access: Access) -> io::Result<()> {
    fchown(file, Some(access.uid), Some(access.gid))?;
    file.set_permissions(Permissions::from_mode(access.mode))
}

pub(super) fn remove(path: &Path) -> Result<()> {
    match if_there(fs::remove_file(path)).map_err(failed("remove", path))? {
        Some(()) => sync_dir(split(path)?.0),
        None => Ok(()),
    }
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(failed("rename", from))?;
    let (old, new) = (split(from)?.0, split(to)?.0);
    sync_dir(new)?;
    if old == new { Ok(()) } else { sync_dir(old) }
}

/// The temporary name is always the same, so a crash cannot leave many large files behind.
pub(super) fn allocate(path: &Path, bytes: u64, access: Access) -> Result<()> {
    let fail = || failed("allocate", path);
    let (dir, name) = split(path)?;
    let temporary = dir.join(format!(".{name}.tmp"));
    remove(&temporary)?;
    let file = File::options().write(true).create_new(true).mode(0o600).open(&temporary).map_err(fail())?;
    let filled = give(&file, access).and_then(|()| fill(&file, bytes)).and_then(|()| file.sync_all());
    if let Err(error) = filled {
        remove(&temporary)?;
        return Err(fail()(error));
    }
    rename(&temporary, path)
}

fn fill(file: &File, bytes: u64) -> io::Result<()> {
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    match nix::fcntl::posix_fallocate(file, 0, length) {
        Ok(()) => Ok(()),
        // The file system cannot reserve blocks: write them.
        Err(nix::errno::Errno::EOPNOTSUPP | nix::errno::Errno::EINVAL) => {
            let mut file = file;
            io::copy(&mut io::repeat(0).take(bytes), &mut file).map(|_written| ())
        }
        Err(errno) => Err(errno.into()),
    }
}

fn split(path: &Path) -> Result<(&Path, String)> {
    let parts = path.parent().zip(path.file_name());
    let (dir, name) = parts.ok_or_else(|| failed("write", path)(ErrorKind::InvalidInput.into()))?;
    Ok((dir, name.to_string_lossy().into_owned()))
}

/// A rename is safe from a power cut only when its directory has been written.
fn sync_dir(dir: &Path) -> Result<()> {
    let dir: PathBuf = if dir.as_os_str().is_empty() { ".".into() } else { dir.into() };
    File::open(&dir).and_then(|file| file.sync_all()).map_err(failed("sync", &dir))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mine(mode: u32) -> Access {
        Access { mode, uid: nix::unistd::getuid().as_raw(), gid: nix::unistd::getgid().as_raw() }
    }

    #[test]
    fn a_write_replaces_the_whole_file_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("motd");
        for (content, mode) in [("long first content", 0o644), ("short", 0o600)] {
            write(&path, &content.as_bytes().to_vec().into(), mine(mode)).unwrap();
            assert_eq!(read(&path).unwrap().unwrap(), content.as_bytes());
            assert_eq!(stat(&path).unwrap().unwrap().mode, mode);
        }
        assert_eq!(list(dir.path()).unwrap(), ["motd"]);
    }

    #[test]
    fn what_a_killed_write_left_goes_and_what_another_is_writing_stays() {
        let dir = tempfile::tempdir().unwrap();
        let of_others = [".motd.local.tmp", ".motd.d.ABCdef.tmp", ".motd.ABCdef", "motd.ABCdef.tmp"];
        for name in [".motd.ABC123.tmp", ".motd.DEF456.tmp"].iter().chain(&of_others) {
            fs::write(dir.path().join(name), "half").unwrap();
        }
        let at_work = File::open(dir.path().join(".motd.DEF456.tmp")).unwrap();
        at_work.lock().unwrap();
        symlink("/nowhere", dir.path().join(".motd.GHI789.tmp")).unwrap();
        write(&dir.path().join("motd"), &b"whole".to_vec().into(), mine(0o644)).unwrap();
        let left = list(dir.path()).unwrap();
        assert!(!left.contains(&".motd.ABC123.tmp".to_owned()), "{left:?}");
        assert_eq!(left.len(), of_others.len() + 3, "{left:?}");
    }

    #[test]
    fn contents_are_compared_to_their_ends() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let content = vec![b'x'; 2 * PIECE + 1];
        let mut other = content.clone();
        other[2 * PIECE] = b'y';
        for (name, content) in [("a", &content), ("b", &content), ("c", &other), ("short", &vec![b'x']), ("none", &Vec::new())] {
            write(&at(name), &content.clone().into(), mine(0o644)).unwrap();
        }
        symlink("a", at("link")).unwrap();
        for (name, same) in [("a", true), ("b", true), ("link", true), ("c", false), ("short", false), ("none", false), ("nothing", false)]
        {
            assert_eq!(same_content(&at("a"), &at(name)).unwrap(), same, "{name}");
        }
        assert!(!same_content(dir.path(), dir.path()).unwrap(), "no file");
    }

    #[test]
    fn what_is_not_there_is_none_and_not_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let below_a_file = dir.path().join("file/below");
        write(&dir.path().join("file"), &Vec::new().into(), mine(0o644)).unwrap();
        for path in [dir.path().join("absent"), below_a_file] {
            assert_eq!(read(&path).unwrap(), None);
            assert_eq!(stat(&path).unwrap(), None);
            assert_eq!(list(&path).unwrap(), Vec::<String>::new());
            remove(&path).unwrap();
        }
        assert!(write(&dir.path().join("no/such/dir"), &Vec::new().into(), mine(0o644)).is_err());
    }

    #[test]
    fn whoever_holds_a_lock_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(lock_holder(&path).unwrap(), None);
        write(&path, &Vec::new().into(), mine(0o640)).unwrap();
        assert_eq!(lock_holder(&path).unwrap(), None);
        let script = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()";
        let mut other = std::process::Command::new("python3");
        let pipes = other.args(["-c", script]).arg(&path).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut other = pipes.spawn().unwrap();
        other.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        assert_eq!(lock_holder(&path).unwrap(), Some(other.id().try_into().unwrap()));
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(lock_holder(&path).unwrap(), None);
    }

    #[test]
    fn a_directory_gets_its_mode_also_when_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made");
        for mode in [0o700, 0o755] {
            make_dir(&path, mine(mode)).unwrap();
            let found = stat(&path).unwrap().unwrap();
            assert_eq!((found.kind, found.mode), (Kind::Directory, mode));
        }
    }

    #[test]
    fn a_link_is_seen_as_a_link_and_its_target_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        write(&target, &b"x".to_vec().into(), mine(0o644)).unwrap();
        symlink(&target, &link).unwrap();
        assert_eq!(stat(&link).unwrap().unwrap().kind, Kind::Link);
        assert!(set_access(&link, mine(0o777)).is_err());
        assert_eq!(stat(&target).unwrap().unwrap().mode, 0o644);
    }

    #[test]
    fn allocated_blocks_are_really_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("swapfile");
        allocate(&path, 3 << 20, mine(0o600)).unwrap();
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(meta.len(), 3 << 20);
        assert!(meta.blocks() * 512 >= 3 << 20);
        assert_eq!(list(dir.path()).unwrap(), ["swapfile"]);
    }

    #[test]
    fn space_of_a_path_to_come_is_that_of_its_parent() {
        let found = space(Path::new("/nonexistent/below")).unwrap();
        assert!(found.total >= found.free && found.total > 0);
    }
}
