//! Sending mail: which relays are known, what is wrong with one, what the sender's domain says about it, and a message that goes all the way.

mod explain;
pub mod failure;
mod message;
mod presets;
mod sender;
mod spf;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use futures_util::future::join_all;

pub use explain::{Setback, explain};
pub use message::{Fate, test_message};
pub use presets::{PRESETS, Preset, ReturnPath};
pub use sender::{Advice, Standing, standing};

use crate::host::{Probe, Question, RecordType, Trial};
use crate::settings::{Settings, Smtp};

/// Ports that relays listen on for clients, the one to try first before the others: 587 (RFC 6409), its doubles for those whose host blocks it,
/// 465 (TLS from the start, RFC 8314), and 25, which is for relays among each other.
pub const PORTS: [u16; 5] = [587, 2587, 2525, 465, 25];

/// Which ports of a relay can be connected to from here: those that its provider names, or all that relays have; `also` besides. Empty: its name
/// has no address.
pub async fn ports(server: &str, also: Option<u16>, probe: &dyn Probe) -> BTreeMap<u16, bool> {
    // Containers reach the world over IPv4 alone.
    let question = Question { server: None, name: server.to_owned(), kind: RecordType::A };
    let answer = probe.dns(&question).await.unwrap_or_default();
    let address = answer.answers.iter().filter(|record| record.kind == RecordType::A).find_map(|record| record.data.parse().ok());
    let Some(address) = address else { return BTreeMap::new() };
    let known = Preset::of_server(server).map_or(&PORTS[..], |preset| preset.ports);
    let all: BTreeSet<_> = known.iter().copied().chain(also).collect();
    let tried = all.into_iter().map(|port| async move { (port, probe.connects(SocketAddr::new(address, port)).await) });
    join_all(tried).await.into_iter().collect()
}

/// Those that are open, in words.
pub fn open(ports: &BTreeMap<u16, bool>) -> String {
    in_words(ports.iter().filter(|(_, open)| **open))
}

/// Those that are not.
pub fn closed(ports: &BTreeMap<u16, bool>) -> String {
    in_words(ports.iter().filter(|(_, open)| !**open))
}

fn in_words<'a>(ports: impl Iterator<Item = (&'a u16, &'a bool)>) -> String {
    let ports: Vec<_> = ports.map(|(port, _)| port.to_string()).collect();
    if ports.is_empty() { "none".into() } else { ports.join(", ") }
}

/// The address in `Name <address>`.
pub fn address(from: &str) -> &str {
    from.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')).map_or(from, |(_, address)| address)
}

/// The dialogue that Mastodon will have with the relay, up to the message.
pub fn trial(settings: &Settings, smtp: &Smtp, to: &str) -> Trial {
    Trial {
        server: smtp.server.to_string(),
        port: smtp.port,
        own_name: settings.handle_domain.to_string(),
        login: smtp.login.clone(),
        password: smtp.password.clone(),
        from: address(&smtp.from).to_owned(),
        to: to.to_owned(),
    }
}
