//! A refused form is repairable: the good answers stay, and one command goes on.

use std::path::Path;

use super::exit::Trouble;
use super::prepare::refused;
use crate::host::{Access, Host};
use crate::report::Problem;
use crate::settings::{ANSWERS, Given, Options, Refusal};

/// Keeps the good answers and tells how to go on. Where a server or a record exists nothing is kept: a later run must not meet forgotten
/// wishes.
pub(super) async fn keep(refusal: &Refusal, given: Given, host: &dyn Host) -> Trouble {
    let error = refused(refusal);
    let Some(command) = refusal.next_command().filter(|_| given.may_keep_answers()) else { return Trouble::refused(error) };
    match write(&refusal.kept(given.options), host).await {
        Ok(()) => {
            let done = "nothing was changed; the other answers are kept";
            let error = Problem::new(error, "give what is named above anew; the rest is known");
            Trouble { done, go_on: Some(command), ..Trouble::refused(error) }
        }
        Err(problem) => Trouble::refused(anyhow::anyhow!("{error}\nThe other answers could not be kept: {problem:#}\n")),
    }
}

async fn write(kept: &Options, host: &dyn Host) -> anyhow::Result<()> {
    let path = Path::new(ANSWERS);
    if let Some(directory) = path.parent() {
        host.make_dir(directory, Access::root(0o700)).await?;
    }
    let text = format!("# Answers of a form that was refused for others; gone after the installation.\n{}", toml::to_string(kept)?);
    host.write(path, text.as_bytes(), Access::root(0o600)).await?;
    Ok(())
}

/// Forgets kept answers: they are part of the record now.
pub(super) async fn forget(host: &dyn Host) -> anyhow::Result<()> {
    if host.stat(Path::new(ANSWERS)).await?.is_some() {
        host.remove(Path::new(ANSWERS)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Facts, Release};
    use crate::host::fake::FakeHost;
    use crate::settings::resolve;

    const FACTS: Facts = Facts {
        release: Release::Bullseye,
        architecture: String::new(),
        memory: 2 << 30,
        cpus: 1,
        linode: false,
        ssh_ports: Vec::new(),
        foreign_docker: false,
        docker_packages: Vec::new(),
        foreign_firewall: None,
    };

    fn options(text: &str) -> Options {
        toml::from_str(text).expect("options")
    }

    #[tokio::test]
    async fn answers_are_kept_only_where_nothing_is_recorded() {
        for (recorded, installed, kept) in [
            (None, false, true),
            (None, true, false),
            (Some("owner = 'Ada'"), false, true),
            (Some("owner = 'Ada'\n[resolved]\nsite = 'social.fedi-test.org'"), false, false),
        ] {
            let host = FakeHost::debian();
            let given = Given {
                options: options("domain = 'fedi-test.org'\nowner = '@Ada'\nsudo_user = 'bob'\naddress = ['203.0.113.10']"),
                recorded: recorded.map(options),
                installed,
                ..Given::default()
            };
            let refusal = resolve(&given, &FACTS, &host).await.expect_err("a refusal");
            let told = crate::cli::complaint(&keep(&refusal, given, &host).await, "sudo tootstrap install ...");
            assert!(told.contains("owner_username (--owner): \"@Ada\""), "{told}");
            assert_eq!(told.contains("the other answers are kept\n"), kept, "{told}");
            assert_eq!(told.contains("  go on     sudo tootstrap install --"), kept, "{told}");
            let written = host.probe().read_text(Path::new(ANSWERS)).await.expect("a file system");
            assert_eq!(written.map(|text| options(&text).sudo_user), kept.then(|| Some("bob".to_owned())));
        }
    }
}
