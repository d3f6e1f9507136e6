//! A test message through Mastodon itself: Sidekiq sends it, as every other.

use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::assets::TEST_MESSAGE_SCRIPT;
use crate::host::{Cmd, Host, Probe};
use crate::report::{WithRemedy, harmless};
use crate::resource::docker::compose;

/// Begins the line in which the script tells what became of the message.
const MARKER: &str = "tootstrap-mail: ";
/// Ends the values before the script.
const HEREDOC: &str = "END_OF_VALUES";
/// A boot of Rails, and the script's own limit.
const LIMIT: Duration = Duration::from_mins(4);

/// Sidekiq's log of the time that a message takes, as `docker compose logs` wants it.
const SINCE: &str = "5m";

/// What is known of a message's fate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fate")]
pub enum Fate {
    /// The relay took it: Sidekiq's log says that this very job is done, and a delivery that fails is an error of the job.
    #[serde(skip_deserializing)]
    Delivered,
    /// Sidekiq has no such job any more, neither to do nor as failed; that looks the same whether it was done or lost.
    Ended,
    /// Mastodon could not hand it over.
    Failed {
        /// Ruby's class of the error.
        error: String,
        /// Its text: mostly what the relay said.
        message: String,
    },
    /// Sidekiq has not begun with it.
    Queued,
    /// Sidekiq has not ended with it.
    Working,
}

/// What the script tells.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Told {
    /// Sidekiq's name of the job.
    job: String,
    #[serde(flatten)]
    fate: Fate,
}

/// Has Mastodon send a message, and waits until Sidekiq is through with it.
///
/// # Errors
/// Mastodon does not run, or did not tell what became of the message.
pub async fn test_message(host: &dyn Host, site: &str, to: &str) -> anyhow::Result<Fate> {
    let given = serde_json::json!({
        "to": to,
        "subject": format!("Test message from {site}"),
        "body": format!("Mastodon's mail from {site} arrives.\n\nSent by: sudo tootstrap mail test\n"),
    });
    let script = format!("TOOTSTRAP_GIVEN = <<'{HEREDOC}'\n{given}\n{HEREDOC}\n{TEST_MESSAGE_SCRIPT}");
    let rails = compose().args(["exec", "-T", "-e", "RAILS_LOG_LEVEL=error", "web", "bundle", "exec", "rails", "runner", "-"]);
    let rails: Cmd = rails.stdin(script.into()).timeout(LIMIT);
    let output =
        host.run(&rails).await.context("Mastodon could not be asked to send a message").remedy("is it running? sudo tootstrap status")?;
    let Told { job, fate } = told(&output.stdout)?;
    if fate == Fate::Ended && logged_as_done(host.probe(), &job).await? {
        return Ok(Fate::Delivered);
    }
    Ok(fate)
}

fn told(stdout: &str) -> anyhow::Result<Told> {
    let line = stdout.lines().filter_map(|line| line.strip_prefix(MARKER)).next_back();
    let line = line.context("Mastodon did not tell what became of the message").remedy("sudo tootstrap logs web sidekiq")?;
    let told = serde_json::from_str(line).context("Mastodon told what cannot be understood").remedy("sudo tootstrap logs web sidekiq")?;
    let short = |text: String| harmless(&text).split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    Ok(match told {
        Told { job, fate: Fate::Failed { error, message } } => {
            Told { job, fate: Fate::Failed { error: short(error), message: short(message) } }
        }
        other => other,
    })
}

/// Whether Sidekiq has logged the end of this job. It does where `RAILS_LOG_LEVEL` is `info`, the default, or lower.
async fn logged_as_done(probe: &dyn Probe, job: &str) -> anyhow::Result<bool> {
    let logs = compose().args(["logs", "--no-color", "--no-log-prefix", "--since", SINCE, "sidekiq"]);
    let told = probe.query(&logs).await.context("the message may have been sent, but Sidekiq's log could not be read");
    Ok(told.remedy("is it in the mailbox? if not: sudo tootstrap logs sidekiq")?.stdout.lines().any(|line| is_end_of(job, line)))
}

/// As Sidekiq's `JobLogger` and its formatters write it: `INFO … class=… jid=… elapsed=…: done`, up to version 7 with `INFO` before the colon.
fn is_end_of(job: &str, line: &str) -> bool {
    line.split_once(": done").is_some_and(|(context, rest)| {
        rest.trim().is_empty() && context.split_whitespace().any(|word| word.strip_prefix("jid=") == Some(job))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::fake::FakeHost;
    use crate::report::Problem;

    #[test]
    fn what_mastodon_tells_is_understood_or_refused() {
        let told = |text: &str| told(&format!("a log line\n{MARKER}{text}\n"));
        assert_eq!(told("{\"job\":\"1a\",\"fate\":\"queued\"}").unwrap(), Told { job: "1a".into(), fate: Fate::Queued });
        let failed = "{\"job\":\"1a\",\"fate\":\"failed\",\"error\":\"Net::SMTPAuthenticationError\",\"message\":\"535 \\u001b[2Jno\\n\"}";
        let wanted = Fate::Failed { error: "Net::SMTPAuthenticationError".into(), message: "535 no".into() };
        assert_eq!(told(failed).unwrap().fate, wanted);
        for bad in ["", "{}", "{\"fate\":\"queued\"}", "{\"job\":\"1a\",\"fate\":\"failed\"}", "{\"job\":\"1a\",\"fate\":\"delivered\"}"] {
            assert!(Problem::remedy_of(&told(bad).unwrap_err()).is_some(), "{bad}");
        }
        assert!(super::told("nothing").is_err());
    }

    #[tokio::test]
    async fn only_sidekiqs_own_word_is_a_proof() {
        const EIGHT: &str = "INFO  2026-11-23T08:00:00.000Z pid=7 tid=15m class=ActionMailer::MailDeliveryJob jid=1a";
        const SEVEN: &str = "2026-11-23T08:00:00.000Z pid=7 tid=15m class=ActionMailer::MailDeliveryJob jid=1a elapsed=0.8 INFO";
        for (told, log, wanted) in [
            ("ended", format!("{EIGHT}: start\n{EIGHT} elapsed=0.8: done\n"), Fate::Delivered),
            ("ended", format!("{SEVEN}: done\n"), Fate::Delivered),
            ("ended", format!("{EIGHT}: start\n"), Fate::Ended),
            ("ended", format!("{EIGHT} elapsed=0.8: fail\n"), Fate::Ended),
            ("ended", format!("{EIGHT}: done for\n"), Fate::Ended),
            ("ended", format!("{}\n", format!("{SEVEN}: done").replace("1a", "1ab")), Fate::Ended),
            ("ended", String::new(), Fate::Ended),
            ("working", format!("{EIGHT}: start\n"), Fate::Working),
        ] {
            let host = FakeHost::debian();
            host.machine().run_mastodon_containers();
            host.machine().docker.test_message = json!({ "job": "1a", "fate": told });
            host.machine().docker.sidekiq_log = log.clone();
            assert_eq!(test_message(&host, "a.org", "me@b.org").await.unwrap(), wanted, "{told}: {log}");
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_run_is_named() {
        let error = test_message(&FakeHost::debian(), "a.org", "me@b.org").await.unwrap_err();
        assert!(format!("{error:#}").contains("could not be asked"), "{error:#}");
        assert_eq!(Problem::remedy_of(&error), Some("is it running? sudo tootstrap status"));
    }
}
