//! A refused form is repairable: the good answers stay, and one command goes on.

use std::path::Path;

use super::exit::Trouble;
use super::prepare::refused;
use crate::host::{Access, Host};
use crate::settings::{ANSWERS, Options, Refusal};

/// Keeps the good answers and tells how to go on.
pub(super) async fn keep(refusal: &Refusal, answers: Options, host: &dyn Host) -> Trouble {
    let error = refused(refusal);
    let Some(command) = refusal.next_command() else { return Trouble::refused(error) };
    match write(&refusal.kept(answers), host).await {
        Ok(()) => Trouble::refused(anyhow::anyhow!("{error}\nThe other answers are kept. Go on with one command:\n\n  {command}\n")),
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
