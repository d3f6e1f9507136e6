//! Taking the server away again: what was made goes, in an order in which every stop leaves something that can be gone on with.

use std::path::PathBuf;

#[cfg(test)]
use super::Inputs;
use super::Plan;
use crate::resource::docker::{Absent, metadata};
use crate::resource::mastodon::FinalDump;
use crate::resource::removal::{ClosedPorts, DataKept, Gone, GoneIfEmpty, NoFormerVersions, NoImages, NoOwnerPassword, NoSwap, NoUnits};
use crate::resume;
#[cfg(test)]
use crate::settings::Images;

/// What begins every id of a removal's steps.
pub const GROUP: &str = "remove/";
/// The step that only a deletion of the data has.
pub const DELETION: &str = "remove/data";

/// All that a removal is made from.
#[derive(Clone, Debug)]
pub struct Removal {
    /// The images that were pulled for it.
    pub images: Vec<String>,
    /// The swap file was made for it.
    pub swap: bool,
    /// Ports of the web that were opened, as ufw writes them: `80/tcp`.
    pub ports: Vec<String>,
    /// The data go as well, with all that is needed to read them. `None`: they stay.
    pub data: Option<Deletion>,
}

/// How the data go.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// Of this server.
    pub site: String,
    /// Where a last dump is kept first. `None`: nothing is kept.
    pub dump: Option<PathBuf>,
}

/// Files of the project that every installation writes anew.
const FILES: &[&str] = &[
    "/opt/mastodon/compose.yaml",
    "/opt/mastodon/env.production",
    "/opt/mastodon/secrets.env",
    "/opt/mastodon/postgres/secret",
    "/opt/mastodon/redis/conf",
    "/opt/mastodon/caddy/conf",
    "/opt/mastodon/caddy/site",
    "/opt/mastodon/caddy/config",
    "/opt/mastodon/caddy/run",
    "/opt/mastodon/proxy",
    "/run/motd.d/tootstrap",
    "/run/tootstrap-motd",
    "/var/lib/tootstrap/stamps/finish-motd",
];

/// What somebody else had written into these files, and we replaced.
pub const FORMER_VERSIONS: NoFormerVersions = NoFormerVersions::new(FILES);

/// What cannot be made again, and then what says that it must be there.
const DATA: &[&str] = &[
    // First, and in one stroke: from then on there is no database of which a dump could be asked, however far the deletion comes.
    "/opt/mastodon/postgres/17/PG_VERSION",
    "/opt/mastodon/postgres/17",
    "/opt/mastodon/postgres/17.unfinished",
    "/opt/mastodon/redis/data",
    "/opt/mastodon/redis/data.torn",
    "/opt/mastodon/public/system",
    "/opt/mastodon/caddy/data",
    resume::COMPLETE,
    resume::DATA_KEPT,
];

/// What was done, stamps and lists, then what tells that there is something to remove. Without data they are of no use.
const RECORDS: &[&str] = &["/var/log/tootstrap.log", "/var/lib/tootstrap", "/etc/tootstrap", "/usr/local/bin/tootstrap"];

/// The inner ones first. Where the operator's own files are they stay.
const DIRECTORIES: &[&str] = &[
    "/opt/mastodon/postgres",
    "/opt/mastodon/redis",
    "/opt/mastodon/public",
    "/opt/mastodon/caddy/custom",
    "/opt/mastodon/caddy",
    "/opt/mastodon",
];

/// The whole removal. Reads top to bottom.
pub fn build(with: &Removal) -> Plan {
    let mut plan = Plan::default();
    // First of all: if none can be made, nothing is removed.
    let dump = with.data.as_ref().and_then(|data| data.dump.as_ref().map(|path| FinalDump::new(&data.site, path)));
    let dump = dump.map(|dump| plan.step("remove/dump", dump).add());
    // Then these, so that nothing starts anything again.
    let units = NoUnits::new(&["tootstrap-status.timer", "tootstrap-status.service", resume::UNIT]);
    let units = plan.step("remove/units", units).needs(dump).add();
    let containers = plan.step("remove/containers", Absent::project()).needs([units]).add();
    let metadata = plan.step("remove/metadata", NoUnits::new(&[metadata::UNIT])).needs([containers]).add();
    let images = plan.step("remove/images", NoImages::new(with.images.clone())).needs([containers]).add();
    let files = plan.step("remove/files", Gone::new("files of the project", FILES)).needs([containers]).add();
    let mut last = vec![metadata, images];
    if with.swap {
        last.push(plan.step("remove/swap", NoSwap).needs([containers]).add());
    }
    if !with.ports.is_empty() {
        last.push(plan.step("remove/ports", ClosedPorts::new(with.ports.clone())).needs([containers]).add());
    }
    if with.data.is_some() {
        let formers = plan.step("remove/former", FORMER_VERSIONS).needs([files]).add();
        let data = Gone::new("data: accounts, posts, media, certificates", DATA);
        let data = plan.step(DELETION, data).needs([files, formers]).add();
        // Last: as long as they are there, a removal that broke off can be gone on with.
        let directories = plan.step("remove/directories", GoneIfEmpty::new(DIRECTORIES)).needs([data]).add();
        let password = plan.step("remove/password", NoOwnerPassword).needs([data]).add();
        let records = Gone::new("records, secrets and program", RECORDS);
        plan.step("remove/records", records).needs(last).needs([directories, password]).add();
    } else {
        plan.step("remove/kept", DataKept).needs([files]).needs(last).add();
    }
    plan
}

impl Removal {
    /// What would take this installation away.
    #[cfg(test)]
    pub(crate) fn of(with: &Inputs, delete_data: bool) -> Self {
        let ports = ["80/tcp", "443/tcp", "443/udp"].map(String::from).to_vec();
        let dump = Some("/var/backups/tootstrap/2026-11-28T210500Z".into());
        let data = delete_data.then(|| Deletion { site: with.settings.site.to_string(), dump });
        let Images { mastodon, streaming, postgres, redis, caddy, .. } = with.settings.images.clone();
        Self { images: vec![mastodon, streaming, postgres, redis, caddy], swap: true, ports, data }
    }
}
