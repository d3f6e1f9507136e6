//! The last words after an installation: where it is, how to sign in, what comes next.

use std::path::{Path, PathBuf};

use crate::host::{Probe, Result};
use crate::settings::{Registrations, Settings};

/// Where the passwords lie.
async fn credentials(settings: &Settings, probe: &dyn Probe) -> Result<PathBuf> {
    let home = match &settings.sudo_user {
        Some(user) => probe.account(user.as_str()).await?.map(|account| account.home),
        None => None,
    };
    Ok(home.unwrap_or_else(|| Path::new("/root").to_owned()).join(".credentials"))
}

/// Plain lines, at most 78 columns unless a name is long. No secret is among them.
pub(super) async fn words(settings: &Settings, probe: &dyn Probe) -> Result<String> {
    let file = credentials(settings, probe).await?;
    let mut text = format!(
        "\n  Your server  https://{site}\n  \
           Sign in      {email}\n  \
           Password     sudo cat {file}   (change it after signing in)\n  \
           Handle       @{owner}@{handle}\n\n  \
           Day to day   sudo tootstrap status    is everything well?\n               \
                        sudo tootstrap install   repair, or apply changed settings\n",
        site = settings.site,
        email = settings.owner_email,
        file = file.display(),
        owner = settings.owner,
        handle = settings.handle_domain,
    );
    for remark in remarks(settings) {
        text.push_str("\n  Note         ");
        text.push_str(remark);
    }
    Ok(text)
}

fn remarks(settings: &Settings) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    if settings.smtp.is_none() {
        remarks.push("No mail is sent yet, so nobody who joins can confirm an address.\n               Set a relay: tootstrap install --smtp-server NAME ...\n");
    }
    if settings.registrations == Registrations::Open && !settings.single_user {
        remarks.push("Anyone may join. Sign in now and then: without a moderator Mastodon\n               itself goes back to joining by approval.\n");
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Account;
    use crate::host::fake::FakeHost;

    #[tokio::test]
    async fn the_password_is_where_it_was_written() {
        let host = FakeHost::debian();
        let mut settings = Settings::sample();
        assert!(words(&settings, &host).await.expect("words").contains("sudo cat /root/.credentials"));
        host.machine().accounts.push(Account {
            name: "alice".into(),
            uid: 1000,
            gid: 1000,
            home: "/home/alice".into(),
            shell: "/bin/bash".into(),
            groups: Vec::new(),
        });
        let text = words(&settings, &host).await.expect("words");
        assert!(text.contains("sudo cat /home/alice/.credentials") && text.contains("@Alice@social.fedi-test.org"), "{text}");
        assert!(text.contains("Anyone may join"));
        settings.single_user = true;
        assert!(!words(&settings, &host).await.expect("words").contains("Anyone may join"));
    }
}
