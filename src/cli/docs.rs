//! `tootstrap docs`: the reference, written from the types themselves.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Arg, Args, Command, CommandFactory};

use super::Cli;
use super::exit::{End, Exit};
use crate::settings::{DockerRepository, Images};

/// Write settings.md and cli.md
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct Docs {
    /// Where to
    #[arg(default_value = "docs")]
    directory: PathBuf,
}

impl Docs {
    #[expect(clippy::disallowed_methods, reason = "this writes into a checkout of the sources, not to a machine")]
    pub(super) fn run(&self) -> End<Exit> {
        for (name, page) in [("settings.md", settings()?), ("cli.md", cli()?)] {
            let path = self.directory.join(name);
            std::fs::write(&path, page.trim_end().to_owned() + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Exit::Done)
    }
}

const GENERATED: &str = "<!-- Written by `make docs` from the program itself; do not edit. -->\n";

fn cli() -> Result<String, std::fmt::Error> {
    let mut page = format!("# Command line\n\n{GENERATED}");
    let mut whole = Cli::command().term_width(80);
    whole.build();
    write_help(&mut page, "tootstrap", &mut whole)?;
    Ok(page)
}

/// Of a command and of all below it.
fn write_help(page: &mut String, title: &str, command: &mut Command) -> std::fmt::Result {
    let help = command.render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    write!(page, "\n## {title}\n\n```text\n{}\n```\n", lines.join("\n").trim_end())?;
    for below in command.get_subcommands_mut().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
        write_help(page, &format!("{title} {}", below.get_name().to_owned()), below)?;
    }
    Ok(())
}

fn settings() -> Result<String, std::fmt::Error> {
    let mut page = format!(
        "# Settings\n\n{GENERATED}\n\
         Each setting can be a flag, an environment variable (that is how the fields of the StackScript's form arrive) or a line of a TOML file. Flags win \
         over the environment, that over the file given with `--settings`, that over `/etc/tootstrap/settings.toml`. An empty value counts as not \
         given. Yes, No, true, false, 1 and 0 are understood in any case.\n\n\
         `/etc/tootstrap/settings.toml` records what the machine was made from; later runs read it, so `sudo tootstrap set KEY VALUE`, or a changed line \
         and `sudo tootstrap install`, change the machine. It may be put there before the first run. Secrets never stand in it, and no flag takes one.\n"
    );
    let whole = Cli::command();
    let install = whole.find_subcommand("install").map(Command::get_arguments).into_iter().flatten();
    let arguments: Vec<_> = install.filter(|arg| arg.get_help_heading().is_some() && !arg.is_hide_set()).collect();
    for heading in ["Site", "Mastodon", "Machine", "Mail"] {
        write!(page, "\n## {heading}\n\n| in the file | flag | environment | meaning |\n|---|---|---|---|\n")?;
        for arg in arguments.iter().filter(|arg| arg.get_help_heading() == Some(heading)) {
            row(&mut page, arg)?;
        }
    }
    page.push_str(&file_only());
    Ok(page)
}

fn row(page: &mut String, arg: &Arg) -> std::fmt::Result {
    let id = arg.get_id().as_str();
    let in_file = match id.strip_prefix("smtp_") {
        _ if id.ends_with("_file") || id == "no_harden" => String::new(),
        Some(key) => format!("`smtp.{key}`"),
        None => format!("`{id}`"),
    };
    let flag = arg.get_long().unwrap_or_default();
    let value = arg.get_value_names().filter(|_| arg.get_action().takes_values()).and_then(<[_]>::first);
    let value =
        value.map(|value| if arg.is_require_equals_set() { format!("[={value}]") } else { format!(" {value}") }).unwrap_or_default();
    let env = match id {
        "linode_token_file" => "`TOKEN_PASSWORD` or `LINODE_TOKEN` (the token itself)".to_owned(),
        "smtp_password_file" => "`SMTP_PASSWORD` (the password itself)".to_owned(),
        _ => arg.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default(),
    };
    let meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let meaning = meaning.split(" [env:").next().unwrap_or_default().replace('|', "\\|").replace('<', "\\<");
    writeln!(page, "| {in_file} | `--{flag}{value}` | {env} | {meaning} |", value = value.replace('|', "\\|"))
}

fn file_only() -> String {
    let (images, repository) = (Images::default(), DockerRepository::default());
    format!(
        "\n## Only in the file\n\n\
         The first installation records the images that it used, and their digests in `/etc/tootstrap/images.toml`; later runs keep them, whatever a newer \
         tootstrap would take. A reference without tag gets Mastodon's version.\n\n\
         ```toml\n[images]\nmastodon_version = \"{}\"\nmastodon = \"{}\"\nstreaming = \"{}\"\npostgres = \"{}\"\nredis = \"{}\"\ncaddy = \"{}\"\n\n\
         # A mirror of Docker's packages. With a key of its own, the fingerprint is required.\n\
         [docker_repository]\nurl = \"{}\"\nkey_file = \"/etc/tootstrap/mirror.asc\"\nfingerprint = \"{}\"\n```\n",
        images.mastodon_version,
        images.mastodon,
        images.streaming,
        images.postgres,
        images.redis,
        images.caddy,
        repository.url,
        repository.fingerprint,
    )
}
