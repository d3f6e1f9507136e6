//! Waiting for whoever else uses apt or dpkg: first boots run long upgrades.

use std::path::Path;
use std::time::Duration;

use super::tail;
use crate::host::{Cmd, Host, HostError, News, Output, Probe, Result};

/// How long somebody else may hold dpkg's and apt's locks.
const PATIENCE: Duration = Duration::from_mins(20);
/// How often it is looked, or tried, again meanwhile.
const EVERY: Duration = Duration::from_secs(2);

const INDEX: &[&str] = &["/var/lib/apt/lists/lock"];
const DPKG: &[&str] = &["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"];
const PACKAGES: &[&str] = &["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/cache/apt/archives/lock"];

/// Runs a command of apt or dpkg, waiting while somebody else holds one of the locks that it needs, and saying who.
///
/// Between the look and the command somebody may still take a lock: then the command says so and fails, and it all begins again.
///
/// # Errors
/// The command fails, or the run is told to stop before it began ([`HostError::Stopped`]).
pub(crate) async fn run_locked(host: &dyn Host, cmd: &Cmd) -> Result<Output> {
    let began = tokio::time::Instant::now();
    loop {
        free(host, locks_of(cmd), began).await?;
        match host.run(cmd).await {
            Err(error) if is_locked(&error) && began.elapsed() < PATIENCE => host.pause(EVERY).await?,
            done => return done,
        }
    }
}

/// Waits until nobody holds these locks, and tells each new holder once. apt itself says nothing while it waits and nobody watches.
async fn free(host: &dyn Host, locks: &[&str], began: tokio::time::Instant) -> Result<()> {
    let mut told = None;
    while let Some(held) = held(host.probe(), locks).await? {
        if began.elapsed() >= PATIENCE {
            return Ok(());
        }
        if told.as_ref() != Some(&held) {
            host.tell(News::Line(&held));
            told = Some(held);
        }
        host.pause(EVERY).await?;
    }
    Ok(())
}

/// The first of these locks that somebody holds, in the words of apt.
async fn held(host: &dyn Probe, locks: &[&str]) -> Result<Option<String>> {
    for lock in locks {
        if let Some(process) = host.lock_holder(Path::new(lock)).await? {
            // It may have ended meanwhile.
            let name = host.read_text(&Path::new("/proc").join(process.to_string()).join("comm")).await?;
            let name = name.as_deref().map_or("?", str::trim);
            return Ok(Some(format!("Waiting for {lock}. It is held by process {process} ({name})")));
        }
    }
    Ok(None)
}

fn locks_of(cmd: &Cmd) -> &'static [&'static str] {
    match cmd.argv().as_slice() {
        ["dpkg", ..] => DPKG,
        [.., "update"] => INDEX,
        _ => PACKAGES,
    }
}

fn is_locked(error: &HostError) -> bool {
    let said = [
        "Could not get lock",
        "Unable to acquire the dpkg frontend lock",
        "Unable to lock directory",
        "is locked by another process",
        "was locked by another process",
    ];
    tail(error).iter().any(|line| said.iter().any(|text| line.contains(text)))
}

#[cfg(test)]
mod tests {
    use super::super::apt_get;
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::run::Stop;

    async fn seen(lock: &str, cmd: Cmd) -> Vec<String> {
        let host = FakeHost::debian();
        host.machine().place("/proc/712/comm", crate::host::Kind::File, "unattended-upgr\n", 0o444);
        host.machine().locks.insert(lock.into(), (712, 3));
        run_locked(&host, &cmd).await.unwrap();
        host.take_log().into_iter().map(|line| if line.starts_with("run") { "run".into() } else { line }).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_holder_is_named_once_and_waited_for() {
        for lock in PACKAGES {
            let said = format!("say Waiting for {lock}. It is held by process 712 (unattended-upgr)");
            assert_eq!(seen(lock, apt_get().arg("full-upgrade")).await, [said.as_str(), "run"]);
        }
        let said = "say Waiting for /var/lib/apt/lists/lock. It is held by process 712 (unattended-upgr)";
        assert_eq!(seen(INDEX[0], apt_get().arg("update")).await, [said, "run"]);
        assert_eq!(seen(DPKG[0], Cmd::new("dpkg").args(["--configure", "-a"])).await.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_the_command_does_not_need_is_nobodys_business() {
        assert_eq!(seen(INDEX[0], apt_get().arg("full-upgrade")).await, ["run"]);
        assert_eq!(seen(DPKG[0], apt_get().arg("update")).await, ["run"]);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let host = FakeHost::debian();
        host.machine().locks.insert(INDEX[0].into(), (712, u32::MAX));
        let began = tokio::time::Instant::now();
        run_locked(&host, &apt_get().arg("update")).await.unwrap();
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait_before_the_command_begins() {
        let after = Duration::from_secs(7);
        for told_by_apt in [false, true] {
            let stop = Stop::default();
            let host = FakeHost::debian().stopped_by(&stop);
            if told_by_apt {
                host.machine().apt.busy = u32::MAX;
            } else {
                host.machine().locks.insert(INDEX[0].into(), (712, u32::MAX));
            }
            let began = tokio::time::Instant::now();
            let signal = async {
                tokio::time::sleep(after).await;
                stop.request();
            };
            let (ended, ()) = tokio::join!(async { (run_locked(&host, &apt_get().arg("update")).await, began.elapsed()) }, signal);
            assert!(matches!(ended, (Err(HostError::Stopped), waited) if waited == after), "{ended:?}");
        }
    }
}
