//! Every command line of the documentation is one that this program understands.

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;

/// The words of a command line of `tootstrap` at the start of this text; none if it is something else or has a gap to be filled in (`…`).
fn words(text: &str) -> Option<Vec<String>> {
    let command = text.trim_start().trim_start_matches(['#', '$']).trim_start();
    let command = command.strip_prefix("sudo ").unwrap_or(command);
    // Behind a command stands what it is for.
    let command = command.split("  ").next()?.split(['|', '>', '<', ';']).next()?.split(" # ").next()?;
    let words: Vec<_> = command.split_whitespace().map(|word| word.trim_matches(['\'', '"']).to_owned()).collect();
    // `tootstrap 0.1.0 checks 68 things` is what it says.
    let is_said = words.get(1)?.starts_with(|c: char| c.is_ascii_digit());
    (words.first()? == "tootstrap" && !is_said && !command.contains(['…', '['])).then_some(words)
}

/// Command lines of a page: lines of its blocks of code, and what stands between backticks in its text.
fn commands(page: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block || line.starts_with("    ") {
            found.extend(words(line));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).filter_map(words));
        }
    }
    found
}

fn pages() -> Vec<std::path::PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let of = |dir: &std::path::Path| std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let pages = of(root).chain(of(&root.join("docs"))).chain(of(&root.join("docs/decisions")));
    pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// A value as usage lines write it: `SHELL`.
fn is_placeholder(value: &ContextValue) -> bool {
    let text = value.to_string();
    !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase())
}

#[test]
fn every_command_line_of_the_documentation_is_understood() {
    let mut seen = 0;
    for path in pages() {
        for command in commands(&std::fs::read_to_string(&path).expect("a page")) {
            seen += 1;
            let Err(error) = Cli::try_parse_from(&command) else { continue };
            let is_understood = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
                // `tootstrap completions SHELL`
                ErrorKind::InvalidValue => error.get(ContextKind::InvalidValue).is_some_and(is_placeholder),
                _ => false,
            };
            assert!(is_understood, "{}: {}: {error}", path.display(), command.join(" "));
        }
    }
    assert!(seen > 60, "only {seen} command lines were found");
}

#[test]
fn command_lines_are_found_where_they_stand() {
    let page = "Run `sudo tootstrap status` or `tootstrap`, `rm x`.\n\n    sudo tootstrap plan --json    # look\n\n```\n# tootstrap doctor\ntootstrap logs -f | less\nstatus\n```\n`tootstrap set X …`\n";
    let found: Vec<_> = commands(page).iter().map(|words| words.join(" ")).collect();
    assert_eq!(found, ["tootstrap status", "tootstrap plan --json", "tootstrap doctor", "tootstrap logs -f"]);
    assert!(Cli::try_parse_from(["tootstrap", "plan", "--no-such-flag"]).is_err());
}
