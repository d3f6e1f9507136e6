//! What was seen of a machine and of its surroundings.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use crate::host::Space;
use crate::report::Outcome;

/// Everything that was looked at. What could not be found out is empty or `None`; why stands in `troubles`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Name of the site. `None`: nothing is installed.
    pub site: Option<String>,
    /// The site is behind a web server that is not ours.
    pub behind_proxy: bool,
    /// What cannot be found out about the machine itself or its records, with what to do.
    pub troubles: Vec<(String, Option<String>)>,
    /// What comparing the machine with its record says, as `tootstrap status` does.
    pub steps: Vec<Step>,
    /// Steps of the last run that failed.
    pub last_run: Vec<Step>,
    /// Containers of the project by service.
    pub containers: BTreeMap<String, Container>,
    /// Ports that containers publish to the world: `0.0.0.0:5432->5432/tcp of x`.
    pub published: Vec<String>,
    /// Bridges of the project's networks that firewalld has in none of its zones.
    pub in_no_zone: Vec<String>,
    /// Ports of the web that this machine's own firewall shuts.
    pub shut: Vec<Shut>,
    /// What the containers said in the last half hour, by service.
    pub logs: BTreeMap<String, Vec<String>>,
    /// Errors of the certificate authority in Caddy's log of the last hours, newest first.
    pub authority: Vec<String>,
    /// File systems.
    pub disks: Vec<Disk>,
    /// Mounted read-only though they must not be.
    pub read_only: Vec<String>,
    /// `/proc/meminfo` in bytes: `MemTotal`, `MemAvailable`, `SwapTotal`, `SwapFree`.
    pub memory: BTreeMap<String, u64>,
    /// What the kernel killed for want of memory since yesterday.
    pub killed: Vec<String>,
    /// The clock.
    pub clock: Clock,
    /// Ports of mail.
    pub mail: Mail,
    /// Why names cannot be looked up.
    pub resolver: Option<String>,
    /// The site, asked from here.
    pub web: Web,
    /// The certificate that Caddy keeps.
    pub tls: Tls,
    /// Directories of media that Mastodon cannot write to.
    pub not_writable: Vec<String>,
    /// What runs, and in which version.
    pub versions: Vec<(String, String)>,
    /// Remarks about the release, Docker and the firewall.
    pub notes: Vec<String>,
    /// A newer version of Mastodon that this program knows.
    pub newer: Option<String>,
    /// Upgrades take effect only after a restart of the machine.
    pub restart_needed: bool,
}

/// A step of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Stable name.
    pub id: String,
    /// How it stands.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A container.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Container {
    /// `running`, `exited`, `restarting`, …
    pub state: String,
    /// Its last exit status.
    pub exit_code: i32,
    /// It, or a process in it, was killed for want of memory.
    pub out_of_memory: bool,
    /// How often it was started again since it was made.
    pub restarts: u32,
    /// Seconds since its last start.
    pub age: Option<i64>,
    /// `healthy`, `unhealthy`, `starting`; empty: it has no health check.
    pub health: String,
    /// Its limit in bytes; 0: none.
    pub memory_limit: u64,
}

/// A port that a firewall shuts.
#[derive(Clone, Debug, Serialize)]
pub struct Shut {
    /// As ufw writes it: `80/tcp`.
    pub port: String,
    /// The rule that shuts it. `None`: no rule lets everybody in.
    pub rule: Option<String>,
}

/// A file system.
#[derive(Clone, Debug, Serialize)]
pub struct Disk {
    /// One path on it.
    pub path: String,
    /// Its space.
    #[serde(skip)]
    pub space: Space,
}

/// The clock.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Clock {
    /// Seconds that it is fast, compared with `against`.
    pub fast: Option<i64>,
    /// Whose answers had the date.
    pub against: String,
    /// Whether something keeps it right. `None`: unknown.
    pub synchronized: Option<bool>,
}

/// Ports of mail, tried from here.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Mail {
    /// The site's relay with its port.
    pub relay: Option<(String, u16)>,
    /// Who was tried; whose name was not found was not.
    pub hosts: Vec<String>,
    /// Whether each port that was tried can be connected to, at one of them at least.
    pub ports: BTreeMap<u16, bool>,
}

/// The site's answers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Web {
    /// Status of `/health` through Caddy on this machine, or why there was none. `None`: not asked.
    pub here: Option<Result<u16, String>>,
    /// The same for streaming.
    pub streaming: Option<Result<u16, String>>,
    /// The same through the site's public name.
    pub public: Option<Result<u16, String>>,
    /// Where the public name leads.
    pub addresses: Vec<IpAddr>,
    /// It leads to an address of this machine itself, so asking there says nothing about a firewall in front.
    pub own_address: bool,
}

/// A certificate.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tls {
    /// From when on it counts.
    pub from: Option<Timestamp>,
    /// Until when it counts.
    pub until: Option<Timestamp>,
}

impl Seen {
    /// The outcome of a step; none if the plan has no such step.
    pub(super) fn step(&self, id: &str) -> Option<&Outcome> {
        self.steps.iter().find(|step| step.id == id).map(|step| &step.outcome)
    }

    /// The last line of a service's log that contains one of these.
    pub(super) fn said(&self, service: &str, parts: &[&str]) -> Vec<String> {
        let has = |line: &&String| parts.iter().any(|part| line.contains(part));
        self.logs.get(service).and_then(|lines| lines.iter().rfind(has)).map(|line| format!("{service}: {line}")).into_iter().collect()
    }
}
