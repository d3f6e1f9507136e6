//! `tootstrap man`: the same words as `--help`, as manual pages.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, CommandFactory};

use super::exit::{End, Exit};
use super::{Cli, tell};
use crate::report::WithRemedy;

/// Where administrators put manual pages of programs that no package brought.
const PLACE: &str = "/usr/local/share/man/man1";

/// Write the manual pages
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap man           then: man tootstrap, man tootstrap-set
  tootstrap man .              into this directory")]
pub(super) struct Man {
    /// Where to; the directory is made
    #[arg(value_name = "DIR", default_value = PLACE)]
    directory: PathBuf,
}

impl Man {
    pub(super) fn run(&self) -> End<Exit> {
        let pages = write(&self.directory).remedy("run it with sudo, or give a directory of yours: tootstrap man DIR")?;
        tell(&format!("{pages} pages are in {}", self.directory.display()));
        Ok(Exit::Done)
    }
}

/// A page for the program and one for each subcommand, except hidden ones.
#[expect(clippy::disallowed_methods, reason = "these pages go where the caller may write, be it root or not")]
fn write(directory: &Path) -> anyhow::Result<usize> {
    let trouble = || format!("cannot write manual pages into {}", directory.display());
    std::fs::create_dir_all(directory).with_context(trouble)?;
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    let mut pages = 0;
    let mut left = vec![(String::from("tootstrap"), whole)];
    while let Some((name, command)) = left.pop() {
        let below = command.get_subcommands().filter(|command| !command.is_hide_set());
        left.extend(below.map(|command| (format!("{name}-{}", command.get_name()), command.clone())));
        let mut page = Vec::new();
        clap_mangen::Man::new(command).title(name.to_uppercase()).render(&mut page).with_context(trouble)?;
        std::fs::write(directory.join(format!("{name}.1")), with_examples(&String::from_utf8_lossy(&page))).with_context(trouble)?;
        pages += 1;
    }
    Ok(pages)
}

/// Examples under their own name, and line by line: a manual page else fills its lines.
fn with_examples(page: &str) -> String {
    let Some((before, rest)) = ["Example", "Examples"].iter().find_map(|name| page.split_once(&format!(".SH EXTRA\n{name}:\n"))) else {
        return page.to_owned();
    };
    let (examples, after) = rest.find("\n.SH ").map_or((rest, ""), |at| rest.split_at(at + 1));
    format!("{before}.SH EXAMPLES\n.nf\n{}\n.fi\n{after}", examples.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_for_every_command_that_shows() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("man/man1");
        let pages = write(&place).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(&place).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names.len(), pages);
        for name in ["tootstrap.1", "tootstrap-install.1", "tootstrap-owner-reset-password.1"] {
            assert!(names.iter().any(|there| there == name), "{name} is not in {names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("work") || name.contains("docs") || name.contains("help")), "{names:?}");
        let text = std::fs::read_to_string(place.join("tootstrap-logs.1")).unwrap();
        assert!(text.contains("\n.SH EXAMPLES\n.nf\n  sudo tootstrap logs") && text.contains("\\-\\-follow"), "{text}");
        assert!(text.contains("\n.fi\n"), "{text}");
    }
}
