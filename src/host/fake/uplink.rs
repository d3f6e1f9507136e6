//! How the simulated machine is connected: its routes and Linode's metadata service.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::{Machine, Reply};
use crate::host::{Answer, Cmd, Method, Record, RecordType, Request, Response};

/// The machine's way to the world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uplink {
    /// Source addresses of its default routes.
    pub(crate) routes: Vec<IpAddr>,
    /// What the metadata service says about the network. `None`: there is no such service.
    pub(crate) metadata: Option<String>,
    /// The time that Debian's mirror tells. `None`: it cannot be reached.
    pub(crate) time: Option<String>,
}

/// `ip -j -4|-6 route get ADDRESS`.
pub(super) fn ip(machine: &mut Machine, cmd: &Cmd) -> Option<Reply> {
    let ["ip", "-j", family @ ("-4" | "-6"), "route", "get", _] = cmd.argv()[..] else { return None };
    let source = machine.uplink.routes.iter().find(|source| source.is_ipv4() == (family == "-4"));
    Some(match source {
        Some(source) => Reply::read(format!(r#"[{{"dst":"192.0.2.1","dev":"eth0","prefsrc":"{source}","flags":[],"uid":0,"cache":[]}}]"#)),
        None => Reply::read("").status(2, "RTNETLINK answers: Network is unreachable"),
    })
}

/// Linode's metadata service (linode.md §4).
pub(super) fn metadata(machine: &mut Machine, request: &Request) -> Option<Response> {
    let path = request.url.strip_prefix("http://169.254.169.254")?;
    let network = machine.uplink.metadata.as_ref()?;
    let header = |name: &str| request.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let ok = |body: &str| Response { status: 200, body: body.into(), ..Response::default() };
    Some(match (request.method, path) {
        (Method::Put, "/v1/token") if header("Metadata-Token-Expiry-Seconds").is_some() => ok("metadata-token"),
        (Method::Get, "/v1/network") if header("Metadata-Token") == Some("metadata-token") => ok(network),
        _ => Response { status: 401, ..Response::default() },
    })
}

/// The time, as Debian's mirror tells it with every answer.
pub(super) fn time(machine: &mut Machine, request: &Request) -> Option<Response> {
    let time = machine.uplink.time.clone().filter(|_| request.url == "http://deb.debian.org/debian/")?;
    Some(Response { status: 200, headers: vec![("date".into(), time)], ..Response::default() })
}

impl Machine {
    /// Lets connections over IPv6 to this name's port 443 succeed.
    pub(crate) fn reach_over_v6(&mut self, name: &str) {
        let address: Ipv6Addr = "2001:db8:51::80".parse().expect("an address");
        let record = Record { name: name.into(), kind: RecordType::Aaaa, ttl: 300, data: address.to_string() };
        self.dns.insert(format!("{name} Aaaa"), Answer { answers: vec![record], ..Answer::default() });
        self.listening.insert(SocketAddr::from((address, 443)));
    }
}
