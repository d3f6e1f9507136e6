//! 2. facts: what this machine is, found once before planning. What changes during a run is asked by the resources themselves.

/// What the plan must know of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A supported Debian release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}
