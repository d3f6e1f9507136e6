//! The public addresses of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::Deserialize;

use super::PublicAddress;
use super::field::{Field, Refusal};
use super::types::{check_public_v4, check_public_v6};
use crate::host::{Cmd, Host, Method, Probe, Question, RecordType, Request};

/// Linode's metadata service (linode.md §4).
const METADATA: [&str; 2] = ["http://169.254.169.254", "http://[fd00:a9fe:a9fe::1]"];

/// Reached over IPv6 to see whether IPv6 works: certificates come from there.
const SEEN_OVER_IPV6: &str = "acme-v02.api.letsencrypt.org";

/// The addresses as given, or as found.
pub(super) async fn find(given: &[String], linode: bool, host: &dyn Host, refusal: &mut Refusal, notes: &mut Vec<String>) -> PublicAddress {
    if !given.is_empty() {
        return parse(given, refusal);
    }
    let mut found = Vec::new();
    if linode {
        match from_metadata(host).await {
            Ok(addresses) => found = addresses,
            Err(error) => notes.push(format!("Linode's metadata service gives no address ({error:#}); the routes are asked instead")),
        }
    }
    let probe = host.probe();
    if !found.iter().any(IpAddr::is_ipv4) {
        found.extend(from_route("-4", "1.1.1.1", probe).await);
    }
    if !found.iter().any(IpAddr::is_ipv6) {
        found.extend(from_route("-6", "2606:4700:4700::1111", probe).await);
    }
    choose(&found, probe, refusal, notes).await
}

/// `--address`, once or twice.
fn parse(given: &[String], refusal: &mut Refusal) -> PublicAddress {
    let mut address = PublicAddress::default();
    for text in given {
        let parsed = text.trim().parse().map_err(|_| "is no IP address; give one such as 203.0.113.10");
        let Some(ip) = refusal.check(Field::Address, text, parsed) else { continue };
        let public = match ip {
            IpAddr::V4(v4) => check_public_v4(v4),
            IpAddr::V6(v6) => check_public_v6(v6),
        };
        let public = public.map_err(|why| format!("is {why}; give the address under which the world reaches this machine"));
        match (refusal.check(Field::Address, text, public), ip) {
            (Some(()), IpAddr::V4(v4)) => address.v4 = Some(v4),
            (Some(()), IpAddr::V6(v6)) => address.v6 = Some(v6),
            (None, _) => {}
        }
    }
    address
}

async fn choose(found: &[IpAddr], probe: &dyn Probe, refusal: &mut Refusal, notes: &mut Vec<String>) -> PublicAddress {
    let v4 = found.iter().filter_map(only_v4).find(|address| check_public_v4(*address).is_ok());
    let v6 = found.iter().filter_map(only_v6).find(|address| check_public_v6(*address).is_ok());
    let v6 = match v6 {
        Some(address) if works_over_v6(probe).await => Some(address),
        Some(address) => {
            notes.push(format!("IPv6 does not work on this machine: {address} gets no AAAA record"));
            None
        }
        None => None,
    };
    if v4.is_none() && v6.is_none() {
        let private = found.iter().find_map(|address| Some((address, why_not_public(*address)?)));
        refusal.add(
            Field::Address,
            match private {
                Some((address, why)) => format!(
                    "the machine's own address {address} is {why}; give the address under which the world reaches this machine, and let it pass ports 80 and 443"
                ),
                None => "no address of this machine was found; give the one under which the world reaches it".into(),
            },
        );
    }
    PublicAddress { v4, v6 }
}

fn only_v4(address: &IpAddr) -> Option<Ipv4Addr> {
    if let IpAddr::V4(v4) = address { Some(*v4) } else { None }
}

fn only_v6(address: &IpAddr) -> Option<Ipv6Addr> {
    if let IpAddr::V6(v6) = address { Some(*v6) } else { None }
}

fn why_not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => check_public_v4(v4).err(),
        IpAddr::V6(v6) => check_public_v6(v6).err(),
    }
}

async fn works_over_v6(probe: &dyn Probe) -> bool {
    let question = Question { server: None, name: SEEN_OVER_IPV6.into(), kind: RecordType::Aaaa };
    let Ok(answer) = probe.dns(&question).await else { return false };
    let mut addresses = answer.answers.iter().filter(|record| record.kind == RecordType::Aaaa);
    let Some(address) = addresses.find_map(|record| record.data.parse::<Ipv6Addr>().ok()) else { return false };
    probe.connects(SocketAddr::from((address, 443))).await
}

/// The source address that the kernel takes towards the world. Nothing is sent.
async fn from_route(family: &str, towards: &str, probe: &dyn Probe) -> Option<IpAddr> {
    #[derive(Deserialize)]
    struct Route {
        prefsrc: Option<IpAddr>,
    }
    let output = probe.query(&Cmd::new("ip").args(["-j", family, "route", "get", towards])).await;
    let output = output.inspect_err(|error| log::debug!("no route: {error}")).ok()?;
    let routes: Vec<Route> = serde_json::from_str(&output.stdout).unwrap_or_default();
    routes.first()?.prefsrc
}

/// Public addresses as Linode knows them, without their prefix lengths (linode.md §4).
async fn from_metadata(host: &dyn Host) -> anyhow::Result<Vec<IpAddr>> {
    let mut last = anyhow!("not asked");
    for base in METADATA {
        match ask_metadata(base, host).await {
            Ok(addresses) => return Ok(addresses),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask_metadata(base: &str, host: &dyn Host) -> anyhow::Result<Vec<IpAddr>> {
    #[derive(Deserialize)]
    struct Network {
        #[serde(default)]
        ipv4: V4,
        #[serde(default)]
        ipv6: V6,
    }
    #[derive(Deserialize, Default)]
    struct V4 {
        #[serde(default)]
        public: Vec<String>,
    }
    #[derive(Deserialize, Default)]
    struct V6 {
        slaac: Option<String>,
    }
    let limit = Duration::from_secs(5);
    let request = Request::new(Method::Put, format!("{base}/v1/token")).header("Metadata-Token-Expiry-Seconds", "300").safe();
    let answer = host.get(&request.timeout(limit)).await?;
    anyhow::ensure!(answer.success(), "status {} for a token", answer.status);
    let token = answer.text();
    let request = Request::new(Method::Get, format!("{base}/v1/network")).header("Metadata-Token", token.trim());
    let answer = host.get(&request.header("Accept", "application/json").timeout(limit)).await?;
    anyhow::ensure!(answer.success(), "status {} for the network", answer.status);
    let network: Network = answer.parse().context("the answer about the network is not as documented")?;
    let addresses = network.ipv4.public.iter().chain(&network.ipv6.slaac);
    Ok(addresses.filter_map(|text| text.split('/').next()?.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    struct Case {
        given: &'static [&'static str],
        routes: &'static [&'static str],
        metadata: Option<&'static str>,
        v6_works: bool,
        wanted: (&'static str, &'static str),
        problem: &'static str,
    }

    const DEFAULT: Case = Case { given: &[], routes: &[], metadata: None, v6_works: false, wanted: ("", ""), problem: "" };

    const CASES: [Case; 11] = [
        Case { routes: &["203.0.113.10"], wanted: ("203.0.113.10", ""), ..DEFAULT },
        Case { routes: &["203.0.113.10", "2001:db8::1"], wanted: ("203.0.113.10", ""), ..DEFAULT },
        Case { routes: &["203.0.113.10", "2001:db8::1"], v6_works: true, wanted: ("203.0.113.10", "2001:db8::1"), ..DEFAULT },
        Case { routes: &["203.0.113.10", "fd00::1"], v6_works: true, wanted: ("203.0.113.10", ""), ..DEFAULT },
        Case { routes: &["10.0.0.5"], problem: "own address 10.0.0.5 is a private address", ..DEFAULT },
        Case { routes: &["100.64.3.4"], problem: "CGNAT", ..DEFAULT },
        Case { problem: "no address of this machine was found", ..DEFAULT },
        Case {
            metadata: Some(r#"{"ipv4":{"public":["203.0.113.7/32"],"private":["192.168.1.2/17"]},"ipv6":{"slaac":"2001:db8::7/128"}}"#),
            routes: &["192.168.1.2"],
            v6_works: true,
            wanted: ("203.0.113.7", "2001:db8::7"),
            ..DEFAULT
        },
        Case { metadata: Some(r#"{"ipv4":{}}"#), routes: &["203.0.113.10"], wanted: ("203.0.113.10", ""), ..DEFAULT },
        Case { given: &["198.51.100.9", "2001:db8::9"], routes: &["203.0.113.10"], wanted: ("198.51.100.9", "2001:db8::9"), ..DEFAULT },
        Case { given: &["192.168.0.1", "x"], problem: "\"192.168.0.1\" is a private address", ..DEFAULT },
    ];

    #[tokio::test]
    async fn addresses() {
        for case in CASES {
            let host = FakeHost::debian();
            host.machine().programs.insert("ip".into());
            host.machine().uplink.routes = case.routes.iter().map(|text| text.parse().expect("an address")).collect();
            host.machine().uplink.metadata = case.metadata.map(str::to_owned);
            if case.v6_works {
                host.machine().reach_over_v6(SEEN_OVER_IPV6);
            }
            let given: Vec<_> = case.given.iter().map(ToString::to_string).collect();
            let (mut refusal, mut notes) = (Refusal::default(), Vec::new());
            let found = find(&given, case.metadata.is_some(), &host, &mut refusal, &mut notes).await;
            let text = |address: Option<String>| address.unwrap_or_default();
            let found = (text(found.v4.map(|a| a.to_string())), text(found.v6.map(|a| a.to_string())));
            assert_eq!((found.0.as_str(), found.1.as_str()), case.wanted, "{refusal}");
            assert!(refusal.is_empty() == case.problem.is_empty() && refusal.to_string().contains(case.problem), "{refusal}");
        }
    }
}
