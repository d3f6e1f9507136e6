//! What only the doctor asks for: how containers fared, what the kernel and the certificate say, whose clock it is.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::{Request, Response};
use super::{Cmd, Machine, Reply};

/// What the doctor finds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inspection {
    /// By service: restarts, killed for want of memory, when it was started.
    pub(crate) fared: BTreeMap<String, (u32, bool, &'static str)>,
    /// By service: lines with their moments.
    pub(crate) logs: BTreeMap<String, Vec<String>>,
    /// Lines of `docker ps` with name and ports.
    pub(crate) published: String,
    /// What the kernel killed.
    pub(crate) killed: String,
    /// Something keeps the clock right.
    pub(crate) synchronized: bool,
    /// The date that others' answers carry.
    pub(crate) date: String,
    /// Addresses of the interfaces.
    pub(crate) own: Vec<IpAddr>,
    /// What `openssl` tells of any certificate.
    pub(crate) certificate: String,
}

impl Machine {
    /// Programs that every Debian has and the rest of the tests do not need.
    pub(crate) fn let_be_inspected(&mut self) {
        self.programs.extend(["journalctl", "timedatectl", "ip", "openssl"].map(String::from));
    }
}

/// Simulates the programs.
pub(super) fn programs(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    let found = &machine.inspection;
    match cmd.argv().as_slice() {
        ["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", _, "--filter", _] => {
            Some(Reply::read(machine.docker.containers.keys().map(|service| service.clone() + "-id\n").collect::<String>()))
        }
        ["rm", "--recursive", "--force", "--one-file-system", "--", path] => {
            machine.nodes.retain(|node, _| !node.starts_with(path));
            Some(Reply::changed(""))
        }
        ["rmdir", path] => {
            let empty = machine.children(std::path::Path::new(path)).is_empty();
            machine.nodes.retain(|node, _| !empty || node != std::path::Path::new(path));
            let reply = Reply::changed("");
            Some(if empty { reply } else { reply.status(1, format!("rmdir: failed to remove '{path}': Directory not empty")) })
        }
        ["docker", "ps", "--format", "{{.Names}}\t{{.Ports}}"] => Some(Reply::read(found.published.clone())),
        ["docker", "inspect", "--format", _, ids @ ..] => {
            Some(Reply::read(ids.iter().filter_map(|id| inspect(machine, id)).collect::<String>()))
        }
        ["docker", "logs", "--timestamps", "--tail", "300", id] => {
            let lines = found.logs.get(id.trim_end_matches("-id")).cloned().unwrap_or_default();
            Some(Reply::read("").status(0, lines.join("\n")))
        }
        // As firewalld 0.9 says it; networks of one's own naming are in the zone docker.
        ["firewall-cmd", interface] if interface.starts_with("--get-zone-of-interface=") => {
            let known = !interface.contains("=br-");
            Some(if known { Reply::read("docker\n") } else { Reply::read("").status(2, "no zone") })
        }
        ["journalctl", .., "--grep=Out of memory: Killed"] => {
            Some(Reply::read(found.killed.clone()).status(i32::from(found.killed.is_empty()), ""))
        }
        ["timedatectl", "show", "--property=NTPSynchronized", "--value"] => {
            Some(Reply::read(if found.synchronized { "yes\n" } else { "no\n" }))
        }
        ["ip", "-j", "address", "show"] => {
            let info: Vec<_> = found.own.iter().map(|address| serde_json::json!({ "local": address })).collect();
            Some(Reply::read(serde_json::json!([{ "ifname": "eth0", "addr_info": info }]).to_string()))
        }
        ["openssl", "x509", "-noout", "-dates", "-in", _] => Some(Reply::read(found.certificate.clone())),
        _ => None,
    }
}

fn inspect(machine: &Machine, id: &str) -> Option<String> {
    let service = id.strip_suffix("-id")?;
    let container = machine.docker.containers.get(service)?;
    let (restarts, killed, started) = machine.inspection.fared.get(service).copied().unwrap_or_default();
    let health = container.health.trim_matches(['(', ')']).trim_start_matches("health: ");
    let code = i32::from(container.state != "running");
    Some(format!("{service}\t{}\t{code}\t{killed}\t{restarts}\t{started}\t{health}\t671088640\t{id}\n", container.state))
}

/// Whose answers carry a date; and streaming, through Caddy on this machine.
pub(super) fn site(machine: &mut Machine, request: &Request) -> Option<Response> {
    if request.url.ends_with("/api/v1/streaming/health") {
        return Some(Response { status: if machine.service_runs("streaming") { 200 } else { 502 }, ..Response::default() });
    }
    let known = ["https://acme-v02.api.letsencrypt.org/directory", "http://deb.debian.org/"].contains(&request.url.as_str());
    let headers = vec![("date".to_owned(), machine.inspection.date.clone())];
    known.then(|| Response { status: 200, headers, ..Response::default() })
}
