//! The contract of the StackScript (linode.md §3) and of the script for `curl … | sudo sh` (users-and-rivals.md §4.5).

use std::path::Path;

fn source(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("stackscript").join(name)).expect(name)
}

#[test]
fn the_stackscript_has_the_fields_of_the_form() {
    let text = source("stackscript.sh");
    let fields: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# <UDF name=\"")?.split('"').next()).collect();
    let wanted = [
        "user_name",
        "disable_root",
        "domain",
        "subdomain",
        "token_password",
        "soa_email_address",
        "owner_username",
        "owner_email",
        "single_user_mode",
    ];
    assert_eq!(fields, wanted);
    let required: Vec<_> = text.lines().filter(|line| line.starts_with("# <UDF") && !line.contains("default=")).collect();
    assert_eq!(required.len(), 2, "only the contact and the owner must be given: {required:?}");
    for line in text.lines().filter(|line| line.starts_with("# <UDF")) {
        assert!(line.contains(" label=\"") && line.ends_with(" />") && line.matches('"').count() % 2 == 0, "{line}");
    }
}

#[test]
fn linode_accepts_the_stackscript() {
    let text = source("stackscript.sh");
    assert!(text.starts_with("#!/bin/bash\n"));
    assert!(text.is_ascii() && text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
    // The filled-in hash and address are longer than their placeholders.
    assert!(text.len() < 16 * 1024 - 512, "{} bytes", text.len());
}

#[test]
fn the_stackscript_never_traces_and_closes_the_log_before_it_writes() {
    let text = source("stackscript.sh");
    assert!(!text.contains("set -x") && !text.contains("-o xtrace"));
    let umask = text.find("umask 077").expect("umask");
    let log = text.find("touch \"$LOG\"").expect("the log's first moment");
    assert!(umask < log);
}

#[test]
fn the_pipe_script_does_nothing_until_its_last_line() {
    let text = source("install.sh");
    assert!(text.starts_with("#!/bin/sh\n") && text.lines().count() < 100);
    assert_eq!(text.lines().last(), Some("main \"$@\""));
    let mut in_function = false;
    for line in text.lines() {
        match line {
            _ if line.ends_with("() {") || line.ends_with("() { # FILE") => in_function = true,
            "}" => in_function = false,
            _ if in_function || line.is_empty() || line.starts_with('#') => {}
            "set -eu" | "main \"$@\"" => {}
            _ => assert!(
                line.split_once('=')
                    .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '2' || c == '5' || c == '6')),
                "{line}"
            ),
        }
    }
}

#[test]
fn every_way_in_pins_the_hash() {
    for name in ["stackscript.sh", "install.sh", "cloud-init.yaml"] {
        let text = source(name);
        assert!(text.contains("@SHA256@") && text.contains("@URL@/tootstrap-x86_64-linux-musl") && text.contains("sha256sum"), "{name}");
        assert!(!text.contains("--insecure") && !text.contains("--no-check-certificate"), "{name}");
    }
}
