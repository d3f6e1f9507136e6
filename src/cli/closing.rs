//! The last words after an installation: where it is, how to sign in, what comes next.

use crate::assets::ProxySnippets;
use crate::host::Probe;
use crate::report::{Event, Outcome, wrap};
use crate::resource::credentials;
use crate::settings::{Registrations, Settings};

/// Steps that look at the server from where its visitors come, or at what they need, and what is right if the step is.
const CHECKS: [(&str, &str); 5] = [
    ("dns/published", "DNS"),
    ("edge/certificate", "the certificate"),
    ("edge/proxy", "answers and streaming through your web server"),
    ("app/stores", "PostgreSQL and Redis"),
    ("app/services", "Mastodon's web, streaming and Sidekiq"),
];

/// Plain lines, at most 78 columns unless a name is long. No secret is among them. `run`: its events.
pub(super) async fn words(settings: &Settings, probe: &dyn Probe, run: &[Event]) -> anyhow::Result<String> {
    let file = credentials::with_owner_password(probe).await?;
    let sudo_file = match &settings.sudo_user {
        Some(user) => credentials::with_sudo_password(probe, user).await?,
        None => None,
    };
    let password = match &file {
        Some(file) => format!("sudo cat {}   (change it after signing in)", file.display()),
        None => "in no file (it is not written yet, or was removed)".into(),
    };
    let sudo = match (&settings.sudo_user, sudo_file) {
        (Some(user), Some(own)) if file.as_ref() != Some(&own) => {
            format!("  For sudo     sudo cat {}   (password of {user})\n", own.display())
        }
        _ => String::new(),
    };
    let checked = checked(run);
    let mut text = format!(
        "\n  Your server  https://{site}\n  \
           Sign in      {email}\n  \
           Password     {password}\n  \
           Handle       @{owner}@{handle}\n{sudo}{checked}\n  \
           Day to day   sudo tootstrap status    is everything well?\n               \
                        sudo tootstrap doctor    what is wrong, and what to do?\n               \
                        sudo tootstrap install   repair, or apply changed settings\n",
        site = settings.site,
        email = settings.owner_email,
        owner = settings.owner,
        handle = settings.handle_domain,
    );
    for remark in remarks(settings) {
        text.push_str("\n  Note         ");
        text.push_str(remark);
    }
    Ok(text)
}

/// What the run found to be right, and nothing that it did not look at.
fn checked(run: &[Event]) -> String {
    let right = |id: &str| {
        let is = |event: &Event| matches!(event, Event::Step { id: of, outcome: Outcome::Unchanged | Outcome::Changed, .. } if of == id);
        run.iter().any(is)
    };
    let all: Vec<_> = CHECKS.iter().filter(|(id, _)| right(id)).map(|(_, what)| *what).collect();
    if all.is_empty() {
        return String::new();
    }
    format!("  Checked      {}\n", wrap(&all.join(", "), 63).join("\n               "))
}

/// What a web server in front needs, to be copied.
pub(super) fn for_the_web_server(settings: &Settings) -> anyhow::Result<String> {
    let ProxySnippets { nginx, caddy } = ProxySnippets::render(settings)?;
    Ok(format!(
        "\n  Your web server passes Mastodon on with one of these, which also lie in\n  /opt/mastodon/proxy. Then: sudo tootstrap install\n\n\
         ---- nginx ----\n{nginx}\n---- Caddy ----\n{caddy}"
    ))
}

fn remarks(settings: &Settings) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    if settings.smtp.is_none() {
        remarks.push(
            "No mail is sent yet, so nobody who joins can confirm an address.\n               Set a relay: sudo tootstrap mail set\n",
        );
    }
    if settings.registrations == Registrations::Open && !settings.single_user {
        remarks.push("Anyone may join. Sign in now and then: without a moderator Mastodon\n               itself goes back to joining by approval.\n");
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;

    const ADA: &str = "/home/ada/.credentials";

    fn stamp(host: &FakeHost, name: &str, text: &str) {
        host.machine().place(format!("/var/lib/tootstrap/stamps/{name}"), Kind::File, text, 0o644);
    }

    #[tokio::test]
    async fn only_files_that_exist_are_named() {
        let host = FakeHost::debian();
        let mut settings = Settings::sample();
        settings.sudo_user = Some("ada".parse().expect("a name"));
        assert!(!words(&settings, &host, &[]).await.expect("words").contains("sudo cat"));

        host.machine().add_account("ada", 1000, &["sudo"], "$6$x");
        stamp(&host, "user-ada", "made by tootstrap\n");
        stamp(&host, "finish-credentials", &format!("{ADA}\n"));
        assert!(!words(&settings, &host, &[]).await.expect("words").contains("sudo cat"));
        host.machine().place(ADA, Kind::File, "Sudo Password: x\nOwner Password: y\n", 0o600);
        let text = words(&settings, &host, &[]).await.expect("words");
        assert!(text.contains("Password     sudo cat /home/ada/.credentials") && !text.contains("For sudo"), "{text}");

        settings.sudo_user = Some("bob".parse().expect("a name"));
        host.machine().add_account("bob", 1001, &["sudo"], "$6$x");
        stamp(&host, "user-bob", "made by tootstrap\n");
        assert!(!words(&settings, &host, &[]).await.expect("words").contains("bob"));
        host.machine().place("/home/bob/.credentials", Kind::File, "Sudo Password: z\n", 0o600);
        let text = words(&settings, &host, &[]).await.expect("words");
        assert!(text.contains("Password     sudo cat /home/ada/.credentials"), "{text}");
        assert!(text.contains("For sudo     sudo cat /home/bob/.credentials   (password of bob)\n\n  Day to day"), "{text}");
    }

    #[tokio::test]
    async fn what_was_checked_is_what_the_run_found_right() {
        let step = |id: &str, outcome: Outcome| Event::Step {
            at: "2026-11-01T03:00:00Z".parse().unwrap(),
            id: id.into(),
            title: id.into(),
            outcome,
            changes: Vec::new(),
            seconds: 0.1,
        };
        let waits = Outcome::Waiting { what: "the certificate".into(), remedy: "patience".into() };
        let behind = [step("app/stores", Outcome::Changed), step("app/services", Outcome::Changed), step("edge/proxy", Outcome::Unchanged)];
        for (run, expected) in [
            (vec![], None),
            (
                vec![step("app/stores", Outcome::Unchanged), step("edge/certificate", waits)],
                Some("  Checked      PostgreSQL and Redis\n\n"),
            ),
            (
                behind.to_vec(),
                Some(
                    "  Checked      answers and streaming through your web server, PostgreSQL and\n               \
                     Redis, Mastodon's web, streaming and Sidekiq\n",
                ),
            ),
        ] {
            let text = words(&Settings::sample(), &FakeHost::debian(), &run).await.unwrap();
            assert!(expected.map_or_else(|| !text.contains("Checked"), |line| text.contains(line)), "{text}");
        }
        let ids: Vec<_> = crate::plan::build(&crate::plan::Inputs::sample()).steps().iter().map(|step| step.id.clone()).collect();
        for (id, _) in CHECKS.iter().filter(|(id, _)| *id != "edge/proxy") {
            assert!(ids.iter().any(|step| step == id), "{id}");
        }
    }

    #[test]
    fn what_a_web_server_needs_has_every_name() {
        let settings = Settings { site: "fedi-test.org".parse().expect("a name"), www: true, ..Settings::sample() };
        let text = for_the_web_server(&settings).expect("text");
        for line in [
            "    server_name fedi-test.org www.fedi-test.org;\n",
            "    ssl_certificate /etc/letsencrypt/live/fedi-test.org/fullchain.pem;\n",
            "    return 301 https://fedi-test.org$request_uri;\n",
            "\nfedi-test.org {\n",
            "\nwww.fedi-test.org {\n\tredir https://fedi-test.org{uri} 301\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(!for_the_web_server(&Settings::sample()).expect("text").contains("www."));
    }

    #[tokio::test]
    async fn where_it_is_and_who_may_join() {
        let host = FakeHost::debian();
        let mut settings = Settings::sample();
        let text = words(&settings, &host, &[]).await.expect("words");
        assert!(text.contains("@Alice@social.fedi-test.org\n\n  Day to day"), "{text}");
        assert!(text.contains("Anyone may join"));
        settings.single_user = true;
        assert!(!words(&settings, &host, &[]).await.expect("words").contains("Anyone may join"));
    }
}
