//! The whole plan on the simulated Debian: applied twice, previewed, and disturbed at every single mutation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::removal::{self, Removal};
use super::{Inputs, build};
use crate::host::Kind;
use crate::host::fake::{FakeHost, FakeProxy, Node, Trouble};
use crate::report::{Events, Outcome, Problem, Redactor};
use crate::resource::docker::remember_definitions;
use crate::resume::{COMPLETE, DATA_KEPT};
use crate::run::{Engine, Mode, Report, Stop};
use crate::secrets;
use crate::settings::Smtp;

async fn run(host: &FakeHost, mode: Mode, stop: Stop) -> Report {
    run_with(&Inputs::sample(), host, mode, stop).await
}

async fn run_with(inputs: &Inputs, host: &FakeHost, mode: Mode, stop: Stop) -> Report {
    let (events, _unread) = Events::new(Arc::new(Redactor::default()));
    // One at a time, so that the n-th mutation is the same in every run.
    let engine = Engine { host: Arc::new(host.clone()), events, stop, jobs: 1 };
    engine.run(build(inputs), mode).await
}

/// As the process that does the work: what is complete is written down at its end.
async fn install(host: &FakeHost) -> Report {
    let report = run(host, Mode::Apply, Stop::default()).await;
    if broken(&report).is_empty() {
        remember_definitions(host).await.unwrap();
    }
    report
}

/// Every file and directory, kept former versions and stamps included; but for a cluster that was never finished, which is kept aside.
fn files(host: &FakeHost) -> BTreeMap<PathBuf, Node> {
    let mut nodes = host.machine().nodes.clone();
    nodes.retain(|path, _| !path.starts_with("/opt/mastodon/postgres/17.unfinished"));
    nodes
}

fn broken(report: &Report) -> Vec<&(String, Outcome)> {
    let fine = |outcome: &Outcome| matches!(outcome, Outcome::Unchanged | Outcome::Changed);
    report.outcomes.iter().filter(|(_, outcome)| !fine(outcome)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_password_at_the_mail_relay_stands_in_one_file_of_the_plan_and_in_no_event() {
    let (host, mut inputs) = (FakeHost::debian(), Inputs::sample());
    inputs.settings.smtp = Some(Smtp {
        server: "smtp.other-mail.org".parse().unwrap(),
        port: 587,
        login: "login".into(),
        password: "hunter22".into(),
        from: "a@other-mail.org".into(),
    });
    // Nothing is hidden by this redactor.
    let (events, mut stream) = Events::new(Arc::new(Redactor::default()));
    let engine = Engine { host: Arc::new(host.clone()), events, stop: Stop::default(), jobs: 1 };
    engine.run(build(&inputs), Mode::Apply).await;
    drop(engine);
    let mut told = String::new();
    while let Some(event) = stream.recv().await {
        told += &serde_json::to_string(&event).unwrap();
    }
    let holders = |text: &str| {
        let machine = host.machine();
        let paths: Vec<_> = machine.nodes.keys().filter(|path| machine.text(path).contains(text)).cloned().collect();
        paths
    };
    assert_eq!(holders("smtp.other-mail.org"), ["/etc/tootstrap/settings.toml", "/opt/mastodon/env.production"].map(PathBuf::from));
    assert_eq!(holders("hunter22"), [PathBuf::from("/opt/mastodon/secrets.env")]);
    assert!(told.contains("/opt/mastodon/secrets.env") && !told.contains("hunter22"));
}

#[tokio::test(start_paused = true)]
async fn a_second_run_changes_nothing() {
    let host = FakeHost::debian();
    let first = install(&host).await;
    assert_eq!(broken(&first), Vec::<&(String, Outcome)>::new());
    assert!(!host.take_log().is_empty());

    let second = install(&host).await;
    assert_eq!(host.take_log(), Vec::<String>::new());
    assert_eq!(second.counts.unchanged, second.counts.total());
    assert_eq!(second.outcomes.len(), first.outcomes.len());
}

/// Inputs for a machine with a web server of its own, and that web server.
fn behind_proxy() -> (Inputs, FakeProxy) {
    let mut inputs = Inputs::sample();
    (inputs.settings.behind_proxy, inputs.settings.token) = (true, None);
    (inputs, FakeProxy::default())
}

#[tokio::test(start_paused = true)]
async fn behind_a_proxy_there_is_no_caddy_and_whoever_has_the_ports_keeps_them() {
    let (host, (inputs, proxy)) = (FakeHost::debian(), behind_proxy());
    host.machine().docker.listeners = "LISTEN 0 511 0.0.0.0:443 0.0.0.0:* users:((\"nginx\",pid=71,fd=6))\n".into();
    host.machine().publish(&["social.fedi-test.org"]);
    host.machine().proxy = Some(FakeProxy { silent: true, ..proxy.clone() });
    let first = run_with(&inputs, &host, Mode::Apply, Stop::default()).await;
    assert!(matches!(broken(&first).as_slice(), [(id, Outcome::Waiting { .. })] if id == "edge/proxy"), "{:?}", broken(&first));
    assert!(!host.machine().docker.containers.contains_key("caddy") && host.machine().docker.containers.contains_key("web"));
    assert!(!host.machine().text("/opt/mastodon/compose.yaml").contains("caddy"));
    assert!(host.machine().text("/opt/mastodon/env.production").contains("\nTRUSTED_PROXY_IP=127.0.0.0/8,"));

    host.machine().proxy = Some(proxy);
    host.take_log();
    let second = run_with(&inputs, &host, Mode::Apply, Stop::default()).await;
    assert_eq!((second.counts.unchanged, host.take_log()), (second.counts.total(), Vec::new()), "{:?}", broken(&second));
}

#[tokio::test(start_paused = true)]
async fn caddy_goes_when_a_proxy_comes_and_comes_back() {
    let (host, (inputs, proxy)) = (FakeHost::debian(), behind_proxy());
    install(&host).await;
    let world = host.machine().linode.clone();
    host.machine().publish(&["social.fedi-test.org"]);
    host.machine().proxy = Some(proxy);
    let there = run_with(&inputs, &host, Mode::Apply, Stop::default()).await;
    assert_eq!(broken(&there), Vec::<&(String, Outcome)>::new());
    assert!(!host.machine().docker.containers.contains_key("caddy"));
    host.machine().linode = world;
    let back = install(&host).await;
    assert_eq!(broken(&back), Vec::<&(String, Outcome)>::new());
    assert!(host.machine().docker.containers.contains_key("caddy"));
}

#[tokio::test(start_paused = true)]
async fn a_preview_names_exactly_the_file_of_the_project_that_is_missing() {
    for file in ["compose.yaml", "env.production", "secrets.env"] {
        let host = FakeHost::debian();
        install(&host).await;
        host.machine().nodes.remove(&PathBuf::from("/opt/mastodon").join(file));
        let report = run(&host, Mode::Preview, Stop::default()).await;
        let pending: Vec<_> =
            report.outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::Pending).map(|(id, _)| id.clone()).collect();
        assert_eq!((pending, report.counts.failed, report.counts.blocked), (vec![format!("docker/{file}")], 0, 0), "{:?}", broken(&report));
    }
}

#[tokio::test(start_paused = true)]
async fn a_preview_of_a_bare_machine_changes_nothing_and_fails_nowhere() {
    let host = FakeHost::debian();
    let before = files(&host);
    let report = run(&host, Mode::Preview, Stop::default()).await;
    assert_eq!(host.take_log(), Vec::<String>::new());
    assert_eq!(files(&host), before);
    assert_eq!((report.counts.failed, report.counts.blocked, report.counts.changed), (0, 0, 0), "{:?}", broken(&report));
    assert!(report.counts.pending > 0);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_cannot_be_had_yet_is_waited_for_and_nothing_is_pending() {
    let host = FakeHost::debian();
    host.machine().docker.issues = false;
    install(&host).await;
    host.take_log();
    let status = run(&host, Mode::Preview, Stop::default()).await;
    assert_eq!((status.counts.waiting, status.counts.unchanged + 1), (1, status.counts.total()), "{:?}", broken(&status));
    assert!(matches!(broken(&status).as_slice(), [(id, Outcome::Waiting { .. })] if id == "edge/certificate"));
    assert_eq!(host.take_log(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_at_any_mutation_is_completed_by_the_next() {
    disturbed_at_every_mutation(|_| Trouble::Fail).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_at_any_mutation_is_completed_by_the_next() {
    disturbed_at_every_mutation(|stop| Trouble::Stop(stop.clone())).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_killed_at_any_mutation_is_completed_by_the_next() {
    disturbed_at_every_mutation(|_| Trouble::Kill).await;
}

/// Takes away what an installation made.
async fn uninstall(host: &FakeHost, delete_data: bool, stop: Stop) -> Report {
    let (events, _unread) = Events::new(Arc::new(Redactor::default()));
    let engine = Engine { host: Arc::new(host.clone()), events, stop, jobs: 1 };
    engine.run(removal::build(&Removal::of(&Inputs::sample(), delete_data)), Mode::Apply).await
}

/// An installed server with data, and with files of its owner's.
async fn installed() -> FakeHost {
    let host = FakeHost::debian();
    install(&host).await;
    for file in ["postgres/17/PG_VERSION", "public/system/cat.png", "custom.env", "caddy/custom/blog.caddy", "compose.yaml.former"] {
        host.machine().place(PathBuf::from("/opt/mastodon").join(file), Kind::File, "theirs", 0o600);
    }
    host.machine().place("/etc/tootstrap/secrets.toml", Kind::File, "secret", 0o600);
    host.machine().place(COMPLETE, Kind::File, "version = 1\n", 0o644);
    host
}

#[tokio::test(start_paused = true)]
async fn an_uninstalled_server_comes_back_with_its_data() {
    let host = installed().await;
    let installed = files(&host);
    let report = uninstall(&host, false, Stop::default()).await;
    assert_eq!(broken(&report), Vec::<&(String, Outcome)>::new());
    let left: Vec<_> = files(&host).into_keys().filter(|path| path.starts_with("/opt/mastodon")).collect();
    let is_left = |path: &str| left.contains(&PathBuf::from("/opt/mastodon").join(path));
    for kept in ["postgres/17/PG_VERSION", "public/system/cat.png", "custom.env", "caddy/custom/blog.caddy", "compose.yaml.former"] {
        assert!(is_left(kept), "{kept}: {left:?}");
    }
    for gone in ["compose.yaml", "secrets.env", "caddy/conf/Caddyfile", "redis/conf"] {
        assert!(!is_left(gone), "{gone}: {left:?}");
    }
    {
        let machine = host.machine();
        assert!(machine.docker.containers.is_empty() && machine.docker.images.is_empty());
        assert_eq!(machine.text("/etc/tootstrap/secrets.toml"), "secret");
        assert!(machine.ufw.rules.iter().all(|rule| !rule.contains("80/tcp") && !rule.contains("443/")), "{:?}", machine.ufw.rules);
        assert!(!machine.text("/etc/fstab").contains("/swapfile"));
    }
    host.take_log();
    uninstall(&host, false, Stop::default()).await;
    assert_eq!(host.take_log(), Vec::<String>::new(), "nothing is removed twice");

    let again = install(&host).await;
    assert_eq!(broken(&again), Vec::<&(String, Outcome)>::new());
    let missing: Vec<_> = installed.keys().filter(|path| !files(&host).contains_key(*path)).collect();
    assert_eq!(missing, [&PathBuf::from(COMPLETE)], "the end of a whole run writes it");
}

#[tokio::test(start_paused = true)]
async fn where_data_were_kept_no_empty_database_takes_their_place() {
    let database = PathBuf::from("/opt/mastodon/postgres/17");
    for (complete, has_directory, has_database, goes_on) in
        [(true, true, true, true), (true, true, false, false), (true, false, false, false), (false, true, false, true)]
    {
        let host = installed().await;
        host.machine().nodes.retain(|path, _| !path.starts_with(&database) && !path.ends_with("secrets.toml"));
        secrets::load_or_create(&host).await.unwrap();
        if !complete {
            host.machine().nodes.remove(Path::new(COMPLETE));
        }
        if has_directory {
            host.machine().place(&database, Kind::Directory, "", 0o700);
        }
        if has_database {
            host.machine().place(database.join("PG_VERSION"), Kind::File, "17\n", 0o600);
        }
        let case = format!("complete: {complete}, directory: {has_directory}, database: {has_database}");
        assert_eq!(broken(&uninstall(&host, false, Stop::default()).await), Vec::<&(String, Outcome)>::new(), "{case}");
        let there = [COMPLETE, DATA_KEPT].map(|path| host.machine().nodes.contains_key(Path::new(path)));
        assert_eq!(there, [false, complete], "{case}");

        let again = secrets::load_or_create(&host).await;
        assert_eq!(again.is_ok(), goes_on, "{case}");
        match again {
            Ok(_) => assert_eq!(broken(&install(&host).await), Vec::<&(String, Outcome)>::new(), "{case}"),
            Err(error) => assert!(Problem::remedy_of(&error).unwrap().ends_with("sudo rm /var/lib/tootstrap/data-kept"), "{error:#}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_its_data_only_what_is_the_owners_stays() {
    let host = installed().await;
    let report = uninstall(&host, true, Stop::default()).await;
    assert_eq!(broken(&report), Vec::<&(String, Outcome)>::new());
    let roots = ["/opt/mastodon", "/etc/tootstrap", "/var/lib/tootstrap", "/usr/local/bin/tootstrap"];
    let left: Vec<_> = files(&host).into_keys().filter(|path| roots.iter().any(|root| path.starts_with(root))).collect();
    let expected = ["", "/caddy", "/caddy/custom", "/caddy/custom/blog.caddy", "/custom.env"]
        .map(|path| PathBuf::from(format!("/opt/mastodon{path}")));
    assert_eq!(left, expected);
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_fails_or_stops_at_any_mutation_is_completed_by_the_next() {
    let undisturbed = installed().await;
    undisturbed.take_log();
    uninstall(&undisturbed, true, Stop::default()).await;
    let mutations = undisturbed.take_log();
    assert!(mutations.len() > 10, "{mutations:?}");
    let troubles: [fn(&Stop) -> Trouble; 2] = [|_| Trouble::Fail, |stop| Trouble::Stop(stop.clone())];
    for trouble in troubles {
        for (number, mutation) in mutations.iter().enumerate() {
            let (host, stop) = (installed().await, Stop::default());
            host.trouble_at(number, trouble(&stop));
            uninstall(&host, true, stop).await;
            let next = uninstall(&host, true, Stop::default()).await;
            assert_eq!(broken(&next), Vec::<&(String, Outcome)>::new(), "after trouble at {number}: {mutation}");
            assert_eq!(files(&host), files(&undisturbed), "after trouble at {number}: {mutation}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_broke_off_within_the_cluster_is_gone_on_with() {
    let (undisturbed, host) = (installed().await, installed().await);
    uninstall(&undisturbed, true, Stop::default()).await;
    host.fail_next("-- /opt/mastodon/postgres/17");
    assert_eq!(broken(&uninstall(&host, true, Stop::default()).await)[0].0, "remove/data");
    // What rm had come to; the cluster is not the one of the dump any more, and no container could make another.
    let control = host.machine().nodes.remove(Path::new("/opt/mastodon/postgres/17/global/pg_control"));
    assert!(control.is_some() && host.machine().nodes.contains_key(Path::new("/opt/mastodon/postgres/17")));
    assert_eq!(broken(&uninstall(&host, true, Stop::default()).await), Vec::<&(String, Outcome)>::new());
    assert_eq!(files(&host), files(&undisturbed));
}

async fn disturbed_at_every_mutation(trouble: fn(&Stop) -> Trouble) {
    let undisturbed = FakeHost::debian();
    install(&undisturbed).await;
    let mutations = undisturbed.take_log();
    let wanted = files(&undisturbed);

    for (number, mutation) in mutations.iter().enumerate() {
        let (host, stop) = (FakeHost::debian(), Stop::default());
        host.trouble_at(number, trouble(&stop));
        run(&host, Mode::Apply, stop).await;
        host.trouble_ends();
        let next = install(&host).await;
        assert_eq!(broken(&next), Vec::<&(String, Outcome)>::new(), "after trouble at {number}: {mutation}");
        assert_eq!(files(&host), wanted, "after trouble at {number}: {mutation}");
        install(&host).await;
        host.take_log();
        install(&host).await;
        assert_eq!(host.take_log(), Vec::<String>::new(), "after trouble at {number}: {mutation}");
    }
}
