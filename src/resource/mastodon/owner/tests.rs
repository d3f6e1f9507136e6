//! States of the database → what is done.

use super::*;
use crate::host::fake::FakeHost;
use crate::host::fake::docker::{FakeUser, Tables};
use crate::resource::mastodon::Database;
use crate::resource::testing::converge;

const RUNNER: &str = "web bundle exec rails runner -";
const STAMPED: &str = "write /var/lib/tootstrap/stamps/app-seeds 644";

fn owner() -> Owner {
    Owner {
        name: "Alice".parse().unwrap(),
        content: Content::new("Alice".parse().unwrap()),
        email: "alice@other-mail.org".parse().unwrap(),
        password: "0123456789abcdef0123456789ABCDEF".into(),
        email_is_ours: false,
        seeds: Seeds { registrations: Registrations::Open, contact: "hostmaster@other-mail.org".parse().unwrap(), media_days: 7 },
    }
}

fn machine() -> FakeHost {
    let host = FakeHost::debian();
    host.machine().run_mastodon_containers();
    host.machine().docker.tables = Some(Tables::seeded());
    host
}

fn user(finished: bool, administrator: bool) -> FakeUser {
    FakeUser { email: "alice@other-mail.org".into(), password: "first".into(), finished, administrator }
}

#[tokio::test]
async fn made_once_with_first_values_of_settings() {
    assert_eq!(owner().check(&FakeHost::debian()).await.unwrap().changes.len(), 2);
    let host = machine();
    let log = converge(&host, &owner()).await;
    assert!(log[0].ends_with(RUNNER) && log.last().unwrap() == STAMPED, "{log:?}");
    assert!(!log[0].contains("0123456789abcdef") && !log[0].contains("ALLOWLIST"));
    let tables = host.machine().docker.tables.clone().unwrap();
    let user = &tables.users["alice"];
    assert!(user.finished && user.administrator && user.password == "0123456789abcdef0123456789ABCDEF");
    assert_eq!(user.email, "alice@other-mail.org");
    assert_eq!(tables.settings["registrations_mode"], "open");
    assert_eq!(tables.settings["media_cache_retention_period"], 7);
    assert!(converge(&host, &owner()).await.is_empty());
}

#[tokio::test]
async fn what_the_look_at_an_unchanged_database_saw_is_used_once() {
    let host = machine();
    let owner = owner();
    let database = Database::new("v4.7.4", Arc::clone(&owner.content), false);
    let sees_the_account = async || owner.check(&host).await.unwrap().changes.len() == 1;
    let insert = || host.machine().docker.tables.as_mut().unwrap().users.insert("alice".into(), user(true, true));

    assert!(!database.check(&host).await.unwrap().is_empty());
    insert();
    assert!(sees_the_account().await, "what was seen before a change is not kept");

    converge(&host, &database).await;
    host.machine().docker.tables.as_mut().unwrap().users.clear();
    assert!(database.check(&host).await.unwrap().is_empty());
    insert();
    assert!(!sees_the_account().await);
    assert!(sees_the_account().await);
}

#[tokio::test]
async fn an_existing_owner_and_what_the_web_interface_set_stay() {
    let host = machine();
    host.machine().docker.tables.as_mut().unwrap().users.insert("alice".into(), user(true, true));
    host.machine().docker.tables.as_mut().unwrap().settings.insert("registrations_mode".into(), "none".into());
    converge(&host, &owner()).await;
    let tables = host.machine().docker.tables.clone().unwrap();
    assert_eq!(tables.users["alice"].password, "first");
    assert_eq!(tables.settings["registrations_mode"], "none");
    assert_eq!(tables.settings["site_contact_username"], "Alice");
    host.machine().docker.tables.as_mut().unwrap().settings.clear();
    assert!(converge(&host, &owner()).await.is_empty(), "settings are looked at only once");
}

#[tokio::test]
async fn a_crash_between_saving_and_confirming_is_recovered() {
    let host = machine();
    host.machine().docker.tables.as_mut().unwrap().users.insert("alice".into(), user(false, true));
    let drift = owner().check(&host).await.unwrap();
    assert_eq!(drift.changes[0].to_string(), "confirm and approve the account Alice");
    converge(&host, &owner()).await;
    assert!(host.machine().docker.tables.as_ref().unwrap().users["alice"].finished);
}

#[tokio::test]
async fn another_administrator_is_enough_later() {
    let host = machine();
    host.machine().docker.tables.as_mut().unwrap().users.insert("bob".into(), user(true, true));
    converge(&host, &owner()).await;
    assert_eq!(host.machine().docker.tables.as_ref().unwrap().users.keys().collect::<Vec<_>>(), ["bob"]);
}

#[tokio::test]
async fn an_ordinary_account_of_that_name_is_not_raised() {
    let host = machine();
    host.machine().docker.tables.as_mut().unwrap().users.insert("alice".into(), user(true, false));
    let error = owner().check(&host).await.unwrap_err();
    assert!(crate::report::Problem::remedy_of(&error).unwrap().contains("accounts modify Alice --role Owner"));
}

#[tokio::test]
async fn an_address_without_mail_is_explained_unless_the_name_is_ours() {
    let host = machine();
    host.machine().docker.unreachable_mail.insert("social.fedi-test.org".into());
    let ours = |email_is_ours| Owner { email: "alice@social.fedi-test.org".parse().unwrap(), email_is_ours, ..owner() };
    let error = ours(false).apply(&host).await.unwrap_err();
    assert_eq!(error.to_string(), "Mastodon refuses the owner's account (email: unreachable)");
    assert!(crate::report::Problem::remedy_of(&error).unwrap().contains("OWNER_EMAIL"));
    converge(&host, &ours(true)).await;
}

#[tokio::test]
async fn the_password_is_in_standard_input_alone() {
    let password = owner().password.expose_secret().to_owned();
    let script = owner().script(true);
    assert_eq!(script.expose_secret().matches(&password).count(), 1);
    let line = script.expose_secret().lines().find(|line| line.contains(&password)).unwrap();
    let given: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&given["password"], &given["create"]), (&password.into(), &true.into()));
}

#[test]
fn log_lines_around_the_answer_are_passed_over() {
    let told = told("I, [2026] Enqueued\nfoo\n\ntootstrap-owner: {\"owner\":\"created\",\"seeded\":[]}\nD, bye\n").unwrap();
    assert_eq!(told.owner.as_deref(), Some("created"));
    let error = super::told("Killed\n").err().unwrap();
    assert!(error.to_string().contains("Killed"));
}
