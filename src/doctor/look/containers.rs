//! Containers: how they are, what they say.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::Value;

use super::super::{Container, Seen};
use super::{LIMIT, ask, text};
use crate::host::{Cmd, Probe};
use crate::resource::docker::BRIDGE;

/// What each line of `docker inspect` tells.
const COLUMNS: &str = concat!(
    r#"{{index .Config.Labels "com.docker.compose.service"}}	{{.State.Status}}	{{.State.ExitCode}}	{{.State.OOMKilled}}	"#,
    "{{.RestartCount}}	{{.State.StartedAt}}	{{if .State.Health}}{{.State.Health.Status}}{{end}}	{{.HostConfig.Memory}}	{{.Id}}"
);
/// Errors of Let's Encrypt count for so long: Caddy asks again at least that often.
const AUTHORITY: i64 = 6 * 3600;
/// Errors in the other logs count for so long, seconds.
const RECENT: i64 = 1800;
/// Of a container that is in trouble at least so many lines count, however old.
const LAST: usize = 20;

/// What was seen of containers.
#[derive(Default)]
pub(super) struct Containers {
    by_service: BTreeMap<String, Container>,
    published: Vec<String>,
    in_no_zone: Vec<String>,
    logs: BTreeMap<String, Vec<String>>,
    authority: Vec<String>,
}

impl Containers {
    pub(super) fn into_seen(self, seen: &mut Seen) {
        (seen.containers, seen.published, seen.in_no_zone) = (self.by_service, self.published, self.in_no_zone);
        (seen.logs, seen.authority) = (self.logs, self.authority);
    }
}

/// One line of a log.
type Line = (Timestamp, String);

pub(super) async fn look(host: &dyn Probe, at: Timestamp) -> Containers {
    let ps = || Cmd::new("docker").arg("ps");
    let filters = ["label=com.docker.compose.project=mastodon", "label=com.docker.compose.oneoff=False"];
    let ids = filters.iter().fold(ps().args(["--all", "--quiet", "--no-trunc"]), |ps, filter| ps.args(["--filter", filter]));
    let ids = ask(host, ids).await.unwrap_or_default();
    let published = ask(host, ps().args(["--format", "{{.Names}}\t{{.Ports}}"])).await.unwrap_or_default();
    let published = published.lines().filter_map(for_everybody).collect();
    let mut seen = Containers { published, in_no_zone: in_no_zone(host).await, ..Containers::default() };
    let ids: Vec<_> = ids.split_whitespace().collect();
    if ids.is_empty() {
        return seen;
    }
    let inspected = ask(host, Cmd::new("docker").args(["inspect", "--format", COLUMNS]).args(ids)).await.unwrap_or_default();
    let found = join_all(inspected.lines().filter_map(|line| parse(line, at)).map(|(service, container, id)| async move {
        let killed = container.out_of_memory || killed_inside(host, &id).await;
        (service, Container { out_of_memory: killed, ..container }, log(host, &id).await)
    }));
    for (service, container, lines) in found.await {
        if service == "caddy" {
            seen.authority = authority(&lines, at);
        }
        seen.logs.insert(service.clone(), recent(lines, at, &container));
        seen.by_service.insert(service, container);
    }
    seen
}

/// Bridges of our networks that firewalld rejects the packets of: Docker 20.10 puts those of internal networks in no zone
/// (docker/for-linux#1353).
async fn in_no_zone(host: &dyn Probe) -> Vec<String> {
    if host.which("firewall-cmd").await.is_none() {
        return Vec::new();
    }
    let ours = ["network", "ls", "--filter", "label=com.docker.compose.project=mastodon", "--format", "{{.ID}}\t{{.Name}}"];
    let networks = ask(host, Cmd::new("docker").args(ours)).await.unwrap_or_default();
    let mut outside = Vec::new();
    for (id, name) in networks.lines().filter_map(|line| line.split_once('\t')) {
        let bridge = if name.ends_with("_outside") { BRIDGE.to_owned() } else { format!("br-{id}") };
        let zone = Cmd::new("firewall-cmd").arg(format!("--get-zone-of-interface={bridge}")).timeout(LIMIT);
        match host.query(&zone).await {
            Ok(told) if told.status == 2 && (told.stdout.contains("no zone") || told.stderr.contains("no zone")) => outside.push(bridge),
            Ok(_) => {}
            Err(error) => log::info!("a look was not possible: {error}"),
        }
    }
    outside
}

fn parse(line: &str, at: Timestamp) -> Option<(String, Container, String)> {
    let [service, state, code, killed, restarts, started, health, limit, id] = line.split('\t').collect::<Vec<_>>()[..] else {
        return None;
    };
    let container = Container {
        state: state.into(),
        exit_code: code.parse().ok()?,
        out_of_memory: killed == "true",
        restarts: restarts.parse().ok()?,
        age: started.parse::<Timestamp>().ok().map(|started| at.as_second() - started.as_second()),
        health: health.into(),
        memory_limit: limit.parse().ok()?,
    };
    Some((service.into(), container, id.into()))
}

/// Docker tells only of a container's first process; its cgroup counts the others too.
async fn killed_inside(host: &dyn Probe, id: &str) -> bool {
    for path in
        [format!("/sys/fs/cgroup/system.slice/docker-{id}.scope/memory.events"), format!("/sys/fs/cgroup/docker/{id}/memory.events")]
    {
        let events = text(host, &path).await;
        if events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|number| number.trim() != "0")) {
            return true;
        }
    }
    false
}

/// `name<TAB>ports` of a container that is not ours alone: Docker's rules stand before the firewall's.
fn for_everybody(line: &str) -> Option<String> {
    let (name, ports) = line.split_once('\t')?;
    let ports: Vec<_> =
        ports.split(", ").filter(|port| port.starts_with("0.0.0.0:") || port.starts_with("[::]:") || port.starts_with(":::")).collect();
    (!ports.is_empty()).then(|| format!("{} of container {name}", ports.join(", ")))
}

/// The last lines of both streams in their order.
async fn log(host: &dyn Probe, id: &str) -> Vec<Line> {
    let logs = Cmd::new("docker").args(["logs", "--timestamps", "--tail", "300", id]).timeout(LIMIT);
    let Ok(output) = host.query(&logs).await else { return Vec::new() };
    let line = |line: &str| {
        let (at, text) = line.split_once(' ')?;
        Some((at.parse().ok()?, text.trim_end().to_owned()))
    };
    let mut lines: Vec<Line> = output.stdout.lines().chain(output.stderr.lines()).filter_map(line).collect();
    lines.sort_by_key(|(at, _)| *at);
    lines
}

fn recent(lines: Vec<Line>, at: Timestamp, container: &Container) -> Vec<String> {
    let fine = container.state == "running" && container.health != "unhealthy";
    let old = lines.iter().take_while(|(said, _)| at.as_second() - said.as_second() > RECENT).count();
    let from = if fine { old } else { old.min(lines.len().saturating_sub(LAST)) };
    lines.into_iter().skip(from).map(|(_, text)| text).collect()
}

/// What Let's Encrypt answered when it refused, newest first, each once.
fn authority(lines: &[Line], at: Timestamp) -> Vec<String> {
    let mut refusals = Vec::new();
    let recent = lines.iter().rev().take_while(|(said, _)| at.as_second() - said.as_second() <= AUTHORITY);
    for (_, line) in recent.filter(|(_, line)| line.contains("acme:error")) {
        let refusal = refusal(line);
        if !refusals.contains(&refusal) {
            refusals.push(refusal);
        }
    }
    refusals
}

/// Caddy writes JSON; the answer stands in `problem` or, as text, in `error`.
fn refusal(line: &str) -> String {
    let Ok(json) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let problem = &json["problem"];
    match (text(&problem["type"]), text(&problem["detail"])) {
        (Some(kind), Some(detail)) => format!("{kind}: {detail}"),
        _ => text(&json["error"]).unwrap_or_else(|| line.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2026-11-23T08:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_line_of_inspect() {
        let line = "web\trestarting\t1\tfalse\t7\t2026-11-23T07:59:40.5Z\tunhealthy\t671088640\tabc";
        let (service, container, id) = parse(line, at()).unwrap();
        assert_eq!((service.as_str(), id.as_str(), container.age, container.restarts), ("web", "abc", Some(20), 7));
        assert_eq!(parse("half a line", at()).map(|(service, ..)| service), None);
    }

    #[test]
    fn ports_for_everybody() {
        let told = for_everybody("x\t0.0.0.0:5432->5432/tcp, [::]:5432->5432/tcp, 127.0.0.1:80->80/tcp").unwrap();
        assert_eq!(told, "0.0.0.0:5432->5432/tcp, [::]:5432->5432/tcp of container x");
        assert_eq!(for_everybody("mastodon-web-1\t127.0.0.1:3000->3000/tcp"), None);
    }

    #[test]
    fn old_lines_count_only_where_something_is_wrong() {
        let line = |minutes: i64, text: &str| (Timestamp::from_second(at().as_second() - minutes * 60).unwrap(), text.to_owned());
        let lines = || vec![line(60, "old"), line(1, "new")];
        let container = |health: &str| Container { state: "running".into(), health: health.into(), ..Container::default() };
        assert_eq!(recent(lines(), at(), &container("healthy")), ["new"]);
        assert_eq!(recent(lines(), at(), &container("unhealthy")), ["old", "new"]);
    }

    #[test]
    fn what_lets_encrypt_answered() {
        let problem = r#"{"level":"error","problem":{"type":"urn:ietf:params:acme:error:dns","detail":"NXDOMAIN","subproblems":[]}}"#;
        let error = r#"{"level":"error","error":"HTTP 400 urn:ietf:params:acme:error:connection - Timeout"}"#;
        let line = |hours: i64, text: &str| (Timestamp::from_second(at().as_second() - hours * 3600).unwrap(), text.to_owned());
        let lines = [line(9, "acme:error old"), line(2, problem), line(1, problem), line(1, "something else"), line(0, error)];
        let told = ["HTTP 400 urn:ietf:params:acme:error:connection - Timeout", "urn:ietf:params:acme:error:dns: NXDOMAIN"];
        assert_eq!(authority(&lines, at()), told);
    }
}
