//! The machine before → what is kept and what runs afterwards.

use super::*;
use crate::host::HostError;
use crate::host::fake::docker::Tables;
use crate::host::fake::{FakeHost, Trouble};
use crate::resource::testing::converge;
use crate::run::Stop;

const DIRECTORY: &str = "/var/backups/tootstrap/2026-11-28T210500Z";

fn dump() -> FinalDump {
    FinalDump::new("a.org", DIRECTORY)
}

fn machine() -> FakeHost {
    let host = FakeHost::debian();
    {
        let mut machine = host.machine();
        for path in ["/opt/mastodon", "/opt/mastodon/postgres", "/opt/mastodon/postgres/17", "/etc/tootstrap"] {
            machine.place(path, Kind::Directory, "", 0o700);
        }
        machine.place("/etc/tootstrap/settings.toml", Kind::File, "domain = 'a.org'\n", 0o644);
        machine.place("/etc/tootstrap/secrets.toml", Kind::File, "a secret\n", 0o600);
        machine.docker.tables = Some(Tables::seeded());
        machine.run_mastodon_containers();
    }
    host
}

#[tokio::test]
async fn what_writes_is_stopped_then_all_is_kept_and_read_again() {
    let host = machine();
    let at = |name: &str| format!("{DIRECTORY}/{name}");
    let expected = [
        "make_dir /var/backups 755 0:0".to_owned(),
        "make_dir /var/backups/tootstrap 700 0:0".into(),
        format!("make_dir {DIRECTORY} 700 0:0"),
        "run docker stop --time 60 sidekiq-id streaming-id web-id".into(),
        format!("run docker exec db-id pg_dump --format=custom --username mastodon mastodon > {} 600", at("mastodon.dump")),
        "run docker exec --interactive db-id pg_restore --list".into(),
        "run docker exec --interactive db-id pg_restore --file=/dev/null".into(),
        format!("write {} 600", at("settings.toml")),
        format!("write {} 600", at("secrets.toml")),
        format!("write {} 600", at("README.txt")),
        "run docker stop --time 60 db-id".into(),
        format!("write {} 600", at("complete")),
    ];
    assert_eq!(converge(&host, &dump()).await, expected);
    assert_eq!(host.machine().text(at("secrets.toml")), "a secret\n");
    let readme = host.machine().text(at("README.txt"));
    assert!(readme.contains("    cp settings.toml secrets.toml /etc/tootstrap/\n"), "{readme}");
    assert!(readme.lines().all(|line| line.chars().count() <= 80), "{readme}");
    assert!(FinalDump::is_in(&host, Path::new(DIRECTORY)).await.unwrap());
    // A later removal does not need the containers any more.
    host.machine().docker.containers.clear();
    assert!(converge(&host, &dump()).await.is_empty());
}

#[tokio::test]
async fn a_dump_of_an_earlier_state_does_not_count() {
    let host = machine();
    converge(&host, &dump()).await;
    host.machine().start_service("db");
    let later = FinalDump::new("a.org", "/var/backups/tootstrap/2026-11-29T000000Z");
    assert!(!later.check(&host).await.unwrap().is_empty());
    assert!(converge(&host, &later).await.len() > 5);
}

#[tokio::test]
async fn only_a_deletion_that_broke_off_needs_no_dump_of_a_cluster_without_its_version() {
    let lose_the_version = |host: &FakeHost| host.machine().nodes.remove(Path::new("/opt/mastodon/postgres/17/PG_VERSION"));
    let damaged = machine();
    lose_the_version(&damaged);
    assert!(!dump().check(&damaged).await.unwrap().is_empty(), "it would be deleted without one");
    let begun = machine();
    converge(&begun, &dump()).await;
    lose_the_version(&begun);
    assert!(dump().check(&begun).await.unwrap().is_empty());
}

#[tokio::test]
async fn without_a_database_there_is_nothing_to_keep_and_one_that_does_not_run_is_started() {
    assert!(converge(&FakeHost::debian(), &dump()).await.is_empty());
    let host = machine();
    host.machine().docker.containers.get_mut("db").unwrap().state = "exited";
    assert_eq!(converge(&host, &dump()).await[0], "run docker start db-id");
}

#[tokio::test]
async fn where_none_can_be_made_nothing_is_touched_and_the_way_without_is_told() {
    let no_container = machine();
    no_container.machine().docker.containers.clear();
    let error = dump().check(&no_container).await.unwrap_err();
    assert!(format!("{error:#}").contains("the database has no container"), "{error:#}");
    assert!(Problem::remedy_of(&error).unwrap().ends_with("uninstall --delete-data --without-dump"));

    let full = machine();
    full.machine().space.free = 10 << 20;
    let error = dump().apply(&full).await.unwrap_err();
    assert!(format!("{error:#}").contains("has 10 MB left, it may need"), "{error:#}");
    assert!(Problem::remedy_of(&error).is_some() && full.take_log().is_empty());
}

#[tokio::test]
async fn a_dump_that_fails_leaves_a_server_that_runs() {
    for (trouble, what) in
        [("docker stop", "nothing was deleted"), ("pg_dump", "the dump failed"), ("pg_restore --list", "the dump cannot be read again")]
    {
        let host = machine();
        host.fail_next(trouble);
        let error = dump().apply(&host).await.unwrap_err();
        assert!(format!("{error:#}").contains(what) && Problem::remedy_of(&error).is_some(), "{error:#}");
        let machine = host.machine();
        assert!(machine.docker.containers.values().all(|container| container.state == "running"));
        assert!(!machine.nodes.contains_key(Path::new(DIRECTORY)));
    }
}

#[tokio::test]
async fn a_dump_without_the_accounts_is_none() {
    let host = machine();
    host.machine().docker.dumps_nothing = true;
    let error = dump().apply(&host).await.unwrap_err();
    assert!(format!("{error:#}").contains("no table of accounts is in it"), "{error:#}");
}

#[tokio::test]
async fn the_second_signal_leaves_a_server_that_runs() {
    // From the stop of what writes to that of the database.
    for number in 3..=10 {
        let stop = Stop::default();
        let host = machine().stopped_by(&stop);
        stop.request();
        host.trouble_at(number, Trouble::Stop(stop.clone()));
        let error = dump().apply(&host).await.unwrap_err();
        let cause = Problem::cause(error.downcast_ref().unwrap());
        assert!(cause.chain().any(|cause| matches!(cause.downcast_ref(), Some(HostError::Stopped))), "{error:#}");
        let machine = host.machine();
        assert!(machine.docker.containers.values().all(|container| container.state == "running"), "at {number}");
        assert!(!machine.nodes.contains_key(Path::new(DIRECTORY)), "at {number}");
    }
}

#[tokio::test]
async fn what_cannot_be_brought_back_is_told_with_the_command_that_does_it() {
    let host = machine();
    host.fail_next("pg_dump");
    host.fail_next("docker restart");
    let error = dump().apply(&host).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("the dump failed") && text.contains("Mastodon is stopped"), "{text}");
    let start = "start it: sudo docker restart --time 60 db-id sidekiq-id streaming-id web-id";
    assert_eq!(Problem::remedy_of(&error), Some(start));
}

#[tokio::test]
async fn a_database_that_did_not_run_is_stopped_again() {
    let host = machine();
    host.machine().docker.containers.values_mut().for_each(|container| container.state = "exited");
    host.fail_next("pg_dump");
    dump().apply(&host).await.unwrap_err();
    assert!(host.machine().docker.containers.values().all(|container| container.state == "exited"));
}

#[tokio::test]
async fn what_a_killed_run_left_of_a_dump_goes_and_nothing_else() {
    let host = machine();
    for path in ["/var/backups", DUMPS] {
        host.machine().place(path, Kind::Directory, "", 0o700);
    }
    let left = [("2026-11-27T000000Z", "mastodon.dump"), ("2026-11-26T000000Z", COMPLETE), ("by-hand", "mastodon.dump")];
    for (name, file) in left {
        host.machine().place(Path::new(DUMPS).join(name), Kind::Directory, "", 0o700);
        host.machine().place(Path::new(DUMPS).join(name).join(file), Kind::File, "of another state", 0o600);
    }
    let drift = dump().check(&host).await.unwrap();
    assert_eq!(drift.changes[0].to_string(), "remove /var/backups/tootstrap/2026-11-27T000000Z, a dump that was never finished");
    converge(&host, &dump()).await;
    assert_eq!(host.list(Path::new(DUMPS)).await.unwrap(), ["2026-11-26T000000Z", "2026-11-28T210500Z", "by-hand"]);
}

#[tokio::test]
async fn as_long_as_the_database_does_not_answer_half_a_dump_stays() {
    let host = machine();
    let half = Path::new(DUMPS).join("2026-11-27T000000Z");
    host.machine().place(DUMPS, Kind::Directory, "", 0o700);
    host.machine().place(&half, Kind::Directory, "", 0o700);
    host.machine().docker.containers.get_mut("db").unwrap().state = "exited";
    host.fail_next("docker start");
    assert!(dump().apply(&host).await.is_err());
    assert!(host.machine().nodes.contains_key(&half));
}

#[test]
fn a_dump_is_called_after_its_time() {
    let now = "2026-11-28T21:05:00Z".parse().unwrap();
    assert_eq!(FinalDump::directory(now), Path::new(DIRECTORY));
}
