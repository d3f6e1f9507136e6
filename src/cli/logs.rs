//! `tootstrap logs`: what the containers say.

use std::io::IsTerminal;

use clap::Args;

use super::exit::{End, Exit};
use super::prepare;
use crate::host::Cmd;
use crate::host::system::{become_command, hand_on};
use crate::resource::docker::compose;

/// How many lines of each container are shown unless told otherwise.
const LINES: u32 = 100;

/// What Compose 2.26 prints before every line, whatever `--ansi` says (docker/compose#11727): "erase this line". A terminal shows nothing of it.
const NOISE: &[u8] = b"\x1b[2K";

/// Show the logs of the containers
///
/// Services: web (pages and API), sidekiq (background work, mail, other servers), streaming (live updates), caddy (HTTPS), db (PostgreSQL), redis.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap logs                       the last lines of all
  sudo tootstrap logs -f web sidekiq        go on showing what comes
  sudo tootstrap logs --since 1h caddy      of the last hour

tootstrap's own log is /var/log/tootstrap.log.")]
pub(super) struct Logs {
    /// Which services [default: all]
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Go on showing what comes, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only what is younger: 30m, 2h, or a moment such as 2026-11-23T08:00:00
    #[arg(long, value_name = "WHEN", allow_hyphen_values = false)]
    since: Option<String>,
    /// How many lines of each service, or all [default: 100; all with --since]
    #[arg(short = 'n', long, value_name = "N", value_parser = lines)]
    tail: Option<String>,
}

impl Logs {
    pub(super) async fn run(self) -> End<Exit> {
        prepare::installed(&prepare::machine()).await?;
        let command = self.command();
        if std::io::stdout().is_terminal() {
            match become_command(&command)? {}
        }
        let ended = hand_on(&command, NOISE)?;
        Ok(ended.map_or(Exit::Done, |status| status.code().map_or(Exit::Failed, Exit::of_code)))
    }

    fn command(&self) -> Cmd {
        let mut logs = compose().arg("logs");
        if self.follow {
            logs = logs.arg("--follow");
        }
        if let Some(since) = &self.since {
            logs = logs.args(["--since", since]);
        }
        let default = if self.since.is_some() { "all".into() } else { LINES.to_string() };
        logs.arg("--tail").arg(self.tail.clone().unwrap_or(default)).arg("--").args(&self.services)
    }
}

/// A number, or `all`.
fn lines(text: &str) -> Result<String, String> {
    match text {
        "all" => Ok(text.into()),
        _ => text.parse::<u32>().map(|number| number.to_string()).map_err(|_| "is no number; give one, or all".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_those_of_compose() {
        let logs = |services: &[&str], follow, since: Option<&str>, tail: Option<&str>| {
            let services = services.iter().map(ToString::to_string).collect();
            let command = Logs { services, follow, since: since.map(String::from), tail: tail.map(String::from) }.command();
            command.to_string().split_once("/opt/mastodon ").unwrap().1.to_owned()
        };
        assert_eq!(logs(&[], false, None, None), "logs --tail 100 --");
        assert_eq!(logs(&["web", "db"], true, None, Some("5")), "logs --follow --tail 5 -- web db");
        assert_eq!(logs(&[], false, Some("1h"), None), "logs --since 1h --tail all --");
        assert_eq!((lines("all"), lines("07"), lines("x").is_err()), (Ok("all".into()), Ok("7".into()), true));
    }
}
