//! Compose on the project in /opt/mastodon.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::super::{Cmd, Machine, Reply};
use super::{SERVICES, caddy, mastodon, redis};
use crate::resource::stamp::hex;

/// `docker compose --project-directory /opt/mastodon`, and what follows.
pub(super) fn program(machine: &mut Machine, cmd: &Cmd, words: &[&str]) -> Option<Reply> {
    if machine.text("/opt/mastodon/compose.override.yaml").contains("broken") {
        return Some(Reply::read("").status(15, "yaml: line 1: did not find expected key"));
    }
    let project = Path::new("/opt/mastodon");
    for file in ["env.production", "secrets.env"] {
        if machine.text(project.join("compose.yaml")).contains(file) && machine.file(&project.join(file)).is_none() {
            return Some(Reply::read("").status(1, format!("env file /opt/mastodon/{file} not found")));
        }
    }
    match words {
        ["config", "--hash", "*"] => {
            machine.docker.config_asked += 1;
            let print = |service: &str| {
                let hash = machine.hash(service);
                let hash = if machine.docker.prints_other_hashes {
                    format!("other-{}", hex(&Sha256::digest(machine.text("/opt/mastodon/compose.yaml"))))
                } else {
                    hash
                };
                format!("{service} {hash}\n")
            };
            Some(Reply::read(SERVICES.map(print).concat()))
        }
        ["up", "--detach", "--no-deps", "--wait", "--wait-timeout", _, services @ ..] => Some(wait(machine, services)),
        ["up", "--detach", "--no-deps", services @ ..] => Some(match services.iter().find(|service| is_paused(machine, service)) {
            Some(_) => Reply::changed("").status(1, "Error response from daemon: cannot start a paused container, try unpause instead"),
            None => up(machine, services),
        }),
        ["restart", services @ ..] => {
            for service in services {
                machine.docker.containers.get_mut(*service)?.health = "(healthy)";
            }
            Some(Reply::changed(""))
        }
        ["unpause", services @ ..] => {
            for service in services {
                let container = machine.docker.containers.get_mut(*service)?;
                if container.state != "paused" {
                    return Some(Reply::changed("").status(1, format!("Container mastodon-{service}-1 is not paused")));
                }
                container.state = "running";
            }
            Some(Reply::changed(""))
        }
        ["rm", "--stop", "--force", service] => {
            machine.docker.containers.remove(*service);
            Some(Reply::changed(""))
        }
        ["down"] => {
            machine.docker.containers.clear();
            machine.docker.networks.retain(|network| !network.starts_with("mastodon_"));
            Some(Reply::changed(""))
        }
        ["stop", services @ ..] => {
            for service in services {
                if let Some(container) = machine.docker.containers.get_mut(*service) {
                    container.state = "exited";
                }
            }
            Some(Reply::changed(""))
        }
        ["logs", "--no-color", "--tail", "20", services @ ..] => {
            let torn = machine.docker.unreadable > 0;
            let last = |service: &&str| match *service {
                "redis" if torn => redis::TORN.to_owned(),
                service => format!("{service}-1  | the last line of {service}\n"),
            };
            Some(Reply::read(services.iter().map(last).collect::<String>()))
        }
        ["logs", "--no-color", "--no-log-prefix", "--since", _, "sidekiq"] => Some(Reply::read(machine.docker.sidekiq_log.clone())),
        ["exec", "-T", service, ..] if *service != "-e" && !machine.service_runs(service) => Some(not_running(service)),
        ["exec", "-T", "-e", _, "web", "tootctl", words @ ..] => {
            Some(if machine.service_runs("web") { mastodon::tootctl(machine, words)? } else { not_running("web") })
        }
        ["exec", "-T", "-e", _, "web", "bundle", "exec", "rails", "runner", "-"] => {
            Some(if machine.service_runs("web") { mastodon::test_message(machine, cmd)? } else { not_running("web") })
        }
        ["run", "--rm", "-T", "--no-deps", "--entrypoint", "redis-check-aof", "redis", options @ ..] => redis::check(machine, cmd, options),
        ["run", "--rm", "-T", "--no-deps", words @ ..] => mastodon::run(machine, cmd, words),
        _ => None,
    }
}

fn not_running(service: &str) -> Reply {
    Reply::read("").status(1, format!("service \"{service}\" is not running"))
}

fn is_paused(machine: &Machine, service: &str) -> bool {
    machine.docker.containers.get(service).is_some_and(|container| container.state == "paused")
}

fn up(machine: &mut Machine, services: &[&str]) -> Reply {
    for service in services {
        machine.start_service(service);
    }
    if services.contains(&"caddy") {
        caddy::obtain(machine);
    }
    Reply::changed("")
}

fn wait(machine: &mut Machine, services: &[&str]) -> Reply {
    match services.iter().find(|service| machine.is_ill(service)) {
        Some(service) => Reply::changed("").status(1, format!("container mastodon-{service}-1 is unhealthy")),
        None => Reply::changed(""),
    }
}
