//! The command line, one file a subcommand.

mod answers;
mod attach;
mod closing;
mod completions;
mod core_dumps;
mod docs;
mod doctor;
#[cfg(test)]
mod documented;
mod downloads;
mod exit;
mod follow;
mod install;
mod lock;
mod logging;
mod logs;
mod mail;
mod man;
mod owner;
mod plan;
mod prepare;
mod preview;
mod progress;
mod questions;
mod secret;
mod set;
mod status;
mod tootctl;
mod tracing;
mod uninstall;
mod work;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::report::{Problem, RUN_AGAIN, WIDTH, harmless, part, wrap};
pub use exit::Exit;
use exit::{End, Trouble};

/// Turns a bare Debian machine into a working Mastodon server, and keeps it one
#[derive(Debug, Parser)]
#[command(name = "tootstrap", version, max_term_width = 80, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = "Exit status: 0 done; 1 something failed; 2 the settings or the machine are refused, nothing was changed; \
    3 changes are pending (plan --detailed-exitcode); 4 done, but something outside is still waited for; 128+n ended by signal n.\n\n\
    Everything is in docs/settings.md and docs/cli.md.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Install(Box<install::Install>),
    Plan(Box<plan::Plan>),
    Status(status::Status),
    Attach(attach::Attach),
    Doctor(doctor::Doctor),
    Set(set::Set),
    Mail(mail::Mail),
    Owner(owner::Owner),
    Logs(logs::Logs),
    Tootctl(tootctl::Tootctl),
    Uninstall(uninstall::Uninstall),
    Completions(completions::Completions),
    Man(man::Man),
    Work(work::Work),
    Docs(docs::Docs),
}

/// Reads this process's command line, does what it asks for and says how it ended.
pub fn main() -> ExitCode {
    run(std::env::args_os()).into()
}

fn run(args: impl Iterator<Item = OsString>) -> Exit {
    let parsed = Cli::command().try_get_matches_from(args);
    let (cli, again) = match parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, again(&matches)))) {
        Ok(parsed) => parsed,
        Err(error) => return answer(&error),
    };
    if let Err(error) = core_dumps::forbid() {
        return complain(&Trouble::failed(error), &again);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&Trouble::failed(error), &again),
    };
    let ended = runtime.block_on(async {
        match cli.command {
            Command::Install(install) => install.run().await,
            Command::Plan(plan) => plan.run().await,
            Command::Status(status) => status.run().await,
            Command::Attach(attach) => attach.run().await,
            Command::Doctor(doctor) => doctor.run().await,
            Command::Set(set) => set.run().await,
            Command::Mail(mail) => mail.run().await,
            Command::Owner(owner) => owner.run().await,
            Command::Logs(logs) => logs.run().await,
            Command::Tootctl(tootctl) => tootctl.run().await,
            Command::Uninstall(uninstall) => uninstall.run().await,
            Command::Completions(completions) => completions.run(),
            Command::Man(man) => man.run(),
            Command::Work(work) => work.run().await,
            Command::Docs(docs) => docs.run(),
        }
    });
    // What still waits for standard input or a name server must not hold up the end.
    runtime.shutdown_background();
    ended.unwrap_or_else(|trouble| complain(&trouble, &again))
}

/// To a command line that asks for help, or has a mistake.
fn answer(error: &clap::Error) -> Exit {
    if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        tell_error(error.to_string().trim_end());
    } else {
        // Nobody to tell if even this cannot be written.
        let _unwritten = error.print();
    }
    if error.use_stderr() { Exit::Refused } else { Exit::Done }
}

/// The same command again: `sudo tootstrap mail set ...`. What was given to it stays away: by mistake it may be a secret.
fn again(matches: &ArgMatches) -> String {
    let below: Vec<_> = std::iter::successors(matches.subcommand(), |(_, matches)| matches.subcommand()).collect();
    let given = |matches: &ArgMatches| matches.ids().any(|id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine));
    let words = ["sudo", "tootstrap"].into_iter().chain(below.iter().map(|(name, _)| *name));
    let rest = below.last().is_some_and(|(_, matches)| given(matches)).then_some("...");
    words.chain(rest).collect::<Vec<_>>().join(" ")
}

fn complain(trouble: &Trouble, again: &str) -> Exit {
    tell_error(complaint(trouble, again).trim_end());
    trouble.exit
}

/// What failed, and in parts like those of a failed step what was done, what to do and how to go on.
fn complaint(Trouble { error, exit, done, go_on }: &Trouble, again: &str) -> String {
    let usual = if *exit == Exit::Refused { "set right what is named above" } else { RUN_AGAIN };
    let remedy = Problem::remedy_of(error).unwrap_or(usual);
    let what = format!("tootstrap: {error:#}");
    format!("{}\n", what.trim_end()) + &part("done", done) + &part("do", remedy) + &part("go on", go_on.as_deref().unwrap_or(again))
}

/// A line for the operator. A closed terminal is no reason to stop.
fn tell(text: &str) {
    let _closed = writeln!(std::io::stdout().lock(), "{}", harmless(text));
}

/// [`tell`] for sentences with names in them, as wide as a report's.
fn tell_wrapped(text: &str) {
    tell(&wrap(text, WIDTH).join("\n"));
}

/// Lines on standard error, as wide as those of a report.
fn tell_error(text: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "{}", wrap(&harmless(text), WIDTH).join("\n"));
}

/// What only root can do.
fn need_root() -> End<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Trouble::refused(Problem::new(anyhow::anyhow!("this needs root"), "run it again with sudo")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_has_all_its_parts() {
        let problem = |remedy: &str| Problem::new(anyhow::anyhow!("no relay"), remedy);
        let refused = complaint(&Trouble::refused(problem("look")), "sudo tootstrap mail set");
        assert_eq!(
            refused,
            "tootstrap: no relay\n  done      nothing was changed\n  do        look\n  go on     sudo tootstrap mail set\n"
        );
        let failed = complaint(&Trouble { go_on: Some("sudo tootstrap install".into()), ..Trouble::failed(problem("look")) }, "mail set");
        let expected =
            "tootstrap: no relay\n  done      what is done is done, and stays so\n  do        look\n  go on     sudo tootstrap install\n";
        assert_eq!(failed, expected);
        let long = complaint(&Trouble::failed(problem(&"look ".repeat(40))), "mail set");
        assert!(long.lines().all(|line| line.chars().count() <= WIDTH) && long.contains("\n            look"), "{long}");
        let unforeseen = complaint(&Trouble::failed(anyhow::anyhow!("why")), "sudo tootstrap plan");
        assert!(
            unforeseen.starts_with("tootstrap: why\n  done  ") && unforeseen.ends_with("\n  go on     sudo tootstrap plan\n"),
            "{unforeseen}"
        );
        let refused = complaint(&Trouble::refused(anyhow::anyhow!("several things:\n\n  this\n")), "sudo tootstrap plan");
        assert!(refused.contains("\n  this\n  done      nothing was changed\n  do        set right what is named above\n"), "{refused}");
    }

    #[test]
    fn the_same_command_again_shows_nothing_that_was_given_to_it() {
        for (line, wanted) in [
            ("tootstrap plan", "sudo tootstrap plan"),
            ("tootstrap plan --json", "sudo tootstrap plan ..."),
            ("tootstrap mail set", "sudo tootstrap mail set"),
            ("tootstrap set smtp.password hunter22", "sudo tootstrap set ..."),
        ] {
            assert_eq!(again(&Cli::command().get_matches_from(line.split(' '))), wanted);
        }
    }

    /// Every command that is not hidden, with the words that lead to it.
    fn commands(command: &clap::Command, path: &str, all: &mut Vec<(String, clap::Command)>) {
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            let path = format!("{path} {}", below.get_name());
            all.push((path.clone(), below.clone()));
            commands(below, &path, all);
        }
    }

    #[test]
    fn every_help_fits_80_columns_and_has_an_example() {
        let mut all = Vec::new();
        let whole = Cli::command();
        commands(&whole, "tootstrap", &mut all);
        assert!(all.len() > 12, "{all:?}");
        for (path, command) in all {
            let mut command = command.bin_name(path.clone()).term_width(80).disable_help_subcommand(true);
            for help in [command.render_help().to_string(), command.render_long_help().to_string()] {
                let wide: Vec<_> = help.lines().filter(|line| line.chars().count() > 80).collect();
                assert!(wide.is_empty(), "{path}: {wide:#?}");
                assert!(help.contains("\nExample"), "{path}: {help}");
            }
            // What is wrapped here is no longer what one types.
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let wide: Vec<_> = examples.lines().filter(|line| line.starts_with("  ") && line.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{path}: {wide:#?}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
