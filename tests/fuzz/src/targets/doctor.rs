//! What `doctor` reads: a machine in any state, logs of containers, answers from outside. It always ends with words that can be shared.

use std::sync::Arc;

use tootstrap::doctor::{Mask, diagnose, look, report};
use tootstrap::report::Redactor;

use super::super::machine::Machine;
use super::super::wait;
use super::settings::inputs;

const SLOTS: [&str; 22] = [
    "run docker ps --all",
    "run docker ps --format",
    "run docker inspect",
    "run docker logs",
    "run docker version",
    "run docker compose",
    "run journalctl",
    "run timedatectl",
    "run openssl",
    "run ip",
    "file /sys/fs/cgroup/",
    "file /proc/mounts",
    "file /proc/meminfo",
    "file /etc/os-release",
    "file /proc/sys/kernel/osrelease",
    "list /opt/mastodon/public/system",
    "list /opt/mastodon/caddy/data/caddy/certificates",
    "file /opt/mastodon/caddy/",
    "dns",
    "http https://",
    "http http://",
    "reachable",
];
/// Stands in the seeds as well.
const SECRET: &str = "relay-password-of-ours";

pub fn run(data: &[u8]) {
    let machine = Machine::new(data, &SLOTS);
    let settings = inputs().settings;
    let seen = wait(look(&machine, Some(&settings)));
    assert!(machine.log().is_empty(), "a look has changed something");
    let findings = diagnose(&seen);
    assert!(findings.iter().all(|finding| !finding.says.is_empty()));
    let redactor = Arc::new(Redactor::default());
    redactor.hide(&SECRET.into());
    let mask = Mask::new(redactor, settings.address.v4.into_iter().map(Into::into).collect());
    let shared = report(&seen, &findings, &mask);
    assert!(!shared.contains(SECRET), "a secret is shared: {shared:?}");
    assert!(!shared.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')), "control characters: {shared:?}");
    assert_eq!(mask.clean(&shared), shared, "something was left to hide");
    let told = mask.clean_json(serde_json::to_value(&seen).expect("JSON"));
    assert!(!told.to_string().contains(SECRET), "a secret is told: {told}");
    assert_eq!(mask.clean_json(told.clone()), told, "something was left to hide");
}
