//! A test message through Mastodon itself: Sidekiq sends it, as every other.

use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::assets::TEST_MESSAGE_SCRIPT;
use crate::host::{Cmd, Host};
use crate::report::{WithRemedy, harmless};
use crate::resource::docker::compose;

/// Begins the line in which the script tells what became of the message.
const MARKER: &str = "tootstrap-mail: ";
/// Ends the values before the script.
const HEREDOC: &str = "END_OF_VALUES";
/// A boot of Rails, and the script's own limit.
const LIMIT: Duration = Duration::from_mins(4);

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fate")]
pub enum Fate {
    /// The relay took it.
    Delivered,
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
    told(&output.stdout)
}

fn told(stdout: &str) -> anyhow::Result<Fate> {
    let line = stdout.lines().filter_map(|line| line.strip_prefix(MARKER)).next_back();
    let line = line.context("Mastodon did not tell what became of the message").remedy("sudo tootstrap logs web sidekiq")?;
    let fate = serde_json::from_str(line).context("Mastodon told what cannot be understood").remedy("sudo tootstrap logs web sidekiq")?;
    let short = |text: String| harmless(&text).split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    Ok(match fate {
        Fate::Failed { error, message } => Fate::Failed { error: short(error), message: short(message) },
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::report::Problem;

    #[test]
    fn what_mastodon_tells_is_understood_or_refused() {
        let told = |text: &str| told(&format!("a log line\n{MARKER}{text}\n"));
        assert_eq!(told("{\"fate\":\"delivered\"}").unwrap(), Fate::Delivered);
        assert_eq!(told("{\"fate\":\"queued\"}").unwrap(), Fate::Queued);
        let failed = told("{\"fate\":\"failed\",\"error\":\"Net::SMTPAuthenticationError\",\"message\":\"535 \\u001b[2Jno\\n\"}").unwrap();
        assert_eq!(failed, Fate::Failed { error: "Net::SMTPAuthenticationError".into(), message: "535 no".into() });
        for bad in ["", "{}", "{\"fate\":\"failed\"}", "{\"fate\":\"lost\"}"] {
            assert!(Problem::remedy_of(&told(bad).unwrap_err()).is_some(), "{bad}");
        }
        assert!(super::told("nothing").is_err());
    }

    #[tokio::test]
    async fn a_server_that_does_not_run_is_named() {
        let error = test_message(&FakeHost::debian(), "a.org", "me@b.org").await.unwrap_err();
        assert!(format!("{error:#}").contains("could not be asked"), "{error:#}");
        assert_eq!(Problem::remedy_of(&error), Some("is it running? sudo tootstrap status"));
    }
}
