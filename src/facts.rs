//! 2. facts: what this machine is, found once before planning. What changes during a run is asked by the resources themselves.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

use crate::host::{Cmd, HostError, Probe};
use crate::report::WithRemedy;

/// Docker's source of packages as we write it. Its first line says what we took from there: the record that Docker is ours.
pub(crate) const DOCKER_SOURCE: &str = "/etc/apt/sources.list.d/docker.list";
/// First line of [`DOCKER_SOURCE`] where Docker itself came from us.
pub(crate) const DOCKER_IS_OURS: &str = "# tootstrap installs Docker from here";
/// Docker's packages.
pub(crate) const DOCKER_PACKAGES: [&str; 4] = ["docker-ce", "docker-ce-cli", "containerd.io", "docker-compose-plugin"];
/// Firewalls that are left alone, by their systemd unit.
const FOREIGN_FIREWALLS: [&str; 6] =
    ["firewalld.service", "nftables.service", "netfilter-persistent.service", "shorewall.service", "ferm.service", "csf.service"];

/// What the plan must know of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Debian release.
    pub release: Release,
    /// dpkg's name of the architecture: `amd64`, `arm64`.
    pub architecture: String,
    /// Memory in bytes (`MemTotal`).
    pub memory: u64,
    /// Processors.
    pub cpus: u32,
    /// DMI says Linode or Akamai.
    pub linode: bool,
    /// Ports that sshd listens on, read from `sshd -T` or its sockets. Empty: no sshd.
    pub ssh_ports: Vec<u16>,
    /// Someone else's Docker is here: it is used as it is.
    pub foreign_docker: bool,
    /// Packages that Docker's repository has to deliver (all of them, or only the Compose plugin).
    pub docker_packages: Vec<String>,
    /// A firewall of someone else's (nftables rules, firewalld, iptables-persistent) is in use.
    pub foreign_firewall: Option<String>,
}

impl Facts {
    /// What the operator should know of this machine, as sentences. `harden`: the firewall was to be set up.
    pub fn notes(&self, harden: bool, today: Date) -> Vec<String> {
        let docker = "the Docker that is here is used as it is: it is neither configured nor upgraded nor restarted";
        let firewall = |name: &String| format!("{name} is the firewall here and is left as it is; let it pass 80/tcp, 443/tcp and 443/udp");
        let end = self.release.end_of_life(today);
        let docker = self.foreign_docker.then(|| docker.to_owned());
        let firewall = self.foreign_firewall.as_ref().filter(|_| harden).map(firewall);
        [end, docker, firewall].into_iter().flatten().collect()
    }
}

/// A supported Debian release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Release {
    /// Debian 11.
    Bullseye,
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
}

impl Release {
    /// `bullseye`.
    pub const fn codename(self) -> &'static str {
        match self {
            Self::Bullseye => "bullseye",
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    /// `11`.
    pub const fn version(self) -> u8 {
        match self {
            Self::Bullseye => 11,
            Self::Bookworm => 12,
            Self::Trixie => 13,
        }
    }

    /// Last day of long-term support (debian.md): later there are no security updates.
    pub const fn supported_until(self) -> Date {
        match self {
            Self::Bullseye => date(2026, 8, 31),
            Self::Bookworm => date(2028, 6, 30),
            Self::Trixie => date(2030, 6, 30),
        }
    }

    /// What the operator must know if this release gets no more security updates on that day.
    pub fn end_of_life(self, today: Date) -> Option<String> {
        let (version, until) = (self.version(), self.supported_until());
        (today > until).then(|| {
            format!("Debian {version} has had no security updates since {until}; for a new machine Debian 13 is the better choice")
        })
    }

    fn from_os_release(text: &str) -> anyhow::Result<Self> {
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_matches('"'));
        let name = value("PRETTY_NAME=").or_else(|| value("ID=")).unwrap_or("an unknown system");
        match (value("ID="), value("VERSION_ID=")) {
            (Some("debian"), Some("11")) => Ok(Self::Bullseye),
            (Some("debian"), Some("12")) => Ok(Self::Bookworm),
            (Some("debian"), Some("13")) => Ok(Self::Trixie),
            _ => Err(anyhow::anyhow!("this is {name}: only Debian 11, 12 and 13 are supported")).remedy("use a machine with Debian 13"),
        }
    }
}

/// Looks at the machine.
///
/// # Errors
/// If the machine is not a supported one or cannot be looked at.
pub async fn gather(host: &dyn Probe) -> anyhow::Result<Facts> {
    let os_release = host.read_text(Path::new("/etc/os-release")).await?.unwrap_or_default();
    let release = Release::from_os_release(&os_release)?;
    let (foreign_docker, docker_packages) = docker(host).await?;
    Ok(Facts {
        release,
        architecture: architecture(host).await?,
        memory: memory(host).await?,
        cpus: cpus(host).await?,
        linode: is_linode(host).await?,
        ssh_ports: ssh_ports(host).await?,
        foreign_docker,
        docker_packages,
        foreign_firewall: foreign_firewall(host).await?,
    })
}

async fn architecture(host: &dyn Probe) -> anyhow::Result<String> {
    let output = host.query(&Cmd::new("dpkg").arg("--print-architecture")).await?;
    let architecture = output.stdout.trim().to_owned();
    if !matches!(architecture.as_str(), "amd64" | "arm64") {
        return Err(anyhow::anyhow!("the architecture {architecture:?} is not supported: Mastodon's images exist for amd64 and arm64"))
            .remedy("use a machine with an x86-64 or ARM64 processor");
    }
    Ok(architecture)
}

async fn memory(host: &dyn Probe) -> anyhow::Result<u64> {
    let meminfo = host.read_text(Path::new("/proc/meminfo")).await?.unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    Ok(kilobytes.context("/proc/meminfo has no MemTotal")?.saturating_mul(1024))
}

async fn cpus(host: &dyn Probe) -> anyhow::Result<u32> {
    let output = host.query(&Cmd::new("nproc")).await?;
    output.stdout.trim().parse().with_context(|| format!("nproc says {:?}", output.stdout))
}

/// The same test as cloud-init's (linode.md §4).
async fn is_linode(host: &dyn Probe) -> anyhow::Result<bool> {
    let vendor = host.read(Path::new("/sys/class/dmi/id/sys_vendor")).await?.unwrap_or_default();
    Ok(matches!(String::from_utf8_lossy(&vendor).trim(), "Linode" | "Akamai"))
}

/// Ports that sshd is configured for, and those that a running sshd listens on.
async fn ssh_ports(host: &dyn Probe) -> anyhow::Result<Vec<u16>> {
    let mut ports = BTreeSet::new();
    match host.query(&Cmd::new("sshd").arg("-T")).await {
        // `sshd -T` fails where no sshd ever ran (no /run/sshd); the sockets still tell.
        Ok(output) => ports.extend(output.stdout.lines().filter_map(|line| line.strip_prefix("port ")?.trim().parse::<u16>().ok())),
        Err(HostError::Missing { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    match host.query(&Cmd::new("ss").args(["-H", "-l", "-t", "-n", "-p"])).await {
        Ok(output) => ports.extend(output.stdout.lines().filter(|line| line.contains("\"sshd\"")).filter_map(local_port)),
        Err(HostError::Missing { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(ports.into_iter().collect())
}

/// Local port of a line of `ss -H -l -t -n`: `LISTEN 0 128 0.0.0.0:22 0.0.0.0:* …`.
fn local_port(line: &str) -> Option<u16> {
    line.split_whitespace().nth(3)?.rsplit_once(':')?.1.parse().ok()
}

/// Whether Docker is someone else's, and what Docker's repository has to deliver.
async fn docker(host: &dyn Probe) -> anyhow::Result<(bool, Vec<String>)> {
    let all = || DOCKER_PACKAGES.map(String::from).to_vec();
    if host.which("docker").await.is_none() {
        return Ok((false, all()));
    }
    let source = host.read_text(Path::new(DOCKER_SOURCE)).await?.unwrap_or_default();
    let debians = host.query(&Cmd::new("dpkg-query").args(["-W", "-f=${db:Status-Abbrev}", "docker.io"])).await?;
    if source.starts_with(DOCKER_IS_OURS) && !debians.stdout.starts_with("ii") {
        return Ok((false, all()));
    }
    let compose = host.query(&Cmd::new("docker").args(["compose", "version", "--short"])).await?;
    // Where we added the plugin it stays among the packages, so that its removal is noticed.
    let ours = !compose.success() || !source.is_empty();
    Ok((true, if ours { vec!["docker-compose-plugin".into()] } else { Vec::new() }))
}

async fn foreign_firewall(host: &dyn Probe) -> anyhow::Result<Option<String>> {
    let show = Cmd::new("systemctl").args(["show", "--property=LoadState,UnitFileState,ActiveState,NeedDaemonReload", "--"]);
    let output = host.query(&show.args(FOREIGN_FIREWALLS)).await?;
    let on = |block: &str| block.lines().any(|line| matches!(line, "ActiveState=active" | "UnitFileState=enabled"));
    let found = FOREIGN_FIREWALLS.iter().zip(output.stdout.split("\n\n")).find(|(_, block)| on(block));
    Ok(found.map(|(unit, _)| unit.trim_end_matches(".service").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;

    #[tokio::test]
    async fn a_bare_linode() {
        let host = FakeHost::debian();
        host.machine().place("/sys/class/dmi/id/sys_vendor", Kind::File, "Linode\n", 0o444);
        let expected = Facts {
            release: Release::Bullseye,
            architecture: "amd64".into(),
            memory: 2_014_808 * 1024,
            cpus: 1,
            linode: true,
            ssh_ports: vec![22],
            foreign_docker: false,
            docker_packages: DOCKER_PACKAGES.map(String::from).to_vec(),
            foreign_firewall: None,
        };
        assert_eq!(gather(&host).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn other_systems_are_refused() {
        let host = FakeHost::debian();
        host.machine().place("/etc/os-release", Kind::File, "ID=ubuntu\nVERSION_ID=\"24.04\"\nPRETTY_NAME=\"Ubuntu 24.04\"\n", 0o644);
        let error = gather(&host).await.unwrap_err();
        assert_eq!(error.to_string(), "this is Ubuntu 24.04: only Debian 11, 12 and 13 are supported");
    }

    #[tokio::test]
    async fn every_port_of_sshd_counts() {
        let host = FakeHost::debian();
        host.machine().ssh.ports = vec![2222];
        host.machine().ssh.listening = vec!["tcp 0.0.0.0:22 users:((\"sshd\"))".into()];
        assert_eq!(gather(&host).await.unwrap().ssh_ports, [22, 2222]);
    }

    #[tokio::test]
    async fn whose_docker() {
        struct Case {
            packages: &'static [&'static str],
            source: &'static str,
            expected: (bool, usize),
        }
        let ours = "# tootstrap installs Docker from here\ndeb …\n";
        let theirs_plugin = "# tootstrap installs Docker's Compose plugin from here\ndeb …\n";
        let cases = [
            Case { packages: &[], source: "", expected: (false, 4) },
            Case { packages: &["docker-ce", "docker-ce-cli", "docker-compose-plugin"], source: ours, expected: (false, 4) },
            Case { packages: &["docker-ce", "docker-ce-cli", "docker-compose-plugin"], source: "", expected: (true, 0) },
            Case { packages: &["docker.io"], source: "", expected: (true, 1) },
            Case { packages: &["docker.io", "docker-compose-plugin"], source: theirs_plugin, expected: (true, 1) },
            Case { packages: &["docker.io", "docker-compose-plugin"], source: ours, expected: (true, 1) },
        ];
        for case in cases {
            let host = FakeHost::debian();
            case.packages.iter().for_each(|package| host.machine().install(package));
            if !case.source.is_empty() {
                host.machine().place(DOCKER_SOURCE, Kind::File, case.source, 0o644);
            }
            let facts = gather(&host).await.unwrap();
            assert_eq!((facts.foreign_docker, facts.docker_packages.len()), case.expected, "{:?} {:?}", case.packages, case.source);
        }
    }

    #[tokio::test]
    async fn a_foreign_firewall_is_named() {
        let host = FakeHost::debian();
        host.machine().systemd.add("firewalld.service", true);
        assert_eq!(gather(&host).await.unwrap().foreign_firewall.as_deref(), Some("firewalld"));
    }

    #[tokio::test]
    async fn what_is_somebody_elses_is_noted() {
        let host = FakeHost::debian();
        host.machine().install("docker.io");
        host.machine().systemd.add("nftables.service", true);
        let facts = gather(&host).await.unwrap();
        let notes = facts.notes(true, date(2026, 1, 1));
        assert!(notes[0].starts_with("the Docker that is here") && notes[1].starts_with("nftables is the firewall"), "{notes:?}");
        assert_eq!(facts.notes(false, date(2026, 9, 1)).len(), 2);
    }

    #[test]
    fn end_of_life_is_said() {
        assert!(Release::Bullseye.end_of_life(date(2026, 8, 31)).is_none());
        let said = Release::Bullseye.end_of_life(date(2026, 9, 1)).unwrap();
        assert!(said.starts_with("Debian 11 has had no security updates since 2026-08-31"), "{said}");
    }
}
