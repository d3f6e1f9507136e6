//! What runs in containers that run already, and what they have logged.

use super::super::{Cmd, Machine, Reply};
use super::mastodon;

/// `docker exec` and `docker logs`.
pub(super) fn program(machine: &mut Machine, cmd: &Cmd, words: &[&str]) -> Option<Reply> {
    match words {
        ["logs", "--tail", _, "caddy-id"] => Some(Reply::read("").status(0, machine.docker.caddy_log.clone())),
        ["exec", id, "test-of-health"] => {
            let passes = id.strip_suffix("-id").is_some_and(|service| machine.docker.early.contains(service));
            Some(Reply::read("").status(i32::from(!passes), ""))
        }
        ["exec", "--interactive", "db-id", "psql", ..] => Some(mastodon::psql(machine, cmd)),
        ["exec", "db-id", "pg_dump", "--format=custom", "--username", "mastodon", "mastodon"] => Some(mastodon::pg_dump(machine)),
        ["exec", "--interactive", "db-id", "pg_restore", option] => Some(mastodon::pg_restore(machine, cmd, option)),
        _ => None,
    }
}
