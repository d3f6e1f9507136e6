//! THE table of known causes: what was seen of each, what it is in plain words, what to do. A new cause is a row here and a line in its tests.

use super::{Cause, Grade, Seen, Sign};
use crate::mail;
use crate::report::Outcome;

#[cfg(test)]
mod tests;

use Grade::{Note, Unknown, Wrong};

const GIB: u64 = 1 << 30;
const DAY: i64 = 86_400;

macro_rules! cause {
    ($name:literal, $grade:ident, $says:literal, $signs:expr, $remedy:literal) => {
        Cause { name: $name, grade: $grade, says: $says, signs: $signs, remedy: $remedy }
    };
}

/// Every cause that is known.
#[rustfmt::skip]
pub static CAUSES: &[Cause] = &[
    cause!("machine/records", Wrong, "the machine, or what is recorded about it, cannot be read as it should",
        |s| s.troubles.iter().map(|(what, remedy)| Sign { what: what.clone(), remedy: remedy.clone() }).collect(),
        "look at the reason; sudo tootstrap install repairs what can be repaired"),
    cause!("machine/read-only", Wrong, "a disk can only be read: the kernel does that when it finds errors on it",
        |s| all(&s.read_only),
        "look for disk errors (sudo dmesg | grep -i error), take a backup, restart the machine so that the disk is checked"),
    cause!("disk/full", Wrong, "the disk is full or nearly so; a database that cannot write stops",
        |s| disks(s, |free, total| free < GIB || free < total / 20),
        "make room: sudo docker image prune --all --force; sudo tootstrap tootctl media remove --days 3; sudo journalctl --vacuum-size=200M; or take a larger disk"),
    cause!("disk/filling", Note, "the disk is more than four fifths full",
        |s| disks(s, |free, total| free < total / 5 && !(free < GIB || free < total / 20)),
        "what takes the space? sudo tootstrap tootctl media usage; sudo docker system df"),
    cause!("disk/files", Wrong, "no more files can be made, although there may be room (inodes)",
        |s| s.disks.iter().filter(|d| d.space.files > 0 && d.space.files_free < d.space.files / 20)
            .map(|d| format!("{}: {} of {} files left", d.path, d.space.files_free, d.space.files).into()).collect(),
        "remove what made so many small files: sudo tootstrap tootctl media remove --days 3; sudo docker system prune --force"),
    cause!("memory/short", Wrong, "memory is used up, so everything is slow or gets killed",
        memory_short,
        "take a plan with more memory (2 GB is comfortable); sudo tootstrap install then fits everything to it"),
    cause!("memory/killed", Wrong, "the kernel has killed programs for want of memory since yesterday",
        |s| all(&s.killed),
        "take a plan with more memory; until then sudo tootstrap install makes sure that there is swap"),
    cause!("clock/wrong", Wrong, "the clock is wrong: certificates, two-factor codes and other servers' signatures fail then",
        clock_wrong,
        "sudo timedatectl set-ntp true (and apt-get install systemd-timesyncd if that is missing)"),
    cause!("clock/adrift", Note, "nothing keeps the clock right",
        |s| if s.clock.synchronized == Some(false) { vec!["the system says: NTP not synchronized".into()] } else { vec![] },
        "sudo timedatectl set-ntp true (in a container the host keeps the clock)"),
    cause!("names/resolver", Wrong, "this machine cannot look up names, so it reaches nobody by name",
        |s| s.resolver.iter().map(|why| why.as_str().into()).collect(),
        "look at the name servers in /etc/resolv.conf; your host's support knows the right ones"),
    cause!("names/dns", Wrong, "the site's name does not lead to this machine",
        |s| steps(s, |id| id.starts_with("dns/")),
        "sudo tootstrap install makes or names the records that are needed"),
    cause!("certificate/firewall", Wrong, "Let's Encrypt cannot connect to this machine: probably a firewall in front of it",
        |s| if s.shut.is_empty() { authority(s, "certificate/firewall") } else { vec![] },
        "let TCP 80 and 443 (and UDP 443) in at your host: on Linode in Cloud Manager, Firewalls; then: sudo tootstrap install"),
    cause!("certificate/dns", Wrong, "Let's Encrypt does not find the site's name",
        |s| authority(s, "certificate/dns"),
        "wait until the DNS records are known everywhere (up to an hour after a change); then: sudo tootstrap install"),
    cause!("certificate/caa", Wrong, "a CAA record of the domain forbids Let's Encrypt to issue certificates",
        |s| authority(s, "certificate/caa"),
        "where the domain's DNS is managed, remove the CAA record or add: 0 issue \"letsencrypt.org\""),
    cause!("certificate/elsewhere", Wrong, "another machine answers for the site's name when Let's Encrypt asks",
        |s| authority(s, "certificate/elsewhere"),
        "remove DNS records that lead elsewhere (an old AAAA record, a proxy such as Cloudflare in front); then: sudo tootstrap install"),
    cause!("certificate/limit", Wrong, "Let's Encrypt has been asked too often and answers no more for some time",
        |s| authority(s, "certificate/limit"),
        "wait: the message says until when; Caddy then gets the certificate by itself"),
    cause!("certificate/missing", Wrong, "the site has no certificate that browsers trust",
        |s| if refusal(s).is_some() || !s.shut.is_empty() { vec![] } else { without_certificate(s) },
        "sudo tootstrap logs --since 1h caddy"),
    cause!("certificate/ending", Wrong, "the certificate ends soon and was not renewed",
        |s| s.tls.until.filter(|until| until.as_second() - s.at.as_second() < 7 * DAY).map(|until| format!("it ends at {until:.0}").into()).into_iter().collect(),
        "see why: sudo tootstrap logs --since 24h caddy; ports 80 and 443 must be open from outside"),
    cause!("proxy/wrong", Wrong, "the web server in front of Mastodon does not pass everything on",
        |s| if down(s, &["web", "streaming", "db", "redis"]) { vec![] } else { steps(s, |id| id == "edge/proxy") },
        "compare its configuration with those in /opt/mastodon/proxy; then: sudo tootstrap install"),
    cause!("ports/taken", Wrong, "another program has the ports of the web",
        |s| steps(s, |id| id == "edge/ports"),
        "stop that program for good; then: sudo tootstrap install"),
    cause!("firewall/here", Wrong, "the firewall of this machine is not as it should be",
        |s| steps(s, |id| id == "firewall/ufw"),
        "sudo tootstrap install"),
    cause!("firewall/closed", Wrong, "the firewall of this machine does not let the world in on the ports of the web",
        firewall_closed,
        "sudo ufw allow 80/tcp; sudo ufw allow 443/tcp; sudo ufw allow 443/udp; then: sudo tootstrap install"),
    cause!("firewall/zones", Wrong, "firewalld keeps containers apart: a network of theirs is in none of its zones",
        |s| s.in_no_zone.iter().map(|bridge| Sign {
            what: format!("{bridge} is in no zone, so what goes over it is rejected (\"No route to host\")"),
            remedy: Some(format!("sudo firewall-cmd --zone=docker --add-interface={bridge}; then the same with --permanent")),
        }).collect(),
        "put the networks of the containers into firewalld's zone docker"),
    cause!("docker/down", Wrong, "Docker does not work, and everything of Mastodon's runs in it",
        |s| steps(s, |id| id == "docker/ready"),
        "sudo systemctl restart docker; if that fails: sudo journalctl --unit docker --lines 50"),
    cause!("docker/image", Wrong, "an image is another one than was recorded",
        |s| steps(s, |id| id == "docker/images"),
        "sudo tootstrap status names both"),
    cause!("docker/published", Note, "a container can be reached from everywhere: Docker lets it past the firewall",
        |s| all(&s.published),
        "if it need not be, publish it on 127.0.0.1 only (ports: [\"127.0.0.1:...\"])"),
    cause!("container/memory", Wrong, "a container was killed because it used more memory than it may",
        |s| containers(s, |_, c| c.out_of_memory, |c| format!("its limit is {} MB", c.memory_limit >> 20)),
        "take a plan with more memory, then: sudo tootstrap install; a higher limit alone: mem_limit in /opt/mastodon/compose.override.yaml"),
    cause!("container/loop", Wrong, "a container ends and is started again and again",
        |s| containers(s, |service, c| is_cause(s, service) && !c.out_of_memory && (c.state == "restarting" || (c.restarts >= 3 && c.age.is_some_and(|age| age < 600))),
            |c| format!("{} restarts, the last exit status was {}", c.restarts, c.exit_code)),
        "the last lines of its log say why; sudo tootstrap logs SERVICE shows more"),
    cause!("container/stopped", Wrong, "a container does not run",
        |s| containers(s, |_, c| matches!(c.state.as_str(), "exited" | "dead" | "created"), |c| format!("{}, exit status {}", c.state, c.exit_code)),
        "sudo tootstrap install starts it; sudo tootstrap logs SERVICE says why it ended"),
    cause!("container/paused", Wrong, "a container is paused: it is there, but does nothing",
        |s| containers(s, |_, c| c.state == "paused", |_| "paused, as with: docker pause".into()),
        "sudo tootstrap install lets it go on"),
    cause!("container/missing", Wrong, "a container is not there",
        |s| missing(s).map(|service| format!("there is no container of {service}").into()).collect(),
        "sudo tootstrap install makes it"),
    cause!("container/unhealthy", Wrong, "a container runs but does not do its work",
        |s| containers(s, |service, c| is_cause(s, service) && c.state == "running" && c.health == "unhealthy", |_| "its health check fails".into()),
        "the last lines of its log say why; sudo tootstrap install restarts it"),
    cause!("database/space", Wrong, "a program had no room left to write",
        |s| [s.said("db", NO_SPACE), s.said("redis", NO_SPACE), s.said("web", NO_SPACE), s.said("sidekiq", NO_SPACE)].concat().into_iter().map(Sign::from).collect(),
        "make room on the disk, then: sudo tootstrap install"),
    cause!("database/version", Wrong, "the database was made by another version of PostgreSQL",
        |s| said(s, "db", &["database files are incompatible with server"]),
        "put the former image back: sudo tootstrap set images.postgres postgres:17-alpine"),
    cause!("database/damaged", Wrong, "the database's files are damaged",
        |s| said(s, "db", &["invalid page in block", "could not read block", "PANIC:"]),
        "stop writing (sudo docker compose --project-directory /opt/mastodon stop), copy /opt/mastodon, restore the last backup"),
    cause!("database/password", Wrong, "the database refuses Mastodon's password",
        |s| said(s, "db", &["password authentication failed for user \"mastodon\""]),
        "sudo tootstrap install writes the files with the recorded password again"),
    cause!("database/crowded", Wrong, "the database takes no more connections",
        |s| said(s, "db", &["too many clients already", "remaining connection slots are reserved"]),
        "sudo tootstrap install fits connections to the machine; processes of yours in compose.override.yaml need fewer"),
    cause!("redis/full", Wrong, "Redis has used up its memory and refuses to write",
        |s| [s.said("sidekiq", REDIS_FULL), s.said("web", REDIS_FULL)].concat().into_iter().map(Sign::from).collect(),
        "is Sidekiq working? sudo tootstrap logs sidekiq; a plan with more memory and sudo tootstrap install give Redis more"),
    cause!("mail/login", Wrong, "the mail relay refuses the login",
        |s| said(s, "sidekiq", &["SMTPAuthenticationError", "535 "]),
        "give the right ones: sudo tootstrap mail set"),
    cause!("mail/tls", Wrong, "the mail relay and this server do not agree on encryption: the port is the wrong one",
        |s| said(s, "sidekiq", &["wrong version number", "SMTPUnsupportedCommand (STARTTLS"]),
        "465 means TLS from the start, every other port STARTTLS: sudo tootstrap mail set finds the port"),
    cause!("mail/sender", Wrong, "the mail relay refuses the sender's address",
        |s| said(s, "sidekiq", &["Sender address rejected", "sender not verified", "Sender identity", "550 5.7.1"]),
        "make the sender known to the relay, or set one that is: sudo tootstrap mail set --from ADDRESS"),
    cause!("mail/blocked", Wrong, "the mail relay cannot be reached on its port: it is closed there, or blocked on the way (many hosts do that)",
        mail_blocked,
        "give another port, or another relay: sudo tootstrap mail set --server NAME --port PORT; or ask your host to open it"),
    cause!("mail/ports", Note, "ports for sending mail are blocked on the way out",
        mail_ports,
        "choose a port that is open for the relay"),
    cause!("mail/none", Note, "no mail is sent: nobody can confirm an address or reset a password",
        |s| if s.site.is_some() && s.mail.relay.is_none() { vec!["no mail relay is set".into()] } else { vec![] },
        "sudo tootstrap mail set"),
    cause!("media/not-writable", Wrong, "Mastodon cannot write into its directory of media, so uploads fail",
        |s| all(&s.not_writable),
        "sudo chown -R 991:991 /opt/mastodon/public/system"),
    cause!("web/silent", Wrong, "Mastodon does not answer on this machine",
        |s| if down(s, &["web", "caddy", "db", "redis"]) { vec![] } else { wrong_answer(s, s.web.here.as_ref()) },
        "sudo tootstrap logs web caddy; sudo tootstrap install repairs what differs"),
    cause!("web/streaming", Wrong, "live updates do not work",
        |s| if down(s, &["streaming", "caddy", "db", "redis"]) { vec![] } else { wrong_answer(s, s.web.streaming.as_ref()) },
        "sudo tootstrap logs streaming"),
    cause!("outside/closed", Wrong, "the site answers on this machine but not at its public name",
        outside_closed,
        "let TCP 80 and 443 in, in every firewall and router in front of this machine"),
    cause!("outside/unknown", Unknown, "whether visitors get through a firewall in front of this machine cannot be seen from here",
        outside_unknown,
        "try from another machine: curl -I https://SITE (on Linode, Cloud Manager, Firewalls shows what is let in)"),
    cause!("run/failed", Note, "the last run of tootstrap did not do everything",
        |s| s.last_run.iter().filter_map(|step| sign(&step.id, &step.outcome)).collect(),
        "sudo tootstrap install goes on"),
    cause!("drift", Wrong, "the machine is not as it is recorded",
        |s| steps(s, |id| !(EXPLAINED.iter().any(|prefix| id.starts_with(prefix)) || CONTAINERS.iter().any(|(step, of)| *step == id && down(s, of)))),
        "sudo tootstrap plan shows what differs, sudo tootstrap install repairs it"),
    cause!("version/newer", Note, "there is a newer Mastodon",
        |s| s.newer.iter().map(|version| version.as_str().into()).collect(),
        "read its release notes and take a backup; then: sudo tootstrap set images.mastodon_version VERSION"),
    cause!("machine/restart", Note, "upgrades take effect only after a restart",
        |s| if s.restart_needed { vec!["/run/reboot-required is there".into()] } else { vec![] },
        "sudo reboot (Mastodon comes up by itself)"),
    cause!("machine/remarks", Note, "about this machine",
        |s| all(&s.notes),
        "nothing has to be done now"),
];

/// Steps that have rows of their own.
const EXPLAINED: [&str; 7] = ["dns/", "edge/certificate", "edge/proxy", "edge/ports", "firewall/ufw", "docker/ready", "docker/images"];
/// Steps that differ if one of these containers is in trouble, which has a row of its own.
const CONTAINERS: [(&str, &[&str]); 6] = [
    ("app/stores", STORES),
    ("app/database", &["db"]),
    ("app/owner", &["db"]),
    ("app/services", WITHOUT_CADDY),
    ("edge/caddy", &["caddy"]),
    ("edge/loaded", &["caddy"]),
];
const SERVICES: [&str; 6] = ["db", "redis", "web", "streaming", "sidekiq", "caddy"];
const STORES: &[&str] = &["db", "redis"];
const WITHOUT_CADDY: &[&str] = &["db", "redis", "web", "streaming", "sidekiq"];
/// What the certificate authority says, by the row that it belongs to; the first that fits counts. Whoever could not connect says so with
/// `unauthorized` too.
const REFUSALS: [(&str, &[&str]); 5] = [
    ("certificate/limit", &["rateLimited", "too many"]),
    ("certificate/dns", &["error:dns", "NXDOMAIN"]),
    ("certificate/caa", &["error:caa", "CAA record"]),
    ("certificate/firewall", &["error:connection", "Failed to connect", "Connection refused", "Timeout", "timed out", "i/o timeout"]),
    ("certificate/elsewhere", &["error:unauthorized", "Invalid response from"]),
];
/// What is said where no connection over TLS comes about.
const HANDSHAKE: [&str; 3] = ["fatal alert", "certificate", "handshake"];
const NO_SPACE: &[&str] = &["No space left on device", "ENOSPC"];
const REDIS_FULL: &[&str] = &["OOM command not allowed"];

fn all(lines: &[String]) -> Vec<Sign> {
    lines.iter().map(|line| line.as_str().into()).collect()
}

fn said(seen: &Seen, service: &str, parts: &[&str]) -> Vec<Sign> {
    seen.said(service, parts).into_iter().map(Sign::from).collect()
}

fn disks(seen: &Seen, is_so: fn(u64, u64) -> bool) -> Vec<Sign> {
    let is_so = |disk: &&super::Disk| disk.space.total > 0 && is_so(disk.space.free, disk.space.total);
    let mb = |bytes: u64| bytes >> 20;
    let line = |disk: &super::Disk| format!("{}: {} MB of {} MB are free", disk.path, mb(disk.space.free), mb(disk.space.total)).into();
    seen.disks.iter().filter(is_so).map(line).collect()
}

fn memory_short(seen: &Seen) -> Vec<Sign> {
    let value = |name: &str| seen.memory.get(name).copied().unwrap_or_default();
    let (total, available, swap, free) = (value("MemTotal"), value("MemAvailable"), value("SwapTotal"), value("SwapFree"));
    if total == 0 || available >= total / 20 || (swap > 0 && free >= swap / 10) {
        return Vec::new();
    }
    vec![format!("{} of {} MB memory and {} of {} MB swap are free", available >> 20, total >> 20, free >> 20, swap >> 20).into()]
}

fn clock_wrong(seen: &Seen) -> Vec<Sign> {
    let Some(fast) = seen.clock.fast.filter(|fast| fast.abs() > 60) else { return Vec::new() };
    let how = if fast > 0 { "ahead" } else { "behind" };
    vec![format!("it is {} s {how}, compared with {}", fast.abs(), seen.clock.against).into()]
}

/// Steps of these ids that are not as wanted.
fn steps(seen: &Seen, of: impl Fn(&str) -> bool) -> Vec<Sign> {
    seen.steps.iter().filter(|step| of(&step.id)).filter_map(|step| sign(&step.id, &step.outcome)).collect()
}

/// What an outcome says of the machine. What only follows from another step says nothing.
fn sign(id: &str, outcome: &Outcome) -> Option<Sign> {
    match outcome {
        Outcome::Pending => Some(format!("{id} differs").into()),
        Outcome::Waiting { what, remedy } => Some(Sign { what: format!("waiting for {what}"), remedy: Some(remedy.clone()) }),
        Outcome::Failed { why, remedy } => Some(Sign { what: format!("{id}: {why}"), remedy: remedy.clone() }),
        Outcome::Unchanged | Outcome::Changed | Outcome::Unknown { .. } | Outcome::Blocked { .. } | Outcome::Stopped => None,
    }
}

/// How the certificate is missing. Without Caddy nobody can serve it, which is no fault of the certificate's.
fn without_certificate(seen: &Seen) -> Vec<Sign> {
    if down(seen, &["caddy"]) { Vec::new() } else { steps(seen, |id| id == "edge/certificate") }
}

/// The newest error of the certificate authority that a row knows, with that row. With a good certificate old errors mean nothing.
fn refusal(seen: &Seen) -> Option<(&'static str, &str)> {
    if seen.step("edge/certificate").is_none_or(|outcome| *outcome == Outcome::Unchanged) || down(seen, &["caddy"]) {
        return None;
    }
    let row = |line: &str| REFUSALS.iter().find(|(_, parts)| parts.iter().any(|part| line.contains(part))).map(|(row, _)| *row);
    seen.authority.iter().find_map(|line| Some((row(line)?, line.as_str())))
}

fn authority(seen: &Seen, of: &str) -> Vec<Sign> {
    refusal(seen).filter(|(row, _)| *row == of).map(|(_, line)| line.into()).into_iter().collect()
}

/// What the step of the firewall does not say already.
fn firewall_closed(seen: &Seen) -> Vec<Sign> {
    if !steps(seen, |id| id == "firewall/ufw").is_empty() {
        return Vec::new();
    }
    let sign = |shut: &super::Shut| match &shut.rule {
        None => format!("{}: ufw is in force, and no rule lets everybody in", shut.port).into(),
        Some(rule) => Sign {
            what: format!("{}: ufw has the rule `{rule}`", shut.port),
            remedy: Some(format!(
                "if the rule is not wanted: sudo ufw delete {rule}; sudo ufw allow {}; then: sudo tootstrap install",
                shut.port
            )),
        },
    };
    seen.shut.iter().map(sign).collect()
}

/// Services without a container, on a machine where there are others.
fn missing(seen: &Seen) -> impl Iterator<Item = &'static str> {
    let is_installed = seen.site.is_some() && !seen.containers.is_empty();
    let is_missing = move |service: &&str| !(seen.containers.contains_key(*service) || *service == "caddy" && seen.behind_proxy);
    SERVICES.into_iter().filter(move |_| is_installed).filter(is_missing)
}

/// Whether its trouble does not only follow from that of a store.
fn is_cause(seen: &Seen, service: &str) -> bool {
    STORES.contains(&service) || service == "caddy" || !down(seen, STORES)
}

/// Containers of which this is so, with the end of their logs.
fn containers(seen: &Seen, is_so: impl Fn(&str, &super::Container) -> bool, how: fn(&super::Container) -> String) -> Vec<Sign> {
    const LINES: usize = 4;
    let mut signs = Vec::new();
    for (service, container) in seen.containers.iter().filter(|(service, container)| is_so(service, container)) {
        signs.push(format!("{service}: {}", how(container)).into());
        let log = seen.logs.get(service).map(Vec::as_slice).unwrap_or_default();
        signs.extend(log[log.len().saturating_sub(LINES)..].iter().map(|line| Sign::from(format!("{service} | {line}"))));
    }
    signs
}

/// Whether a container of these does not do its work, which explains what else is seen.
fn down(seen: &Seen, services: &[&str]) -> bool {
    let in_trouble = |container: &super::Container| container.state != "running" || container.health == "unhealthy";
    missing(seen).any(|service| services.contains(&service))
        || services.iter().any(|service| seen.containers.get(*service).is_some_and(in_trouble))
}

fn mail_ports(seen: &Seen) -> Vec<Sign> {
    let ports = &seen.mail.ports;
    if seen.mail.relay.is_some() || ports.values().all(|open| *open) {
        return Vec::new();
    }
    let hosts = seen.mail.hosts.join(" and ");
    if ports.values().any(|open| *open) {
        return vec![format!("at {hosts} open: {}; closed: {}", mail::open(ports), mail::closed(ports)).into()];
    }
    vec![Sign {
        what: format!("no relay that was asked ({hosts}) answers on any port: {}", mail::closed(ports)),
        remedy: Some("ask your host to open one, 587 say; or look at a firewall on this machine that lets nothing out".into()),
    }]
}

fn mail_blocked(seen: &Seen) -> Vec<Sign> {
    let Some((server, port)) = &seen.mail.relay else { return Vec::new() };
    if seen.mail.ports.get(port) != Some(&false) {
        return Vec::new();
    }
    let other = mail::PORTS.iter().find(|other| seen.mail.ports.get(other) == Some(&true));
    vec![Sign {
        what: format!("{server} does not accept connections on {port}; open: {}", mail::open(&seen.mail.ports)),
        remedy: other.map(|other| format!("sudo tootstrap mail set --server {server} --port {other}")),
    }]
}

/// Where there is no certificate, everything that is asked over TLS only repeats that.
fn wrong_answer(seen: &Seen, answer: Option<&Result<u16, String>>) -> Vec<Sign> {
    let repeats = |why: &str| HANDSHAKE.iter().any(|part| why.contains(part)) && !without_certificate(seen).is_empty();
    match answer {
        None | Some(Ok(200)) => Vec::new(),
        Some(Err(why)) if repeats(why) => Vec::new(),
        Some(Ok(status)) => vec![format!("the answer has status {status}").into()],
        Some(Err(why)) => vec![why.as_str().into()],
    }
}

fn outside_closed(seen: &Seen) -> Vec<Sign> {
    match (&seen.web.public, &seen.web.here) {
        (Some(Err(why)), Some(Ok(200))) if !seen.web.own_address && seen.shut.is_empty() => vec![why.as_str().into()],
        _ => Vec::new(),
    }
}

fn outside_unknown(seen: &Seen) -> Vec<Sign> {
    if !seen.web.own_address || seen.site.is_none() {
        return Vec::new();
    }
    let last = seen.tls.from.map_or("no certificate shows that somebody got in".to_owned(), |from| {
        format!("last known: Let's Encrypt got in when it issued the certificate, {from:.0}")
    });
    vec![last.into()]
}
