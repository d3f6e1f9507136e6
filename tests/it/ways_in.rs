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
    assert_eq!(text.lines().last(), Some("{ main \"$@\"; }"));
    let mut in_function = false;
    for line in text.lines() {
        match line {
            _ if line.ends_with("() {") || line.contains("() { # ") => in_function = true,
            "}" => in_function = false,
            _ if in_function || line.is_empty() || line.starts_with('#') => {}
            "set -eu" | "{ main \"$@\"; }" => {}
            _ => assert!(
                line.split_once('=')
                    .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '2' || c == '5' || c == '6')),
                "{line}"
            ),
        }
    }
}

#[test]
fn cut_off_anywhere_at_its_end_the_pipe_script_runs_whole_or_not_at_all() {
    let text = source("install.sh").replace("main() {\n", "main() {\n    echo \"ran $*\"\n    exit\n");
    for cut in 0..20 {
        let part = &text[..text.len() - cut];
        let output = std::process::Command::new("sh").args(["-c", part, "sh", "--dry-run"]).output().expect("sh");
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(said.is_empty() && cut > 0 || said == "ran --dry-run\n", "without the last {cut}: {said:?}");
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

/// The script in cloud-init.yaml, with a double of curl: what it says and whether it went well.
fn cloud_init(curl: &str) -> (bool, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().to_string_lossy().into_owned();
    let text = source("cloud-init.yaml");
    let (_, script) = text.split_once("get.sh\n    permissions: '0600'\n    content: |\n").expect("the script");
    let (script, _) = script.split_once("runcmd:").expect("its end");
    let sum = std::process::Command::new("sh")
        .args(["-c", "printf '#!/bin/sh\\necho installed\\n' | sha256sum | cut -d' ' -f1"])
        .output()
        .expect("sha256sum");
    let sum = String::from_utf8(sum.stdout).expect("text");
    let script = script.replace("/usr/local/bin", &place).replace("@URL@", "https://get.example").replace("@SHA256@", sum.trim());
    let script = format!("curl() {{ while [ \"$1\" != --output ]; do shift; done; {curl}; }}\n{script}");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh");
    let said = [output.stdout, output.stderr].concat();
    let left = std::fs::read_dir(&place).expect("readable").count();
    assert_eq!(left, usize::from(output.status.success()), "a broken download leaves nothing");
    let said = String::from_utf8(said).expect("text");
    assert!(said.lines().all(|line| line.len() <= 80 || !line.contains(' ')), "{said}");
    (output.status.success(), said.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Debian mounts /run so that nothing in it can be executed.
#[test]
fn what_lies_in_run_is_given_to_a_shell() {
    let text = source("cloud-init.yaml");
    let (_, commands) = text.split_once("runcmd:").expect("commands");
    assert!(commands.contains("[sh, /run/tootstrap/get.sh]") && !commands.contains("[/run"), "{commands}");
}

#[test]
fn cloud_init_says_plainly_why_nothing_was_installed() {
    assert_eq!(cloud_init("printf '#!/bin/sh\\necho installed\\n' >\"$2\""), (true, "installed".into()));
    let (well, said) = cloud_init("echo other >\"$2\"");
    assert!(
        !well
            && said.starts_with(
                "tootstrap could not be installed why the file from https://get.example/tootstrap-x86_64-linux-musl is not the right one"
            )
    );
    assert!(said.contains(" done nothing was installed do take the newest") && said.contains(" go on sudo sh /run/"), "{said}");
    // A signal: only that nothing is left, which is looked at for every one of these.
    assert_eq!(cloud_init("kill -TERM $$; return 22"), (false, String::new()));
    let url = "https://get.example/tootstrap-x86_64-linux-musl";
    let (well, said) = cloud_init("return 22");
    assert!(
        !well
            && said.starts_with(&format!(
                "tootstrap could not be installed why {url} could not be downloaded. done nothing was installed do see why"
            )),
        "{said}"
    );
}
