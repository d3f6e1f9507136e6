//! The templates hold what was put into them, whatever it was.

use proptest::prelude::*;

use super::*;
use crate::plan::Inputs;
use crate::settings::{EmailAddress, Smtp};

fn rendered(change: impl FnOnce(&mut Inputs)) -> anyhow::Result<Project> {
    let mut inputs = Inputs::sample();
    change(&mut inputs);
    Project::render(&inputs)
}

fn smtp(login: &str, password: &str, from: &str) -> Smtp {
    Smtp { server: "mail.example.org".parse().unwrap(), port: 587, login: login.into(), password: password.into(), from: from.into() }
}

/// What Compose reads from a value in single quotes: everything up to the next one.
fn env_value<'a>(file: &'a str, name: &str) -> &'a str {
    let line = file.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
    let inner = line.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap();
    assert!(!inner.contains('\''));
    inner
}

/// What YAML and Compose's interpolation make of a double-quoted word.
fn yaml_value(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
    let mut value = String::new();
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => value.push(match characters.next().unwrap() {
                'U' => {
                    let digits: String = characters.by_ref().take(8).collect();
                    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap()
                }
                c => c,
            }),
            '$' => {
                assert_eq!(characters.next(), Some('$'), "a lone $ would be interpolated");
                value.push('$');
            }
            '"' => panic!("an unescaped quote"),
            c => value.push(c),
        }
    }
    value
}

proptest! {
    #[test]
    fn env_files_hold_or_refuse(login in "\\PC{0,30}", password in any::<String>(), from in "[ -~]{1,40}") {
        match rendered(|inputs| inputs.settings.smtp = Some(smtp(&login, &password, &from))) {
            Ok(project) => {
                prop_assert_eq!(env_value(&project.environment, "SMTP_LOGIN"), login);
                prop_assert_eq!(env_value(&project.environment, "SMTP_FROM_ADDRESS"), from);
                prop_assert_eq!(env_value(project.secrets.expose_secret(), "SMTP_PASSWORD"), password);
            }
            Err(_) => prop_assert!([login, password, from].iter().any(|value| escape::storable(value).is_err())),
        }
    }

    #[test]
    fn compose_files_hold_any_image_name(image in "\\PC{1,60}") {
        let project = rendered(|inputs| inputs.settings.images.postgres.clone_from(&image)).unwrap();
        let line = project.compose.lines().find_map(|line| line.strip_prefix("    image: ")).unwrap();
        prop_assert_eq!(yaml_value(line), image);
    }

    #[test]
    fn caddyfiles_hold_every_address(local in "[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,8}") {
        let address = format!("{local}@example.org");
        if let Ok(contact) = address.parse::<EmailAddress>() {
            let expected = format!("\t\t\temail \"{contact}\"");
            let project = rendered(|inputs| inputs.settings.contact = contact).unwrap();
            prop_assert!(project.caddyfile.lines().any(|line| line == expected));
        }
    }
}

#[test]
fn names_of_the_site() {
    let project = rendered(|inputs| inputs.settings.www = true).unwrap();
    assert!(project.caddyfile.contains("\n\"www.social.fedi-test.org\" {\n\timport certificate\n"));
    assert_eq!(env_value(&project.environment, "LOCAL_DOMAIN"), "social.fedi-test.org");
    assert!(!project.environment.contains("WEB_DOMAIN"));
    let other = rendered(|inputs| inputs.settings.handle_domain = "fedi-test.org".parse().unwrap()).unwrap();
    assert_eq!(env_value(&other.environment, "LOCAL_DOMAIN"), "fedi-test.org");
    assert_eq!(env_value(&other.environment, "WEB_DOMAIN"), "social.fedi-test.org");
}

#[test]
fn no_secret_stands_in_a_file_that_may_be_shown() {
    let mut inputs = Inputs::sample();
    inputs.settings.smtp = Some(smtp("login", "the relay's password".replace('\'', "").as_str(), "a@example.org"));
    let project = Project::render(&inputs).unwrap();
    let shown = [&project.compose, &project.environment, &project.caddyfile].map(String::as_str).concat();
    for secret in inputs.secrets.all() {
        assert!(!shown.contains(secret.expose_secret()));
    }
    assert!(!shown.contains("the relays password"));
    assert_eq!(env_value(project.secrets.expose_secret(), "SMTP_PASSWORD"), "the relays password");
}

#[test]
fn a_changed_secret_changes_the_definition_of_the_containers() {
    let mut inputs = Inputs::sample();
    inputs.settings.smtp = Some(smtp("login", "one", "a@example.org"));
    let one = Project::render(&inputs).unwrap();
    inputs.settings.smtp = Some(smtp("login", "two", "a@example.org"));
    let two = Project::render(&inputs).unwrap();
    assert_ne!(one.compose, two.compose);
}

#[test]
fn ports_are_published_on_loopback_only() {
    let project = rendered(|_| ()).unwrap();
    let published: Vec<_> = project.compose.lines().filter(|line| line.trim().starts_with("ports:")).collect();
    assert_eq!(published, ["    ports: [\"127.0.0.1:3000:3000\"]", "    ports: [\"127.0.0.1:4000:4000\"]"]);
    assert!(!project.compose.contains("docker.sock"));
}
