//! Names, clock, firewall, mail ports, and the site's answers.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use futures_util::future::join_all;
use jiff::Timestamp;

use super::super::{Clock, Mail, Seen, Shut, Web};
use super::ask;
use crate::host::{Cmd, HostError, Method, Probe, Question, RecordType, Request};
use crate::mail;
use crate::resource::shut_to_the_web;
use crate::settings::Settings;

/// Whose answers carry the date. The second is asked without TLS, which fails where the clock is far off.
const CLOCKS: [&str; 2] = ["https://acme-v02.api.letsencrypt.org/directory", "http://deb.debian.org/"];
/// Relays that listen on most ports of mail, tried where the site has none yet: one of them alone may be down.
const EXAMPLE_RELAYS: [&str; 2] = ["smtp.mailgun.org", "smtp.sendgrid.net"];

/// What was seen of the network.
pub(super) struct Network {
    resolver: Option<String>,
    clock: Clock,
    shut: Vec<Shut>,
    mail: Mail,
    web: Web,
}

impl Network {
    pub(super) fn into_seen(self, seen: &mut Seen) {
        (seen.resolver, seen.shut, seen.mail, seen.web) = (self.resolver, self.shut, self.mail, self.web);
        (seen.clock.fast, seen.clock.against) = (self.clock.fast, self.clock.against);
    }
}

pub(super) async fn look(host: &dyn Probe, settings: Option<&Settings>, at: Timestamp) -> Network {
    let (resolver, clock, shut, mail, web) =
        tokio::join!(resolver(host), clock(host, at), shut(host, settings), mail_ports(host, settings), web(host, settings));
    Network { resolver, clock, shut, mail, web }
}

/// Why names cannot be looked up.
async fn resolver(host: &dyn Probe) -> Option<String> {
    let name = "acme-v02.api.letsencrypt.org".to_owned();
    match host.dns(&Question { server: None, name: name.clone(), kind: RecordType::A }).await {
        Ok(answer) => answer.failure.map(|failure| format!("the resolver says {failure} about {name}")),
        Err(error) => Some(error.to_string()),
    }
}

async fn clock(host: &dyn Probe, at: Timestamp) -> Clock {
    let began = std::time::Instant::now();
    for url in CLOCKS {
        match host.get(&Request::new(Method::Head, url)).await {
            Ok(answer) => {
                let date = answer.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
                let Some(date) = date else { continue };
                let now = at.as_second() + i64::try_from(began.elapsed().as_secs()).unwrap_or_default();
                return Clock { fast: Some(now - date.timestamp().as_second()), against: url.into(), synchronized: None };
            }
            // A certificate that does not count yet, or no more, is what a wrong clock makes of every certificate.
            Err(HostError::Http { untrusted: true, .. }) => {}
            Err(error) => log::info!("a look was not possible: {error}"),
        }
    }
    Clock::default()
}

/// What this machine's own firewall shuts, whoever set it up. A web server in front need not be on this machine.
async fn shut(host: &dyn Probe, settings: Option<&Settings>) -> Vec<Shut> {
    if settings.is_none_or(|settings| settings.behind_proxy) {
        return Vec::new();
    }
    match shut_to_the_web(host).await {
        Ok(ports) => ports.into_iter().map(|(port, rule)| Shut { port, rule }).collect(),
        Err(error) => {
            log::info!("a look was not possible: {error:#}");
            Vec::new()
        }
    }
}

async fn mail_ports(host: &dyn Probe, settings: Option<&Settings>) -> Mail {
    let relay = settings.and_then(|settings| settings.smtp.as_ref()).map(|smtp| (smtp.server.to_string(), smtp.port));
    let hosts = match &relay {
        Some((server, _)) => vec![server.clone()],
        None => EXAMPLE_RELAYS.map(String::from).to_vec(),
    };
    let also = relay.as_ref().map(|(_, port)| *port);
    let tried = hosts.into_iter().map(|server| async move { (mail::ports(&server, also, host).await, server) });
    let mut mail = Mail { relay, ..Mail::default() };
    for (ports, server) in join_all(tried).await.into_iter().filter(|(ports, _)| !ports.is_empty()) {
        mail.hosts.push(server);
        for (port, open) in ports {
            *mail.ports.entry(port).or_default() |= open;
        }
    }
    mail
}

async fn addresses(host: &dyn Probe, name: &str, kind: RecordType) -> Vec<IpAddr> {
    match host.dns(&Question { server: None, name: name.into(), kind }).await {
        Ok(answer) => answer.answers.iter().filter(|record| record.kind == kind).filter_map(|record| record.data.parse().ok()).collect(),
        Err(error) => {
            log::info!("a look was not possible: {error}");
            Vec::new()
        }
    }
}

async fn web(host: &dyn Probe, settings: Option<&Settings>) -> Web {
    let Some(site) = settings.map(|settings| settings.site.as_str()) else { return Web::default() };
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 443));
    let (health, streaming) = (format!("https://{site}/health"), format!("https://{site}/api/v1/streaming/health"));
    let (v4, v6, own) = tokio::join!(addresses(host, site, RecordType::A), addresses(host, site, RecordType::Aaaa), own_addresses(host));
    let addresses = [v4, v6].concat();
    let own_address = addresses.iter().any(|address| own.contains(address));
    let outside = Request::new(Method::Get, &health);
    let ask_outside = async { if own_address || addresses.is_empty() { None } else { Some(answer(host, &outside).await) } };
    // The proxy in front need not be on this machine.
    let through = |url: &str| {
        let request = Request::new(Method::Get, url);
        if settings.is_some_and(|settings| settings.behind_proxy) { request } else { request.connect_to(here) }
    };
    let (at_home, live) = (through(&health), through(&streaming));
    let (here, streaming, public) = tokio::join!(answer(host, &at_home), answer(host, &live), ask_outside);
    Web { here: Some(here), streaming: Some(streaming), public, addresses, own_address }
}

async fn answer(host: &dyn Probe, request: &Request) -> Result<u16, String> {
    host.get(request).await.map(|answer| answer.status).map_err(|error| error.to_string())
}

/// Addresses on this machine's own interfaces.
async fn own_addresses(host: &dyn Probe) -> BTreeSet<IpAddr> {
    let told = ask(host, Cmd::new("ip").args(["-j", "address", "show"])).await.unwrap_or_default();
    let links: Vec<serde_json::Value> = serde_json::from_str(&told).unwrap_or_default();
    let infos = links.iter().filter_map(|link| link["addr_info"].as_array()).flatten();
    infos.filter_map(|info| info["local"].as_str()?.parse().ok()).collect()
}
