//! The files of the Compose project, read by a real Compose. `TOOTSTRAP_COMPOSE` names the program.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use secrecy::{ExposeSecret, SecretString};
use tootstrap::assets::Project;
use tootstrap::settings::Smtp;

use super::hostile::bodies::inputs;

/// What an operator, or somebody who means him ill, may put into a form.
const VALUES: [&str; 24] = [
    "plain",
    "two words",
    " blanks around ",
    "${HOME}",
    "$HOME $$ $1 $(id) `id`",
    "a#b #c",
    "#",
    "-x",
    "--",
    "a=b=c",
    "a: b",
    "\"quoted\"",
    "{{x}} {x} [x]",
    "no",
    "123",
    "~",
    "!reset",
    "&a *a",
    "émile 漢字 🐘",
    "pаypal",
    "\u{202e}gro",
    "\u{feff}mark",
    "line\u{2028}separator",
    "%41%00",
];

#[test]
#[ignore = "needs Compose: tests/testbed/test_formats.py runs it"]
#[expect(clippy::disallowed_methods, reason = "names the program")]
fn compose_reads_what_was_written() {
    let compose = std::env::var("TOOTSTRAP_COMPOSE").expect("TOOTSTRAP_COMPOSE names a Compose");
    let long = "x$#'".replace('\'', "\"").repeat(1000);
    for value in VALUES.into_iter().chain([long.as_str()]) {
        let mut inputs = inputs();
        let server = "mail.example.org".parse().expect("a name");
        inputs.settings.smtp =
            Some(Smtp { server, port: 465, login: value.into(), password: SecretString::from(value), from: value.into() });
        inputs.settings.images.postgres = value.into();
        let project = Project::render(&inputs).expect("it can be written");
        let read = read(&compose, &project);
        assert_eq!(read["image"], value);
        for name in ["SMTP_LOGIN", "SMTP_PASSWORD", "SMTP_FROM_ADDRESS"] {
            assert_eq!(read.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(read["DB_PASS"], inputs.secrets.database_password.expose_secret());
        assert_eq!(read["VAPID_PRIVATE_KEY"], inputs.secrets.vapid_private_key.expose_secret());
        assert_eq!(read["LOCAL_DOMAIN"], inputs.settings.handle_domain.as_str());
    }
}

/// The environment of `web`, and the image of `db`.
fn read(compose: &str, project: &Project) -> BTreeMap<String, String> {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    write("compose.yaml", &project.compose);
    write("env.production", &project.environment);
    write("secrets.env", project.secrets.expose_secret());
    let config = config(compose, directory.path());
    let plain = |value: &serde_json::Value| value.as_str().expect("text").replace("$$", "$");
    let environment = config["services"]["web"]["environment"].as_object().expect("an environment");
    let image = ("image".to_owned(), plain(&config["services"]["db"]["image"]));
    environment.iter().map(|(name, value)| (name.clone(), plain(value))).chain([image]).collect()
}

/// What Compose makes of the files.
fn config(compose: &str, directory: &Path) -> serde_json::Value {
    let mut command = Command::new(compose);
    command.args(["--project-directory", ".", "config", "--format", "json"]).current_dir(directory);
    let output = command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent").output().expect("Compose can be run");
    assert!(output.status.success(), "Compose refuses the files: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
