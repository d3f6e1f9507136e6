//! The unit that writes the message of the day, run in a directory of the test's with a program of the test's.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What the message is if the program does this.
fn message(script: &str) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let program = at("tootstrap");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a program");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/systemd/tootstrap-status.service");
    let unit = std::fs::read_to_string(unit).expect("the unit");
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/bin/sh -c '")?.strip_suffix('\'')).expect("a shell");
    let command = command.replace("/usr/local/bin/tootstrap", &program).replace("/run/", &at(""));
    let ended = Command::new("/bin/sh").args(["-c", &command]).status().expect("a shell");
    assert!(ended.success(), "{command}");
    std::fs::read_to_string(at("motd.d/tootstrap")).expect("a message")
}

#[test]
fn it_is_never_empty() {
    assert_eq!(message("echo all is well"), "all is well\n");
    assert_eq!(message("echo not as it should be; exit 1"), "not as it should be\n");
    assert_eq!(message("echo damaged >&2; exit 1"), "Mastodon: its state could not be found out; look: sudo tootstrap status\n");
}
