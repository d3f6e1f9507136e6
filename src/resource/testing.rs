//! What every table of tests needs.

use super::Resource;
use crate::host::fake::FakeHost;

/// Applies if something differs, demands that nothing differs afterwards, and returns what was changed.
pub(crate) async fn converge(host: &FakeHost, resource: &dyn Resource) -> Vec<String> {
    host.take_log();
    if !resource.check(host).await.unwrap().changes.is_empty() {
        resource.apply(host).await.unwrap();
    }
    let left = resource.check(host).await.unwrap();
    assert!(left.is_empty(), "{resource} still differs after apply: {left:?}");
    host.take_log()
}

/// A log without what is written to remember.
pub(crate) fn but_stamps(log: Vec<String>) -> Vec<String> {
    log.into_iter().filter(|line| !line.contains(" /var/lib/tootstrap")).collect()
}
