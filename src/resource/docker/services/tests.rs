//! States of containers → what is done.

use super::*;
use crate::host::Kind;
use crate::host::fake::FakeHost;
use crate::host::fake::docker::FakeContainer;
use crate::resource::testing::converge;
use crate::run::Stop;

const STORES: Services = Services::new(&["db", "redis"]);
const UP: &str = "run docker compose --project-directory /opt/mastodon up --detach --no-deps db redis";
const NOTE: &str = "write /var/lib/tootstrap/stamps/containers 644";

fn machine() -> FakeHost {
    let host = FakeHost::debian();
    host.machine().install_docker();
    for directory in ["/opt/mastodon", "/var/lib/tootstrap", "/var/lib/tootstrap/stamps"] {
        host.machine().place(directory, Kind::Directory, "", 0o755);
    }
    host.machine().place("/opt/mastodon/compose.yaml", Kind::File, "services: … env.production … secrets.env …", 0o644);
    for file in ["/opt/mastodon/env.production", "/opt/mastodon/secrets.env"] {
        host.machine().place(file, Kind::File, "", 0o600);
    }
    host
}

fn sentences(drift: &Drift) -> Vec<String> {
    drift.changes.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn on_a_bare_machine_everything_is_to_be_created() {
    let drift = STORES.check(&FakeHost::debian()).await.unwrap();
    assert_eq!(sentences(&drift), ["create container db", "create container redis"]);
}

#[tokio::test]
async fn table_of_states() {
    type Arrange = fn(&mut FakeContainer);
    let cases: [(Arrange, &[&str], &[&str]); 5] = [
        (|_| (), &[], &[]),
        (|c| c.state = "exited", &["start container redis"], &[UP, NOTE]),
        (
            |c| c.state = "paused",
            &["let container redis go on: it is paused"],
            &[
                "run docker compose --project-directory /opt/mastodon unpause redis",
                "run docker compose --project-directory /opt/mastodon restart redis",
                UP,
                NOTE,
            ],
        ),
        (|c| c.hash = "other".into(), &["replace container redis: its definition has changed"], &[UP, NOTE]),
        (
            |c| c.health = "(unhealthy)",
            &["restart container redis: it is unhealthy"],
            &["run docker compose --project-directory /opt/mastodon restart redis", UP, NOTE],
        ),
    ];
    for (arrange, changes, log) in cases {
        let host = machine();
        assert_eq!(converge(&host, &STORES).await, [UP, NOTE]);
        arrange(host.machine().docker.containers.get_mut("redis").unwrap());
        assert_eq!(sentences(&STORES.check(&host).await.unwrap()), changes);
        assert_eq!(converge(&host, &STORES).await, log);
    }
}

#[tokio::test]
async fn a_changed_file_replaces_containers() {
    let host = machine();
    converge(&host, &STORES).await;
    host.machine().place("/opt/mastodon/compose.override.yaml", Kind::File, "services: …", 0o644);
    assert_eq!(STORES.check(&host).await.unwrap().changes.len(), 2);
    assert_eq!(converge(&host, &STORES).await, [UP]);
}

#[tokio::test]
async fn compose_is_asked_only_after_a_change() {
    let host = machine();
    converge(&host, &STORES).await;
    remember_definitions(&host).await.unwrap();
    let asked = |host: &FakeHost| std::mem::take(&mut host.machine().docker.config_asked);
    asked(&host);
    assert!(converge(&host, &STORES).await.is_empty());
    remember_definitions(&host).await.unwrap();
    assert_eq!(asked(&host), 0);

    // Another container, or a change that may concern them.
    host.machine().docker.containers.get_mut("redis").unwrap().hash = "other".into();
    assert_eq!(sentences(&STORES.check(&host).await.unwrap()), ["replace container redis: its definition has changed"]);
    assert_eq!(converge(&host, &STORES).await, [UP, NOTE]);
    asked(&host);
    host.machine().place("/opt/mastodon/custom.env", Kind::File, "A=1", 0o644);
    assert_eq!(STORES.check(&host).await.unwrap().changes.len(), 2);
    assert_eq!(asked(&host), 1);
}

#[tokio::test]
async fn with_an_override_compose_is_always_asked() {
    let host = machine();
    host.machine().place("/opt/mastodon/compose.override.yaml", Kind::File, "services: …", 0o644);
    converge(&host, &STORES).await;
    remember_definitions(&host).await.unwrap();
    host.machine().docker.config_asked = 0;
    assert!(STORES.check(&host).await.unwrap().is_empty());
    assert_eq!(host.machine().docker.config_asked, 1);
}

#[tokio::test]
async fn what_is_starting_is_waited_for() {
    let host = machine();
    converge(&host, &STORES).await;
    host.machine().docker.containers.get_mut("db").unwrap().health = "(health: starting)";
    let drift = STORES.check(&host).await.unwrap();
    assert!(drift.changes.is_empty());
    assert_eq!(drift.wait.unwrap().what, "db to be healthy");
}

#[tokio::test(start_paused = true)]
async fn what_passes_its_test_is_healthy_before_docker_says_so() {
    let host = machine();
    host.machine().docker.early.extend(["db", "redis"].map(String::from));
    assert_eq!(converge(&host, &STORES).await, [UP, NOTE]);
    assert!(STORES.check(&host).await.unwrap().is_empty());
    host.machine().docker.early.remove("db");
    assert_eq!(STORES.check(&host).await.unwrap().wait.unwrap().what, "db to be healthy");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_for_health() {
    let stop = Stop::default();
    let host = machine().stopped_by(&stop);
    host.machine().docker.early.insert("db".into());
    stop.request();
    let error = STORES.apply(&host).await.unwrap_err();
    assert!(is_stop(&error), "{error:#}");
    assert_eq!(host.take_log(), [UP, NOTE]);
}

#[tokio::test]
async fn what_compose_made_need_not_be_asked_of_it_again() {
    let host = machine();
    converge(&host, &STORES).await;
    assert_eq!(std::mem::take(&mut host.machine().docker.config_asked), 1, "while they became healthy");
    assert!(STORES.check(&host).await.unwrap().is_empty());
    assert_eq!(host.machine().docker.config_asked, 0);
}

#[tokio::test]
async fn a_compose_that_prints_other_hashes_than_it_writes() {
    let host = machine();
    host.machine().docker.prints_other_hashes = true;
    let log = converge(&host, &STORES).await;
    assert!(log.iter().any(|line| line == "write /var/lib/tootstrap/stamps/containers-db 644"), "{log:?}");
    assert!(converge(&host, &STORES).await.is_empty());
    host.machine().place("/opt/mastodon/custom.env", Kind::File, "A=1", 0o644);
    assert_eq!(STORES.check(&host).await.unwrap().changes.len(), 2);
    converge(&host, &STORES).await;
}

#[tokio::test]
async fn an_unhealthy_start_shows_the_log() {
    let host = machine();
    host.machine().docker.never_healthy.insert("redis".into());
    let error = STORES.apply(&host).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("container mastodon-redis-1 is unhealthy"), "{text}");
    assert!(text.contains("redis-1  | the last line of redis"), "{text}");
    assert!(!text.contains("db-1"), "{text}");
}

#[tokio::test]
async fn a_note_that_cannot_be_written_is_no_fault_of_the_containers() {
    let host = machine();
    host.fail_next("stamps/containers");
    let text = format!("{:#}", STORES.apply(&host).await.unwrap_err());
    assert!(
        text.starts_with("containers db, redis started, but how they are defined could not be noted: injected trouble: write"),
        "{text}"
    );
    assert!(!text.contains("healthy"), "{text}");
}

#[tokio::test]
async fn a_project_that_compose_refuses_has_a_remedy() {
    let host = machine();
    host.machine().place("/opt/mastodon/compose.override.yaml", Kind::File, "broken", 0o644);
    let error = STORES.check(&host).await.unwrap_err();
    assert!(crate::report::Problem::remedy_of(&error).unwrap().contains("compose.override.yaml"));
}

#[tokio::test]
async fn settings_that_are_not_written_yet_are_seen_by_the_preview() {
    let host = machine();
    let compose = "services:\n  web:\n    labels:\n      org.tootstrap.environment: \"old\"\n";
    host.machine().place("/opt/mastodon/compose.yaml", Kind::File, compose, 0o644);
    let web = |digest: &str| Services::of_mastodon(&["web"], Some(digest.into()));
    converge(&host, &web("old")).await;
    assert_eq!(sentences(&web("new").check(&host).await.unwrap()), ["replace container web: its definition has changed"]);
}

#[tokio::test]
async fn without_a_file_of_the_project_only_what_can_be_known_is_compared() {
    for file in ["compose.yaml", "env.production", "secrets.env"] {
        let host = machine();
        converge(&host, &STORES).await;
        host.machine().nodes.remove(&Path::new(PROJECT).join(file));
        assert!(STORES.check(&host).await.unwrap().is_empty(), "{file}");
        host.machine().docker.containers.get_mut("redis").unwrap().state = "exited";
        assert_eq!(sentences(&STORES.check(&host).await.unwrap()), ["start container redis"], "{file}");
    }
}
