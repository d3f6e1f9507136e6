//! Disks, memory, clock keeping, media, versions, certificate: the machine itself.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::super::{Disk, Seen, Tls};
use super::{ask, text};
use crate::host::{Cmd, Kind, Probe};
use crate::settings::Settings;

/// Where it matters that there is room, and that it can be written to.
const PLACES: [&str; 4] = ["/", "/opt/mastodon", "/var/lib/docker", "/var/log"];
/// Mastodon's user in its image (mastodon.md §1.2).
const MASTODON: u32 = 991;
const MEDIA: &str = "/opt/mastodon/public/system";
const CERTIFICATES: &str = "/opt/mastodon/caddy/data/caddy/certificates";

/// What was seen of the machine.
#[derive(Default)]
pub(super) struct System {
    disks: Vec<Disk>,
    read_only: Vec<String>,
    memory: BTreeMap<String, u64>,
    killed: Vec<String>,
    synchronized: Option<bool>,
    not_writable: Vec<String>,
    versions: Vec<(String, String)>,
    tls: Tls,
    restart_needed: bool,
}

impl System {
    pub(super) fn into_seen(self, seen: &mut Seen) {
        (seen.disks, seen.read_only, seen.memory, seen.killed) = (self.disks, self.read_only, self.memory, self.killed);
        (seen.not_writable, seen.versions, seen.tls, seen.restart_needed) =
            (self.not_writable, self.versions, self.tls, self.restart_needed);
        seen.clock.synchronized = self.synchronized;
    }
}

pub(super) async fn look(host: &dyn Probe, settings: Option<&Settings>) -> System {
    let (disks, killed, synchronized, versions) = tokio::join!(disks(host), killed(host), synchronized(host), versions(host, settings));
    let restart = host.stat(Path::new("/run/reboot-required")).await;
    System {
        disks,
        killed,
        synchronized,
        versions,
        read_only: read_only(&text(host, "/proc/mounts").await),
        memory: memory(&text(host, "/proc/meminfo").await),
        not_writable: not_writable(host).await,
        tls: match settings {
            Some(settings) => certificate(host, settings.site.as_str()).await,
            None => Tls::default(),
        },
        restart_needed: restart.is_ok_and(|stat| stat.is_some()),
    }
}

/// Each file system once.
async fn disks(host: &dyn Probe) -> Vec<Disk> {
    let mut disks: Vec<Disk> = Vec::new();
    for path in PLACES {
        match host.space(Path::new(path)).await {
            Ok(space) if disks.iter().any(|disk| disk.space == space) => {}
            Ok(space) => disks.push(Disk { path: path.into(), space }),
            Err(error) => log::info!("a look was not possible: {error}"),
        }
    }
    disks
}

/// Lines of `/proc/mounts`: `/dev/sda / ext4 rw,relatime 0 0`. The last one of a place counts.
fn read_only(mounts: &str) -> Vec<String> {
    let options =
        |place: &str| mounts.lines().rev().find(|line| line.split(' ').nth(1) == Some(place)).and_then(|line| line.split(' ').nth(3));
    let is = |place: &&&str| options(place).is_some_and(|options| options.split(',').next() == Some("ro"));
    PLACES.iter().filter(is).map(|place| format!("{place} is mounted read-only")).collect()
}

/// Lines of `/proc/meminfo`: `MemTotal:  2014808 kB`.
fn memory(meminfo: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let wanted = matches!(name, "MemTotal" | "MemAvailable" | "SwapTotal" | "SwapFree");
        wanted.then_some(())?;
        Some((name.to_owned(), value.trim().trim_end_matches(" kB").parse::<u64>().ok()?.saturating_mul(1024)))
    };
    meminfo.lines().filter_map(line).collect()
}

async fn killed(host: &dyn Probe) -> Vec<String> {
    let journal =
        Cmd::new("journalctl").args(["--quiet", "--no-pager", "--dmesg", "--since=-1day", "--output=cat", "--grep=Out of memory: Killed"]);
    let said = ask(host, journal).await.unwrap_or_default();
    let mut lines: Vec<_> = said.lines().rev().take(3).map(str::to_owned).collect();
    lines.reverse();
    lines
}

async fn synchronized(host: &dyn Probe) -> Option<bool> {
    let told = ask(host, Cmd::new("timedatectl").args(["show", "--property=NTPSynchronized", "--value"])).await?;
    match told.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// Mastodon makes directories in its media directory itself; whoever restored or copied them by hand may have made them root's.
async fn not_writable(host: &dyn Probe) -> Vec<String> {
    let mut wrong = Vec::new();
    for name in host.list(Path::new(MEDIA)).await.unwrap_or_default() {
        let path = Path::new(MEDIA).join(name);
        if let Ok(Some(stat)) = host.stat(&path).await
            && stat.kind == Kind::Directory
            && stat.uid != MASTODON
        {
            wrong.push(format!("{} belongs to user {}, not to {MASTODON}", path.display(), stat.uid));
        }
    }
    wrong
}

/// The certificate that Caddy keeps for the site, whoever issued it; the one that counts longest.
async fn certificate(host: &dyn Probe, site: &str) -> Tls {
    let mut best = Tls::default();
    for issuer in host.list(Path::new(CERTIFICATES)).await.unwrap_or_default() {
        let path = format!("{CERTIFICATES}/{issuer}/{site}/{site}.crt");
        if !matches!(host.stat(Path::new(&path)).await, Ok(Some(_))) {
            continue;
        }
        let told = ask(host, Cmd::new("openssl").args(["x509", "-noout", "-dates", "-in", &path])).await.unwrap_or_default();
        let moment = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).and_then(moment);
        let found = Tls { from: moment("notBefore="), until: moment("notAfter=") };
        if found.until > best.until {
            best = found;
        }
    }
    best
}

/// `Nov  2 08:00:00 2026 GMT`.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim().trim_end_matches(" GMT").split_whitespace().collect::<Vec<_>>().join(" ");
    DateTime::strptime("%b %d %H:%M:%S %Y", text).ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

async fn versions(host: &dyn Probe, settings: Option<&Settings>) -> Vec<(String, String)> {
    let release = text(host, "/etc/os-release").await;
    let release = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown").trim_matches('"').to_owned();
    let kernel = text(host, "/proc/sys/kernel/osrelease").await.trim().to_owned();
    let docker = ask(host, Cmd::new("docker").args(["version", "--format", "{{.Server.Version}}"])).await;
    let compose = ask(host, Cmd::new("docker").args(["compose", "version", "--short"])).await;
    let told = |text: Option<String>| text.map_or("none that answers".to_owned(), |text| text.trim().to_owned());
    let mut versions = vec![
        ("tootstrap".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("Debian".to_owned(), release),
        ("kernel".to_owned(), kernel),
        ("Docker".to_owned(), told(docker)),
        ("Docker Compose".to_owned(), told(compose)),
    ];
    if let Some(images) = settings.map(|settings| &settings.images) {
        versions.push(("Mastodon".to_owned(), images.mastodon_version.clone()));
        let others = [&images.mastodon, &images.streaming, &images.postgres, &images.redis, &images.caddy];
        versions.extend(others.map(|image| ("image".to_owned(), image.clone())));
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_and_moments() {
        let mounts = "/dev/sda / ext4 rw,relatime 0 0\n/dev/sdb /opt/mastodon ext4 rw 0 0\n/dev/sdb /opt/mastodon ext4 ro,relatime 0 0\n";
        assert_eq!(read_only(mounts), ["/opt/mastodon is mounted read-only"]);
        assert_eq!(moment("Nov  2 08:00:00 2026 GMT").unwrap().to_string(), "2026-11-02T08:00:00Z");
        assert_eq!(moment("Nov 12 08:00:00 2026 GMT").unwrap().to_string(), "2026-11-12T08:00:00Z");
        assert_eq!(moment("soon"), None);
    }
}
