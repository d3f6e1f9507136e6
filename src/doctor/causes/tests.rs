//! For every row: what is seen of it, and that nothing else follows from that.

use std::collections::BTreeSet;

use super::super::{Container, Disk, Shut, Step, diagnose};
use super::*;
use crate::host::Space;

/// A machine on which everything is well.
fn well() -> Seen {
    let space = Space { free: 30 << 30, total: 50 << 30, files_free: 3 << 20, files: 4 << 20 };
    let running = || Container {
        state: "running".into(),
        health: "healthy".into(),
        age: Some(9000),
        memory_limit: 640 << 20,
        ..Container::default()
    };
    let mut seen = Seen {
        at: "2026-11-23T08:00:00Z".parse().unwrap(),
        site: Some("social.fedi-test.org".into()),
        disks: vec![Disk { path: "/".into(), space }],
        containers: ["db", "redis", "web", "sidekiq", "streaming", "caddy"].map(|name| (name.to_owned(), running())).into(),
        ..Seen::default()
    };
    let memory = [("MemTotal", 2_000u64), ("MemAvailable", 900), ("SwapTotal", 2_000), ("SwapFree", 1_900)];
    seen.memory = memory.map(|(name, mb)| (name.to_owned(), mb << 20)).into();
    seen.steps = ["dns/published", "edge/certificate", "edge/ports", "app/services"].map(|id| step(id, Outcome::Unchanged)).into();
    seen.mail.relay = Some(("smtp.other-mail.org".into(), 587));
    seen.mail.ports = [(25, false), (465, true), (587, true), (2525, true)].into();
    (seen.web.here, seen.web.streaming) = (Some(Ok(200)), Some(Ok(200)));
    seen.clock.synchronized = Some(true);
    seen.tls.until = Some("2027-02-01T00:00:00Z".parse().unwrap());
    seen
}

fn step(id: &str, outcome: Outcome) -> Step {
    Step { id: id.into(), outcome }
}

fn waiting(what: &str, remedy: &str) -> Outcome {
    Outcome::Waiting { what: what.into(), remedy: remedy.into() }
}

fn says(seen: &mut Seen, service: &str, line: &str) {
    seen.logs.insert(service.into(), vec!["before".into(), line.into(), "after".into()]);
}

fn without_certificate(seen: &mut Seen, error: &str) {
    seen.steps[1] = step("edge/certificate", waiting("the certificate", "open the ports"));
    seen.authority = vec!["something else".into(), error.into()];
}

fn shut(seen: &mut Seen, rule: Option<&str>) {
    let shut = |port: &str| Shut { port: port.into(), rule: rule.map(str::to_owned) };
    seen.shut = ["80/tcp", "443/tcp"].map(shut).into();
}

type Break = fn(&mut Seen);

/// What is done to the machine, the causes that must be found (all and no others), and a part of what is said about them.
#[rustfmt::skip]
const TABLE: &[(Break, &[&str], &str)] = &[
    (|_| (), &[], ""),
    (|s| s.troubles.push(("secrets.toml is damaged".into(), Some("restore it".into()))), &["machine/records"], "restore it"),
    (|s| s.read_only.push("/".into()), &["machine/read-only"], "dmesg"),
    (|s| s.disks[0].space.free = 900 << 20, &["disk/full"], "/: 900 MB of 51200 MB are free"),
    (|s| s.disks[0].space.free = 9 << 30, &["disk/filling"], "media usage"),
    (|s| s.disks[0].space.files_free = 10, &["disk/files"], "/: 10 of 4194304 files left"),
    (|s| s.disks[0].space.files = 0, &[], ""),
    (|s| { s.memory.insert("MemAvailable".into(), 50 << 20); s.memory.insert("SwapFree".into(), 0); }, &["memory/short"], "50 of 2000 MB memory and 0 of 2000 MB swap"),
    (|s| _ = s.memory.insert("MemAvailable".into(), 50 << 20), &[], ""),
    (|s| s.killed.push("Out of memory: Killed process 77 (puma)".into()), &["memory/killed"], "puma"),
    (|s| s.clock.fast = Some(-3_700), &["clock/wrong"], "3700 s behind"),
    (|s| s.clock.fast = Some(61), &["clock/wrong"], "61 s ahead"),
    (|s| s.clock.fast = Some(-59), &[], ""),
    (|s| s.clock.synchronized = Some(false), &["clock/adrift"], "set-ntp"),
    (|s| s.resolver = Some("no answer from 192.0.2.1".into()), &["names/resolver"], "resolv.conf"),
    (|s| s.steps[0] = step("dns/published", waiting("the A record", "make it")), &["names/dns"], "make it"),
    (|s| without_certificate(s, "urn:ietf:params:acme:error:connection: Timeout during connect"), &["certificate/firewall"], "Cloud Manager, Firewalls"),
    (|s| without_certificate(s, "urn:ietf:params:acme:error:dns: NXDOMAIN looking up A"), &["certificate/dns"], "known everywhere"),
    (|s| without_certificate(s, "urn:ietf:params:acme:error:caa: forbidden"), &["certificate/caa"], "0 issue"),
    (|s| without_certificate(s, "urn:ietf:params:acme:error:unauthorized: Invalid response from 198.51.100.7"), &["certificate/elsewhere"], "AAAA"),
    (|s| without_certificate(s, "urn:ietf:params:acme:error:rateLimited: too many certificates"), &["certificate/limit"], "wait"),
    (|s| without_certificate(s, "urn:ietf:params:acme:error:unauthorized: Failed to connect to 198.51.100.7:80"), &["certificate/firewall"], "Cloud Manager"),
    (|s| { without_certificate(s, "urn:ietf:params:acme:error:caa: forbidden"); s.authority.push("urn:ietf:params:acme:error:connection".into()); }, &["certificate/caa"], "0 issue"),
    (|s| without_certificate(s, "urn:ietf:params:acme:error:badNonce"), &["certificate/missing"], "open the ports"),
    (|s| {
        without_certificate(s, "urn:ietf:params:acme:error:badNonce");
        s.web.here = Some(Err("no answer from https://social.fedi-test.org/health: received fatal alert: InternalError".into()));
        s.web.streaming = s.web.here.clone();
    }, &["certificate/missing"], "waiting for the certificate"),
    (|s| { without_certificate(s, "urn:ietf:params:acme:error:badNonce"); s.web.here = Some(Ok(503)); }, &["certificate/missing", "web/silent"], "status 503"),
    (|s| s.authority = vec!["urn:ietf:params:acme:error:connection".into()], &[], ""),
    (|s| s.tls.until = Some("2026-11-29T00:00:00Z".parse().unwrap()), &["certificate/ending"], "2026-11-29T00:00:00Z"),
    (|s| s.steps[2] = step("edge/ports", Outcome::Failed { why: "port 80 is taken by nginx".into(), remedy: Some("stop nginx".into()) }), &["ports/taken"], "stop nginx"),
    (|s| s.steps.push(step("edge/proxy", waiting("your web server to pass on https://a.org", "compare it"))), &["proxy/wrong"], "compare it"),
    (|s| s.in_no_zone.push("br-12".into()), &["firewall/zones"], "firewall-cmd --zone=docker --add-interface=br-12;"),
    (|s| s.steps.push(step("firewall/ufw", Outcome::Pending)), &["firewall/here"], "firewall/ufw differs"),
    (|s| { shut(s, None); s.steps.push(step("firewall/ufw", Outcome::Pending)); }, &["firewall/here"], "firewall/ufw differs"),
    (|s| shut(s, None), &["firewall/closed"], "sudo ufw allow 80/tcp; sudo ufw allow 443/tcp; sudo ufw allow 443/udp; then: sudo tootstrap install"),
    (|s| shut(s, Some("deny 80")), &["firewall/closed"], "sudo ufw delete deny 80; sudo ufw allow 80/tcp; then"),
    (|s| { shut(s, None); without_certificate(s, "urn:ietf:params:acme:error:connection: Timeout"); }, &["firewall/closed"], "80/tcp: ufw is in force"),
    (|s| { shut(s, None); without_certificate(s, "urn:ietf:params:acme:error:caa"); }, &["certificate/caa", "firewall/closed"], "0 issue"),
    (|s| { shut(s, None); s.web.public = Some(Err("timed out".into())); }, &["firewall/closed"], "443/udp"),
    (|s| s.steps.push(step("docker/ready", Outcome::Pending)), &["docker/down"], "restart docker"),
    (|s| s.steps.push(step("docker/images", waiting("the recorded one", "pull it"))), &["docker/image"], "pull it"),
    (|s| s.published.push("0.0.0.0:5432->5432/tcp of other".into()), &["docker/published"], "5432"),
    (|s| s.containers.get_mut("web").unwrap().out_of_memory = true, &["container/memory"], "web: its limit is 640 MB"),
    (|s| { let c = s.containers.get_mut("web").unwrap(); (c.restarts, c.age, c.exit_code) = (7, Some(20), 1); says(s, "web", "a secret is missing"); }, &["container/loop"], "web | a secret is missing"),
    (|s| s.containers.get_mut("web").unwrap().restarts = 7, &[], ""),
    (|s| s.containers.get_mut("db").unwrap().state = "restarting".into(), &["container/loop"], "db: 0 restarts"),
    (|s| s.containers.get_mut("redis").unwrap().state = "exited".into(), &["container/stopped"], "redis: exited, exit status 0"),
    (|s| s.containers.get_mut("web").unwrap().state = "paused".into(), &["container/paused"], "lets it go on"),
    (|s| _ = s.containers.remove("sidekiq"), &["container/missing"], "there is no container of sidekiq"),
    (|s| { s.containers.remove("caddy"); s.behind_proxy = true; }, &[], ""),
    (|s| s.containers.clear(), &[], ""),
    (|s| { s.containers.remove("web"); s.site = None; }, &[], ""),
    (|s| s.containers.get_mut("web").unwrap().health = "unhealthy".into(), &["container/unhealthy"], "its health check fails"),
    (|s| { s.containers.get_mut("web").unwrap().health = "unhealthy".into(); s.steps[3] = step("app/services", Outcome::Pending); }, &["container/unhealthy"], "web"),
    (|s| says(s, "db", "could not extend file: No space left on device"), &["database/space"], "make room"),
    (|s| says(s, "db", "FATAL:  database files are incompatible with server"), &["database/version"], "images.postgres"),
    (|s| says(s, "db", "ERROR:  invalid page in block 7 of relation base/1/2"), &["database/damaged"], "backup"),
    (|s| says(s, "db", "FATAL:  password authentication failed for user \"mastodon\""), &["database/password"], "recorded password"),
    (|s| says(s, "db", "FATAL:  sorry, too many clients already"), &["database/crowded"], "connections"),
    (|s| says(s, "sidekiq", "OOM command not allowed when used memory > 'maxmemory'."), &["redis/full"], "logs sidekiq"),
    (|s| says(s, "sidekiq", "Net::SMTPAuthenticationError: 535 Authentication failed"), &["mail/login"], "sudo tootstrap mail set"),
    (|s| says(s, "sidekiq", "SSL_connect returned=1: wrong version number"), &["mail/tls"], "mail set finds the port"),
    (|s| says(s, "sidekiq", "550 5.7.1 not allowed"), &["mail/sender"], "mail set --from"),
    (|s| _ = s.mail.ports.insert(587, false), &["mail/blocked"], "open: 465, 2525"),
    (|s| _ = s.mail.ports.insert(587, false), &["mail/blocked"], "sudo tootstrap mail set --server smtp.other-mail.org --port 2525"),
    (|s| s.mail.ports = [(587, false)].into(), &["mail/blocked"], "sudo tootstrap mail set --server NAME --port PORT"),
    (|s| s.mail.relay = None, &["mail/none", "mail/ports"], "open: 465, 587, 2525; closed: 25"),
    (|s| {
        (s.mail.relay, s.mail.ports) = (None, [(465, false), (587, false)].into());
        s.mail.hosts = ["a.org", "b.org"].map(String::from).into();
    }, &["mail/none", "mail/ports"], "no relay that was asked (a.org and b.org) answers on any port: 465, 587"),
    (|s| { s.mail.relay = None; s.site = None; s.mail.ports.clear(); }, &[], ""),
    (|s| s.not_writable.push("/opt/mastodon/public/system/accounts belongs to 0".into()), &["media/not-writable"], "chown"),
    (|s| s.web.here = Some(Ok(503)), &["web/silent"], "status 503"),
    (|s| s.web.streaming = Some(Err("refused".into())), &["web/streaming"], "refused"),
    (|s| s.web.public = Some(Err("timed out".into())), &["outside/closed"], "timed out"),
    (|s| { s.web.public = Some(Err("timed out".into())); s.web.own_address = true; }, &["outside/unknown"], "no certificate shows"),
    (|s| s.web.own_address = true, &["outside/unknown"], "curl -I https://social.fedi-test.org ("),
    (|s| { s.web.own_address = true; s.tls.from = Some("2026-11-20T08:00:00Z".parse().unwrap()); }, &["outside/unknown"], "2026-11-20T08:00:00Z"),
    (|s| s.last_run.push(step("base/packages", Outcome::Failed { why: "no route".into(), remedy: None })), &["run/failed"], "no route"),
    (|s| s.steps[3] = step("app/services", Outcome::Pending), &["drift"], "app/services differs"),
    (|s| s.steps[3] = step("app/services", Outcome::Blocked { by: "x".into() }), &[], ""),
    (|s| {
        s.containers.get_mut("streaming").unwrap().state = "exited".into();
        (s.web.streaming, s.steps[3]) = (Some(Err("refused".into())), step("app/services", Outcome::Pending));
    }, &["container/stopped"], "streaming: exited"),
    (|s| {
        s.containers.get_mut("redis").unwrap().state = "exited".into();
        (s.web.here, s.steps[3]) = (Some(Ok(503)), step("base/packages", Outcome::Pending));
    }, &["container/stopped", "drift"], "base/packages differs"),
    (|s| s.newer = Some("v4.7.5".into()), &["version/newer"], "v4.7.5"),
    (|s| s.restart_needed = true, &["machine/restart"], "reboot"),
    (|s| s.notes.push("Debian 11 has had no security updates".into()), &["machine/remarks"], "Debian 11"),
];

#[test]
fn each_symptom_leads_to_its_cause_and_to_no_other() {
    for (number, (break_it, causes, part)) in TABLE.iter().enumerate() {
        let mut seen = well();
        break_it(&mut seen);
        let findings = diagnose(&seen);
        let found: BTreeSet<_> = findings.iter().map(|finding| finding.name).collect();
        assert_eq!(found, causes.iter().copied().collect(), "line {number} of the table");
        let text = format!("{findings:?}");
        assert!(text.contains(&part.replace('"', "\\\"")), "line {number} of the table: {part} is not in {text}");
    }
}

/// What is seen besides where a service does not work.
#[rustfmt::skip]
const FOLLOWS: &[(&str, Break)] = &[
    ("db", |s| {
        s.steps.extend(["app/stores", "app/database", "app/owner", "app/services"].map(|id| step(id, Outcome::Pending)));
        s.steps.push(step("edge/proxy", waiting("your web server", "look")));
        s.containers.get_mut("web").unwrap().health = "unhealthy".into();
        s.containers.get_mut("streaming").unwrap().state = "restarting".into();
        (s.web.here, s.web.streaming) = (Some(Ok(500)), Some(Ok(502)));
    }),
    ("redis", |s| { s.steps.push(step("app/stores", Outcome::Pending)); s.web.here = Some(Ok(500)); }),
    ("web", |s| { s.steps.push(step("app/services", Outcome::Pending)); s.web.here = Some(Ok(502)); }),
    ("sidekiq", |s| s.steps.push(step("app/services", Outcome::Pending))),
    ("streaming", |s| { s.steps.push(step("app/services", Outcome::Pending)); s.web.streaming = Some(Ok(502)); }),
    ("caddy", |s| {
        without_certificate(s, "urn:ietf:params:acme:error:connection");
        s.steps.extend(["edge/caddy", "edge/loaded"].map(|id| step(id, Outcome::Pending)));
        s.web.here = Some(Err("refused".into()));
        s.web.streaming = s.web.here.clone();
    }),
];

#[test]
fn a_container_that_does_not_work_is_one_finding() {
    for (service, follows) in FOLLOWS {
        for (state, cause) in [("exited", "container/stopped"), ("paused", "container/paused"), ("", "container/missing")] {
            let mut seen = well();
            follows(&mut seen);
            match state {
                "" => _ = seen.containers.remove(*service),
                state => seen.containers.get_mut(*service).unwrap().state = state.into(),
            }
            let found: Vec<_> = diagnose(&seen).into_iter().map(|finding| finding.name).collect();
            assert_eq!(found, [cause], "{service}");
        }
    }
}

#[test]
fn every_row_has_a_line_in_the_table_and_a_name_of_its_own() {
    let rows: Vec<_> = CAUSES.iter().map(|cause| cause.name).collect();
    let tested: BTreeSet<_> = TABLE.iter().flat_map(|(_, causes, _)| causes.iter().copied()).collect();
    assert_eq!(rows.iter().copied().collect::<BTreeSet<_>>(), tested);
    assert_eq!(rows.len(), tested.len());
}

#[test]
fn the_worst_comes_first_and_each_remedy_once() {
    let mut seen = well();
    seen.restart_needed = true;
    seen.steps.extend(["a/b", "c/d"].map(|id| step(id, Outcome::Pending)));
    let findings = diagnose(&seen);
    assert_eq!(findings.iter().map(|finding| finding.name).collect::<Vec<_>>(), ["drift", "machine/restart"]);
    assert_eq!((findings[0].seen.len(), findings[0].remedies.len()), (2, 1));
}
