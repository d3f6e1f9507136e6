//! Looking at the simulated Debian: the whole way from a broken machine to its cause.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::*;
use crate::doctor::diagnose;
use crate::host::fake::{FakeHost, Machine};
use crate::host::{Answer, Kind, Record, RecordType};
use crate::settings::Smtp;

const SITE: &str = "social.fedi-test.org";

fn address(machine: &mut Machine, name: &str, data: &str) {
    let record = Record { name: name.into(), kind: RecordType::A, ttl: 300, data: data.into() };
    machine.dns.insert(format!("{name} A"), Answer { answers: vec![record], ..Answer::default() });
}

/// A machine behind a router that lets the web in, with everything well.
fn well() -> (FakeHost, Settings) {
    let host = FakeHost::debian();
    let relay = Smtp {
        server: "smtp.other-mail.org".parse().unwrap(),
        port: 587,
        login: "login".into(),
        password: "hunter22".into(),
        from: "a@other-mail.org".into(),
    };
    let settings = Settings { smtp: Some(relay), ..Settings::sample() };
    {
        let mut machine = host.machine();
        machine.run_mastodon_containers();
        machine.let_be_inspected();
        machine.docker.certificates.insert(SITE.into());
        machine.inspection.synchronized = true;
        machine.inspection.date = jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).unwrap();
        address(&mut machine, SITE, "203.0.113.10");
        address(&mut machine, "acme-v02.api.letsencrypt.org", "192.0.2.20");
        address(&mut machine, "smtp.other-mail.org", "192.0.2.30");
        for port in [465, 587, 2525] {
            machine.listening.insert(SocketAddr::from(([192, 0, 2, 30], port)));
        }
        machine.place("/proc/meminfo", Kind::File, "MemTotal: 2000000 kB\nMemAvailable: 900000 kB\nSwapTotal: 0 kB\n", 0o444);
    }
    (host, settings)
}

async fn causes(break_it: impl Fn(&mut Machine)) -> (BTreeSet<&'static str>, Seen) {
    let (host, settings) = well();
    break_it(&mut host.machine());
    let mut seen = look(&host, Some(&settings)).await;
    // The simulated Caddy answers on this machine only.
    seen.web.public = seen.web.public.map(|_| Ok(200));
    assert!(host.take_log().is_empty(), "a look changed something");
    (diagnose(&seen).iter().map(|finding| finding.name).collect(), seen)
}

fn ufw(machine: &mut Machine, rules: &[&str]) {
    machine.install("ufw");
    machine.ufw.active = true;
    machine.ufw.rules = rules.iter().map(ToString::to_string).collect();
}

type Break = fn(&mut Machine);

#[rustfmt::skip]
const TABLE: &[(Break, &[&str])] = &[
    (|_| (), &[]),
    (|m| m.inspection.date = "Mon, 23 Nov 2020 08:00:00 GMT".into(), &["clock/wrong"]),
    (|m| m.inspection.synchronized = false, &["clock/adrift"]),
    (|m| m.space.free = 100 << 20, &["disk/full"]),
    (|m| m.space.files_free = 5, &["disk/files"]),
    (|m| m.place("/proc/meminfo", Kind::File, "MemTotal: 2000000 kB\nMemAvailable: 9000 kB\nSwapTotal: 0 kB\n", 0o444), &["memory/short"]),
    (|m| m.place("/proc/mounts", Kind::File, "/dev/sda / ext4 ro,relatime 0 0\n", 0o444), &["machine/read-only"]),
    (|m| m.inspection.killed = "Out of memory: Killed process 77 (ruby)\n".into(), &["memory/killed"]),
    (|m| m.place("/run/reboot-required", Kind::File, "", 0o644), &["machine/restart"]),
    (|m| _ = m.listening.remove(&SocketAddr::from(([192, 0, 2, 30], 587))), &["mail/blocked"]),
    (|m| m.docker.containers.get_mut("web").unwrap().health = "(unhealthy)", &["container/unhealthy"]),
    (|m| m.docker.containers.get_mut("streaming").unwrap().state = "exited", &["container/stopped"]),
    (|m| m.docker.containers.get_mut("web").unwrap().state = "paused", &["container/paused"]),
    (|m| _ = m.docker.containers.remove("caddy"), &["container/missing"]),
    (|m| _ = m.inspection.fared.insert("db".into(), (9, false, "2999-01-01T00:00:00Z")), &["container/loop"]),
    (|m| _ = m.inspection.fared.insert("web".into(), (1, true, "2026-01-01T00:00:00Z")), &["container/memory"]),
    (|m| m.place("/sys/fs/cgroup/system.slice/docker-web-id.scope/memory.events", Kind::File, "oom 1\noom_kill 2\n", 0o444), &["container/memory"]),
    (|m| _ = m.inspection.logs.insert("sidekiq".into(), vec![format!("{} 535 Authentication failed", Timestamp::now())]), &["mail/login"]),
    (|m| _ = m.inspection.logs.insert("sidekiq".into(), vec!["2026-01-01T00:00:00Z 535 Authentication failed".into()]), &[]),
    (|m| m.inspection.published = "x\t0.0.0.0:5432->5432/tcp\n".into(), &["docker/published"]),
    (|m| { m.docker.networks.push("mastodon_inside".into()); m.programs.insert("firewall-cmd".into()); }, &["firewall/zones"]),
    (|m| { m.docker.networks.push("mastodon_outside".into()); m.programs.insert("firewall-cmd".into()); }, &[]),
    (|m| m.docker.networks.push("mastodon_inside".into()), &[]),
    (|m| ufw(m, &["allow 22/tcp"]), &["firewall/closed"]),
    (|m| ufw(m, &["allow 22/tcp", "allow 80/tcp", "allow 443"]), &[]),
    (|m| m.docker.certificates.clear(), &["web/silent"]),
    (|m| m.inspection.own = vec!["203.0.113.10".parse().unwrap()], &["outside/unknown"]),
    (|m| m.place("/opt/mastodon/public/system/accounts", Kind::Directory, "", 0o755), &["media/not-writable"]),
    (|m| {
        let place = "/opt/mastodon/caddy/data/caddy/certificates/acme";
        m.place(place, Kind::Directory, "", 0o700);
        m.place(format!("{place}/{SITE}/{SITE}.crt"), Kind::File, "", 0o600);
        m.inspection.certificate = "notBefore=Jan  2 08:00:00 2020 GMT\nnotAfter=Apr  2 08:00:00 2020 GMT\n".into();
    }, &["certificate/ending"]),
    (|m| _ = m.dns.insert("acme-v02.api.letsencrypt.org A".into(), Answer { failure: Some("SERVFAIL".into()), ..Answer::default() }), &["names/resolver"]),
];

#[tokio::test]
async fn a_broken_machine_shows_its_cause() {
    for (number, (break_it, expected)) in TABLE.iter().enumerate() {
        let (found, seen) = causes(break_it).await;
        assert_eq!(found, expected.iter().copied().collect(), "line {number} of the table: {seen:?}");
    }
}

#[tokio::test]
async fn the_firewall_of_a_machine_behind_another_web_server_is_not_asked() {
    let (host, settings) = well();
    ufw(&mut host.machine(), &["allow 22/tcp"]);
    assert!(look(&host, Some(&Settings { behind_proxy: true, ..settings })).await.shut.is_empty());
}

#[tokio::test]
async fn a_port_of_mail_is_open_if_one_of_the_relays_that_are_asked_answers_on_it() {
    let (host, settings) = well();
    let settings = Settings { smtp: None, ..settings };
    address(&mut host.machine(), "smtp.mailgun.org", "192.0.2.41");
    address(&mut host.machine(), "smtp.sendgrid.net", "192.0.2.42");
    host.machine().listening.extend([([192, 0, 2, 41], 2525), ([192, 0, 2, 42], 587)].map(SocketAddr::from));
    let mail = look(&host, Some(&settings)).await.mail;
    assert_eq!(mail.hosts, ["smtp.mailgun.org", "smtp.sendgrid.net"]);
    assert_eq!(mail.ports, [(25, false), (465, false), (587, true), (2525, true)].into());
    host.machine().dns.remove("smtp.mailgun.org A");
    assert_eq!(look(&host, Some(&settings)).await.mail.hosts, ["smtp.sendgrid.net"]);
}

#[tokio::test]
async fn a_bare_machine_can_be_looked_at_too() {
    let host = FakeHost::debian();
    let seen = look(&host, None).await;
    assert!(seen.containers.is_empty() && seen.site.is_none() && seen.versions.len() == 5, "{seen:?}");
    assert!(host.take_log().is_empty());
}

#[test]
fn only_a_newer_mastodon_is_named() {
    assert!(newer("v4.0.0").is_some_and(|told| told.ends_with("(here: v4.0.0)")));
    assert_eq!((newer("v99.0.0"), newer(&Images::default().mastodon_version), newer("edge")), (None, None, None));
}
