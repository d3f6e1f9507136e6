//! What a relay's trouble means, and what to do about it.

use std::collections::BTreeMap;

use super::{PORTS, Preset, closed, open};
use crate::host::{RelayTrouble, Stage, Trial};
use crate::report::harmless;

/// A relay that cannot be used like this, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setback {
    /// What failed.
    pub what: String,
    /// Why, as far as it is known.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

/// Every trouble has its own cause and remedy. `ports`: which of the relay's can be connected to.
pub fn explain(trouble: &RelayTrouble, trial: &Trial, ports: &BTreeMap<u16, bool>) -> Setback {
    let Trial { server, port, .. } = trial;
    let preset = Preset::of_server(server);
    let (what, why, remedy) = match trouble {
        RelayTrouble::NoSuchName => (
            format!("there is no mail relay {server}"),
            "the name has no address in DNS".to_owned(),
            "write its name as the provider does; does `sudo tootstrap doctor` see DNS?".to_owned(),
        ),
        RelayTrouble::Silent => silent(trial, ports),
        RelayTrouble::Unreachable(why) => (
            format!("{server} refuses connections on port {port}"),
            why.clone(),
            other_port(ports, *port).map_or_else(|| "ask the provider for its port".to_owned(), |port| format!("give --port {port}")),
        ),
        RelayTrouble::SpeaksTls => (
            format!("{server} speaks TLS from the start on port {port}"),
            format!("Mastodon does so on port 465 only; on {port} it begins with STARTTLS"),
            "give --port 465, or the provider's port for STARTTLS, mostly 587".to_owned(),
        ),
        RelayTrouble::NoTls => (
            format!("{server} does not speak TLS from the start on port {port}"),
            "port 465 is for TLS from the start; this relay wants STARTTLS".to_owned(),
            "give --port 587".to_owned(),
        ),
        RelayTrouble::Untrusted(why) => (
            format!("the certificate of {server} is not trusted"),
            why.clone(),
            "give the very name that stands in the certificate; a certificate of its own maker does not count, since Mastodon checks it too".to_owned(),
        ),
        RelayTrouble::NoStartTls => (
            format!("{server} offers no encryption on port {port}"),
            "without STARTTLS the password would be sent for all to read".to_owned(),
            "give the provider's port with TLS: --port 465 or --port 587".to_owned(),
        ),
        RelayTrouble::NoLogin => (
            format!("{server} offers no login that Mastodon can use here"),
            "it must offer AUTH PLAIN".to_owned(),
            "give a relay that does, for example a provider of those in --help".to_owned(),
        ),
        RelayTrouble::Refused { stage, reply } => refused(*stage, &reply.to_string(), trial, preset),
        RelayTrouble::Broken { stage, reason } => (
            format!("the dialogue with {server} on port {port} broke off {}", at(*stage)),
            reason.clone(),
            "is it a mail relay for clients (submission)? try again, or another port".to_owned(),
        ),
    };
    Setback { what, why: one_line(&why), remedy }
}

/// One closed port says little: the relay may not listen there. Several beside one that answers are how a host's filter looks.
fn silent(trial: &Trial, ports: &BTreeMap<u16, bool>) -> (String, String, String) {
    let Trial { server, port, .. } = trial;
    let what = format!("port {port} of {server} cannot be reached from here");
    let are_closed = ports.values().filter(|open| !**open).count();
    let Some(other) = other_port(ports, *port) else {
        let tried = if are_closed > 1 { format!("; so are all that were tried: {}", closed(ports)) } else { String::new() };
        return (
            what,
            format!("it is closed or filtered{tried}"),
            "are name and port those that the provider gives? if so, ask your host whether it blocks mail (Linode does on new accounts), \
             or give a relay with another port, such as 2525"
                .to_owned(),
        );
    };
    let why = if are_closed > 1 {
        format!(
            "your host seems to block mail, as Linode does on new accounts: of the same relay {} does not answer, {} does",
            closed(ports),
            open(ports)
        )
    } else {
        format!("it is closed or filtered; open from here: {}", open(ports))
    };
    (what, why, format!("give --port {other}"))
}

fn other_port(ports: &BTreeMap<u16, bool>, port: u16) -> Option<u16> {
    PORTS.into_iter().find(|other| *other != port && ports.get(other) == Some(&true))
}

fn refused(stage: Stage, said: &str, trial: &Trial, preset: Option<&Preset>) -> (String, String, String) {
    let Trial { server, login, from, to, .. } = trial;
    let why = format!("it says: {said}");
    match stage {
        Stage::Login => (
            format!("{server} refuses the login {login:?}"),
            why,
            preset.map_or_else(
                || "give the right --login and password".to_owned(),
                |preset| format!("the login is {};\nthe password is {}", preset.login_is, preset.password_is),
            ),
        ),
        Stage::Sender => (
            format!("{server} refuses the sender {from}"),
            why,
            "make the sender or its domain known at the provider, or give one that is:\n--from NAME@DOMAIN".to_owned(),
        ),
        Stage::Recipient if said.contains("5.7.1") || said.to_ascii_lowercase().contains("relay") => (
            format!("{server} does not pass mail on to others ({to})"),
            why,
            "it is no relay for your account: give the provider's relay for clients".to_owned(),
        ),
        Stage::Recipient => {
            (format!("{server} refuses mail to {to}"), why, "does the address exist? give another one: --to ADDRESS".to_owned())
        }
        Stage::Greeting | Stage::Hello | Stage::Encryption => {
            (format!("{server} does not want to talk {}", at(stage)), why, "try again later, or ask the provider".to_owned())
        }
    }
}

const fn at(stage: Stage) -> &'static str {
    match stage {
        Stage::Greeting => "at its greeting",
        Stage::Hello => "after our name",
        Stage::Encryption => "at the encryption",
        Stage::Login => "at the login",
        Stage::Sender => "at the sender",
        Stage::Recipient => "at the recipient",
    }
}

/// What others say, without what a terminal would obey and without lines of its own.
fn one_line(text: &str) -> String {
    harmless(text).split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Reply;

    fn trial(port: u16) -> Trial {
        Trial {
            server: "smtp.postmarkapp.com".into(),
            port,
            own_name: "a.org".into(),
            login: "me".into(),
            password: "hunter22".into(),
            from: "a@a.org".into(),
            to: "b@b.org".into(),
        }
    }

    fn told(trouble: &RelayTrouble, port: u16, open: &[u16]) -> String {
        let ports = [25, 465, 587, 2525].into_iter().map(|port| (port, open.contains(&port))).collect();
        let Setback { what, why, remedy } = explain(trouble, &trial(port), &ports);
        format!("{what} / {why} / {remedy}")
    }

    #[test]
    fn nobody_is_accused_for_what_was_not_tried() {
        let trial = Trial { server: "smtp.b.org".into(), ..trial(587) };
        for ports in [BTreeMap::new(), [(587, false)].into()] {
            let Setback { why, remedy, .. } = explain(&RelayTrouble::Silent, &trial, &ports);
            assert_eq!(why, "it is closed or filtered");
            assert!(remedy.contains("are name and port those that the provider gives?"), "{remedy}");
        }
    }

    #[test]
    fn every_trouble_has_its_cause_and_its_remedy() {
        let refused = |stage, code, text: &str| RelayTrouble::Refused { stage, reply: Reply { code, lines: vec![text.into()] } };
        for (trouble, port, open, parts) in [
            (RelayTrouble::NoSuchName, 587, &[][..], &["no mail relay smtp.postmarkapp.com", "no address"][..]),
            (
                RelayTrouble::Silent,
                587,
                &[2525],
                &["port 587", "seems to block mail", "25, 465, 587 does not answer, 2525 does", "give --port 2525"],
            ),
            (
                RelayTrouble::Silent,
                587,
                &[25, 465, 2525],
                &["/ it is closed or filtered; open from here: 25, 465, 2525 /", "give --port 2525"],
            ),
            (
                RelayTrouble::Silent,
                587,
                &[],
                &["closed or filtered; so are all that were tried: 25, 465, 587, 2525 /", "whether it blocks mail"],
            ),
            (RelayTrouble::Unreachable("connection refused".into()), 25, &[587], &["refuses connections on port 25", "--port 587"]),
            (RelayTrouble::SpeaksTls, 587, &[587], &["TLS from the start on port 587", "--port 465"]),
            (RelayTrouble::NoTls, 465, &[465], &["does not speak TLS from the start", "--port 587"]),
            (RelayTrouble::Untrusted("not valid for name".into()), 587, &[], &["certificate", "not valid for name", "the very name"]),
            (RelayTrouble::NoStartTls, 25, &[], &["no encryption", "for all to read"]),
            (RelayTrouble::NoLogin, 587, &[], &["AUTH PLAIN"]),
            (refused(Stage::Login, 535, "no \u{1b}[2Jsuch"), 587, &[], &["refuses the login \"me\"", "535 no such", "the secret key"]),
            (refused(Stage::Sender, 550, "x"), 587, &[], &["refuses the sender a@a.org", "--from"]),
            (
                refused(Stage::Recipient, 554, "5.7.1 Relay access denied"),
                587,
                &[],
                &["does not pass mail on", "no relay for your account"],
            ),
            (refused(Stage::Recipient, 550, "nobody"), 587, &[], &["refuses mail to b@b.org", "--to"]),
            (refused(Stage::Greeting, 421, "busy"), 587, &[], &["does not want to talk at its greeting", "421 busy"]),
            (
                RelayTrouble::Broken { stage: Stage::Hello, reason: "the relay hung up".into() },
                587,
                &[],
                &["broke off after our name", "hung up"],
            ),
        ] {
            let told = told(&trouble, port, open);
            assert!(parts.iter().all(|part| told.contains(part)), "{trouble:?}: {told}");
            assert!(!told.contains('\u{1b}') && !told.contains("hunter22"), "{told}");
        }
    }
}
