//! The reference in `docs/` is what the program writes.

use snapbox::assert_data_eq;
use snapbox::cmd::{Command, cargo_bin};
use snapbox::file;

#[test]
fn reference_pages_are_up_to_date() {
    let dir = tempfile::tempdir().expect("a directory");
    Command::new(cargo_bin("tootstrap")).arg("docs").arg(dir.path()).assert().success();
    let page = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("a page");
    assert_data_eq!(page("settings.md"), file!["../../docs/settings.md"].raw());
    assert_data_eq!(page("cli.md"), file!["../../docs/cli.md"].raw());
}
