//! The file of `install --trace`: made before the work begins, so that a place that cannot be written is refused in time.

use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, anyhow};

use crate::host::{Access, Host, Kind};
use crate::report::{Trace, WithRemedy};

/// Makes the file, with a trace of nothing, and returns its absolute path.
///
/// # Errors
/// It cannot be written, or something else than a file stands there (a link or a device), which a file would replace.
pub(super) async fn begin(path: &Path, host: &dyn Host) -> anyhow::Result<PathBuf> {
    let path = absolute(path).with_context(|| format!("{} is no path of a file", path.display()))?;
    if host.stat(&path).await?.is_some_and(|stat| stat.kind != Kind::File) {
        return Err(anyhow!("the trace cannot be written to {}: it is not a regular file", path.display()))
            .remedy("give --trace a file, or a name that is not taken; nothing was changed");
    }
    let made = host.write(&path, Trace::NOTHING, Access::root(0o600)).await;
    made.with_context(|| format!("the trace cannot be written to {}", path.display()))
        .remedy("give --trace a file in a directory that is there")?;
    Ok(path)
}

/// What there is to say about the file when the work has ended.
pub(super) async fn end(path: &Path, host: &dyn Host) -> String {
    let file = path.display();
    match host.read(path).await {
        Ok(Some(content)) if content != Trace::NOTHING => {
            format!("tootstrap: the trace is in {file}; open it at https://ui.perfetto.dev or chrome://tracing")
        }
        Ok(_) => format!("tootstrap: there is no trace in {file}: the work ended without writing it; /var/log/tootstrap.log says why"),
        Err(error) => format!("tootstrap: the trace cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Probe;
    use crate::host::fake::FakeHost;
    use crate::report::Problem;

    #[tokio::test]
    async fn the_file_is_made_for_root_alone_before_the_work() {
        let host = FakeHost::debian();
        let path = begin(Path::new("/root/trace.json"), &host).await.unwrap();
        assert_eq!(host.stat(&path).await.unwrap().unwrap().mode & 0o777, 0o600);
        assert!(end(&path, &host).await.contains("there is no trace in /root/trace.json"));
        host.write(&path, b"[{}]", Access::root(0o600)).await.unwrap();
        assert!(end(&path, &host).await.contains("the trace is in /root/trace.json"));
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_refused() {
        let error = begin(Path::new("/nowhere/trace.json"), &FakeHost::debian()).await.unwrap_err();
        assert_eq!(Problem::remedy_of(&error), Some("give --trace a file in a directory that is there"));
    }

    #[tokio::test]
    async fn what_is_not_a_file_is_refused_and_left_alone() {
        for kind in [Kind::Other, Kind::Link, Kind::Directory] {
            let host = FakeHost::debian();
            host.machine().place("/dev/null", kind, "", 0o666);
            let error = begin(Path::new("/dev/null"), &host).await.unwrap_err();
            assert_eq!(error.to_string(), "the trace cannot be written to /dev/null: it is not a regular file");
            assert!(Problem::remedy_of(&error).is_some_and(|remedy| remedy.starts_with("give --trace a file")), "{error:#}");
            assert!(host.take_log().is_empty(), "nothing was changed");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_written_anew() {
        let host = FakeHost::debian();
        host.machine().place("/root/trace.json", Kind::File, "[{}]", 0o600);
        let path = begin(Path::new("/root/trace.json"), &host).await.unwrap();
        assert_eq!(host.read(&path).await.unwrap().as_deref(), Some(Trace::NOTHING));
    }
}
