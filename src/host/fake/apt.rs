//! dpkg and apt: `dpkg`, `dpkg-query`, `apt-get`, `apt-cache`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::{Request, Response};
use super::{Cmd, Kind, Machine, Reply};
use crate::facts::DOCKER_PACKAGES;

/// Packages and sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Apt {
    /// Name → dpkg's status abbreviation: `ii`, or `iF` for half-configured.
    pub(crate) installed: BTreeMap<String, &'static str>,
    /// Versions that the index lists, newest first; a package that is not named here has the one version `1.0`.
    pub(crate) versions: BTreeMap<String, Vec<&'static str>>,
    /// `name=version` that the mirror has no more.
    pub(crate) gone: BTreeSet<String>,
    /// Parts of URLs of sources that do not answer.
    pub(crate) unreachable: BTreeSet<String>,
    /// Parts of URLs of sources whose index has expired.
    pub(crate) expired: BTreeSet<String>,
    /// How many times somebody else still holds a lock.
    pub(crate) busy: u32,
    /// A half-configured package stops every installation until `dpkg --configure -a`.
    pub(crate) interrupted: bool,
    /// A power cut tore the index and what dpkg unpacked: apt lists no archive until the index is gone and fetched.
    pub(crate) torn: bool,
}

/// What installing a package brings: programs and units that start at once.
const BRINGS: &[(&str, &[&str], &[&str])] = &[
    ("docker-ce", &["dockerd", "iptables", "ip6tables"], &["docker.service"]),
    ("docker-ce-cli", &["docker"], &[]),
    ("docker.io", &["docker", "dockerd", "ctr", "iptables", "ip6tables"], &["docker.service", "containerd.service"]),
    ("containerd.io", &["containerd", "ctr"], &["containerd.service"]),
    ("docker-compose-plugin", &[], &[]),
    ("ufw", &["ufw", "iptables", "ip6tables"], &[]),
    ("fail2ban", &["fail2ban-client"], &["fail2ban.service"]),
    ("python3-systemd", &[], &[]),
    ("unattended-upgrades", &["unattended-upgrade"], &["unattended-upgrades.service"]),
    ("sudo", &["sudo"], &[]),
    ("ca-certificates", &[], &[]),
    ("curl", &["curl"], &[]),
    ("pigz", &["pigz"], &[]),
];

impl Machine {
    /// Installs a package without logging.
    pub(crate) fn install(&mut self, name: &str) {
        self.apt.installed.insert(name.into(), "ii");
        if let Some((_, programs, units)) = BRINGS.iter().find(|(package, ..)| *package == name) {
            self.programs.extend(programs.iter().copied().map(String::from));
            units.iter().for_each(|unit| self.systemd.add(unit, true));
        }
        if name == "fail2ban" {
            for path in ["/etc/fail2ban", "/etc/fail2ban/jail.d"] {
                self.place(path, Kind::Directory, "", 0o755);
            }
        }
    }

    fn is_offered(&self, package: &str) -> bool {
        let lists = self.children(Path::new("/var/lib/apt/lists"));
        let is_dockers = DOCKER_PACKAGES.contains(&package);
        let known = BRINGS.iter().any(|(name, ..)| *name == package);
        known && lists.iter().any(|list| list.contains("linux_debian_dists") == is_dockers)
    }

    fn versions(&self, package: &str) -> Vec<&'static str> {
        self.apt.versions.get(package).cloned().unwrap_or_else(|| vec!["1.0"])
    }
}

/// Simulates `dpkg` and `dpkg-query`.
pub(super) fn dpkg(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    match cmd.argv().as_slice() {
        ["dpkg", "--print-architecture"] => Some(Reply::read("amd64\n")),
        ["dpkg", "--audit"] if machine.apt.interrupted => Some(Reply::read("The following packages are only half configured…\n")),
        ["dpkg", "--audit"] => Some(Reply::read("")),
        ["dpkg", .., "--configure", "-a"] => {
            machine.apt.interrupted = false;
            machine.apt.installed.values_mut().for_each(|status| *status = "ii");
            Some(Reply::changed(""))
        }
        ["dpkg-query", "-W", "-f=${db:Status-Abbrev}${Version}", "docker-compose-plugin"] => {
            let status = machine.apt.installed.get("docker-compose-plugin");
            Some(status.map_or(Reply::read("").status(1, ""), |status| Reply::read(format!("{status} {}", machine.docker.compose))))
        }
        ["dpkg-query", "-W", "-f=${binary:Package}\\t${db:Status-Abbrev}\\n"] => {
            let lines = machine.apt.installed.iter().map(|(name, status)| format!("{name}\t{status} \n"));
            Some(Reply::read(lines.collect::<String>()))
        }
        ["sync", "--file-system", "/etc", "/usr", "/var"] => Some(Reply::changed("")),
        ["dpkg-query", "-W", format, packages @ ..] => {
            let names = format.contains("${Package}");
            let line = |package: &&str| {
                let status = machine.apt.installed.get(*package)?;
                Some(if names { format!("{package}\t{status} \n") } else { format!("{status} ") })
            };
            let lines: Vec<_> = packages.iter().filter_map(line).collect();
            let status = i32::from(lines.len() < packages.len());
            Some(Reply::read(lines.concat()).status(status, ""))
        }
        _ => None,
    }
}

/// Simulates `find` where apt keeps its index.
pub(super) fn find(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    let lists = Path::new("/var/lib/apt/lists");
    let ["find", "/var/lib/apt/lists", "-type", "f", "-not", "-name", "lock", "-delete"] = cmd.argv().as_slice() else { return None };
    machine.nodes.retain(|path, node| !path.starts_with(lists) || node.kind != Kind::File || path.ends_with("lock"));
    machine.apt.torn = false;
    Some(Reply::changed(""))
}

/// Simulates `apt-get` and `apt-cache`; options may stand anywhere.
pub(super) fn apt(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    let argv = cmd.argv();
    let (program, rest) = argv.split_first()?;
    let mut words = Vec::new();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match *word {
            "-o" => _ = rest.next(),
            option if option.starts_with('-') => {}
            word => words.push(word),
        }
    }
    match (*program, words.as_slice()) {
        ("apt-get" | "dpkg", _) if machine.apt.busy > 0 => {
            machine.apt.busy -= 1;
            let text = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)";
            Some(Reply::changed("").status(100, text))
        }
        ("apt-get", ["update"]) => Some(update(machine)),
        ("apt-get", ["install", packages @ ..]) if argv.contains(&"--print-uris") => Some(print_uris(machine, packages)),
        ("apt-get", ["clean"]) => Some(Reply::changed("")),
        ("apt-get", ["install", packages @ ..]) => Some(install(machine, packages)),
        ("apt-get", ["full-upgrade"]) if machine.apt.gone.is_empty() || argv.contains(&"--fix-missing") => Some(Reply::changed("")),
        ("apt-get", ["full-upgrade"]) => Some(Reply::changed("").status(100, "E: Unable to fetch some archives")),
        ("apt-cache", ["madison", package]) => {
            let line = |version: &&str| format!(" {package} | {version} | http://deb.debian.org/debian bullseye/main amd64 Packages\n");
            Some(Reply::read(machine.versions(package).iter().map(line).collect::<String>()))
        }
        _ => None,
    }
}

/// Simulates Debian's mirrors: `…/dists/SUITE/InRelease`.
pub(super) fn mirror(machine: &mut Machine, request: &Request) -> Option<Response> {
    let is_one_of = |parts: &BTreeSet<String>| parts.iter().any(|part| request.url.contains(part.as_str()));
    let end = if is_one_of(&machine.apt.expired) { "Valid-Until: Mon, 07 Sep 2026 20:00:00 UTC\n" } else { "" };
    if request.url.ends_with("/stable/binary-amd64/Packages") && !is_one_of(&machine.apt.unreachable) {
        let body = "Package: docker-ce\nVersion: 1\nSize: 20000000\n\nPackage: docker-ce\nVersion: 2\nSize: 25000000\n";
        return Some(Response { status: 200, body: body.into(), ..Response::default() });
    }
    match request.url.ends_with("/InRelease") || request.url.ends_with("/Packages") {
        true if is_one_of(&machine.apt.unreachable) => Some(Response { status: 404, ..Response::default() }),
        true => Some(Response { status: 200, body: format!("Origin: Debian\n{end}").into_bytes(), ..Response::default() }),
        false => None,
    }
}

/// Each package that is not installed, with 50 kB. What is not offered is an error, and nothing is printed.
fn print_uris(machine: &Machine, packages: &[&str]) -> Reply {
    let strange: Vec<_> = packages.iter().filter(|package| !machine.is_offered(package)).collect();
    if !strange.is_empty() {
        let lines: Vec<_> = strange.iter().map(|name| format!("E: Unable to locate package {name}")).collect();
        return Reply::read("").status(100, lines.join("\n"));
    }
    let new = packages.iter().filter(|package| !machine.apt.installed.contains_key(**package));
    let lines: Vec<_> = new.map(|name| format!("'http://deb.debian.org/{name}.deb' {name}_1.0_amd64.deb 50000 SHA256:1")).collect();
    Reply::read(lines.join("\n"))
}

fn update(machine: &mut Machine) -> Reply {
    let mut files = vec![machine.text("/etc/apt/sources.list")];
    for name in machine.children(Path::new("/etc/apt/sources.list.d")) {
        files.push(machine.text(Path::new("/etc/apt/sources.list.d").join(name)));
    }
    let mut errors = Vec::new();
    for line in files.iter().flat_map(|file| file.lines()).filter(|line| line.starts_with("deb ")) {
        let mut words = line.split_whitespace().skip_while(|word| !word.contains("://"));
        let (Some(url), Some(suite)) = (words.next(), words.next()) else { continue };
        if machine.apt.unreachable.iter().any(|part| format!("{url} {suite}").contains(part.as_str())) {
            errors.push(format!("E: The repository '{url} {suite} Release' does not have a Release file."));
            continue;
        }
        let expired = machine.apt.expired.iter().any(|part| url.contains(part.as_str()));
        if expired && !line.contains("check-valid-until=no") {
            errors.push(format!("E: Release file for {url}/dists/{suite}/InRelease is expired."));
            continue;
        }
        let name = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/').replace('/', "_");
        let name = format!("/var/lib/apt/lists/{name}_dists_{}_InRelease", suite.replace('/', "_"));
        machine.place(name, Kind::File, "", 0o644);
    }
    let status = if errors.is_empty() { 0 } else { 100 };
    Reply::changed("").status(status, errors.join("\n"))
}

fn install(machine: &mut Machine, packages: &[&str]) -> Reply {
    let failed = |text: String| Reply::changed("").status(100, text);
    if machine.apt.interrupted {
        return failed("E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.".into());
    }
    if machine.apt.torn {
        return failed(format!("E: The package {} needs to be reinstalled, but I can't find an archive for it.", packages.join(" ")));
    }
    let mut chosen: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for package in packages {
        let (name, version) = package.split_once('=').map_or((*package, None), |(name, version)| (name, Some(version)));
        let entry = chosen.entry(name).or_default();
        *entry = version.or(*entry);
    }
    for (name, version) in &chosen {
        if !machine.is_offered(name) {
            return failed(format!("E: Unable to locate package {name}"));
        }
        let Some(version) = version.or(machine.versions(name).first().copied()) else { continue };
        if machine.apt.gone.contains(&format!("{name}={version}")) {
            let file = version.rsplit(':').next().unwrap_or(version);
            return failed(format!(
                "E: Failed to fetch http://deb.debian.org/debian/pool/main/x/{name}/{name}_{file}_amd64.deb  404  Not Found [IP: 192.0.2.1 80]\n\
                 E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?"
            ));
        }
    }
    for name in chosen.keys() {
        machine.install(name);
    }
    Reply::changed("")
}
