use super::*;
use crate::host::fake::{FakeHost, Machine};
use crate::resource::stamp;
use crate::resource::testing::converge;

const INSTALL: &str = "run apt-get -q -y -o DPkg::Lock::Timeout=20 -o Dpkg::Options::=--force-confdef \
                       -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 install --no-install-recommends";
const UPDATE: &str = "run apt-get -q -y -o DPkg::Lock::Timeout=20 -o Dpkg::Options::=--force-confdef \
                      -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 update";

const NOTE: &str = "write /var/lib/tootstrap/stamps/base-installing 644";
const SYNC: &str = "run sync --file-system /etc /usr /var";
const FORGET: &str = "remove /var/lib/tootstrap/stamps/base-installing";

fn packages() -> Packages {
    Packages::new("base", ["sudo", "ufw"])
}

async fn case(arrange: impl Fn(&mut Machine), drift: &str, log: &[&str]) {
    let host = FakeHost::debian();
    host.machine().place("/var/lib/apt/lists/deb.debian.org_debian_dists_bullseye_InRelease", crate::host::Kind::File, "", 0o644);
    arrange(&mut host.machine());
    let shown: Vec<_> = packages().check(&host).await.unwrap().changes.iter().map(ToString::to_string).collect();
    assert_eq!(shown.join("; "), drift);
    let log: Vec<_> = log.iter().map(|line| line.replace("INSTALL", INSTALL).replace("UPDATE", UPDATE)).collect();
    assert_eq!(commands(&host).await, log);
}

/// What converging runs, but for what makes it safe from a power cut.
async fn commands(host: &FakeHost) -> Vec<String> {
    let log = converge(host, &packages()).await;
    if log.is_empty() {
        return log;
    }
    let log: Vec<_> = log.into_iter().filter(|line| !line.starts_with("make_dir ")).collect();
    let [first, between @ .., synced, last] = log.as_slice() else { panic!("{log:#?}") };
    assert_eq!([first, synced, last], [NOTE, SYNC, FORGET]);
    between.to_vec()
}

#[tokio::test(start_paused = true)]
async fn table_of_states() {
    case(|_| (), "install sudo ufw", &["INSTALL sudo ufw"]).await;
    case(|m| ["sudo", "ufw"].iter().for_each(|p| m.install(p)), "", &[]).await;
    case(|m| m.install("ufw"), "install sudo", &["INSTALL sudo"]).await;
    case(|m| m.apt.busy = 2, "install sudo ufw", &["INSTALL sudo ufw"; 3]).await;
}

#[tokio::test]
async fn a_half_configured_package_is_finished() {
    let half = |m: &mut Machine| {
        m.install("ufw");
        m.apt.installed.insert("sudo".into(), "iF");
        m.apt.interrupted = true;
    };
    let log = [
        "INSTALL sudo",
        "run dpkg --force-confdef --force-confold --configure -a",
        &UPDATE.replace("update", "install --fix-broken"),
        "INSTALL sudo",
    ];
    case(half, "finish the installation of sudo", &log).await;
}

#[tokio::test]
async fn a_version_that_is_gone_is_replaced_by_the_next() {
    let gone = |m: &mut Machine| {
        m.install("ufw");
        m.apt.versions.insert("sudo".into(), vec!["1:2.0", "1:1.5", "1.0"]);
        m.apt.gone.extend(["sudo=1:2.0", "sudo=1:1.5"].map(String::from));
    };
    let log = ["INSTALL sudo", "UPDATE", "INSTALL sudo", "INSTALL sudo=1:1.5", "INSTALL sudo=1.0"];
    case(gone, "install sudo", &log).await;
}

/// sudo was there, ufw was installed, and not all of that is on the disk.
async fn not_yet_on_the_disk() -> FakeHost {
    let host = FakeHost::debian();
    host.machine().place("/var/lib/apt/lists/deb.debian.org_debian_dists_bullseye_InRelease", crate::host::Kind::File, "", 0o644);
    host.machine().install("sudo");
    host.fail_next("run sync");
    assert!(packages().apply(&host).await.is_err());
    host.take_log();
    host
}

fn again() -> String {
    INSTALL.replace(" install ", " -o Dpkg::Options::=--force-confmiss install --reinstall ")
}

#[tokio::test]
async fn what_a_power_cut_may_have_torn_is_installed_again() {
    let host = not_yet_on_the_disk().await;
    assert_eq!(packages().check(&host).await.unwrap().changes[0].to_string(), "write what was installed to the disk");

    host.machine().place(stamp::BOOT, crate::host::Kind::File, "second\n", 0o444);
    let told = packages().check(&host).await.unwrap().changes;
    assert_eq!(told[0].to_string(), "install again what a power cut may have torn: ufw", "sudo was there before");
    let again = again();
    // Killed once more before it is on the disk.
    host.fail_next("run sync");
    assert!(packages().apply(&host).await.is_err());
    assert_eq!(host.take_log(), [&format!("{again} ufw"), NOTE]);
    host.machine().place(stamp::BOOT, crate::host::Kind::File, "third\n", 0o444);
    assert_eq!(converge(&host, &packages()).await, [&format!("{again} ufw"), NOTE, SYNC, FORGET]);
}

#[tokio::test]
async fn what_a_power_cut_left_half_installed_is_installed_again_first() {
    let host = not_yet_on_the_disk().await;
    host.machine().place(stamp::BOOT, crate::host::Kind::File, "second\n", 0o444);
    host.machine().apt.installed.insert("sudo".into(), "iHR");
    let told = packages().check(&host).await.unwrap().changes;
    assert_eq!(told[0].to_string(), "install again what a power cut may have torn: sudo ufw");
    let again = again();
    assert_eq!(converge(&host, &packages()).await, [&format!("{again} sudo ufw"), NOTE, SYNC, FORGET]);
}

#[tokio::test]
async fn what_the_mirror_has_no_more_is_not_installed_again() {
    let host = not_yet_on_the_disk().await;
    host.machine().place(stamp::BOOT, crate::host::Kind::File, "second\n", 0o444);
    host.machine().apt.versions.insert("ufw".into(), vec!["1.0", "0.9"]);
    host.machine().apt.gone.insert("ufw=1.0".into());
    let log = converge(&host, &packages()).await;
    let again = again();
    assert_eq!(log[log.len() - 4..], [again.as_str(), NOTE, SYNC, FORGET]);
    assert!(!log.iter().any(|line| line.contains("ufw=0.9")), "{log:#?}");
}

#[tokio::test]
async fn an_index_that_a_power_cut_tore_is_fetched_anew() {
    let torn = |m: &mut Machine| {
        m.install("ufw");
        m.apt.installed.insert("sudo".into(), "iHR");
        m.apt.torn = true;
    };
    let find = "run find /var/lib/apt/lists -type f -not -name lock -delete";
    let clean = UPDATE.replace("update", "clean");
    case(torn, "finish the installation of sudo", &["INSTALL sudo", find, &clean, "UPDATE", "INSTALL sudo"]).await;
}

#[tokio::test]
async fn an_index_that_stays_poor_is_fetched_anew_once() {
    let host = FakeHost::debian();
    host.machine().place("/var/lib/apt/lists/deb.debian.org_debian_dists_bullseye_InRelease", crate::host::Kind::File, "", 0o644);
    let error = Packages::new("base", ["no-such"]).apply(&host).await.unwrap_err();
    assert!(format!("{error:#}").contains("Unable to locate package no-such"), "{error:#}");
    let log = host.take_log();
    assert_eq!(log.iter().filter(|line| line.ends_with(" update")).count(), 2, "{log:#?}");
    assert_eq!(log.iter().filter(|line| line.ends_with(" install --no-install-recommends no-such")).count(), 3, "{log:#?}");
}

#[tokio::test]
async fn a_package_without_any_version_left_is_an_error_with_a_remedy() {
    let host = FakeHost::debian();
    host.machine().apt.gone.insert("sudo=1.0".into());
    host.machine().install("ufw");
    let error = packages().apply(&host).await.unwrap_err();
    assert!(format!("{error:#}").starts_with("the mirror lists sudo but has no version of it any more"), "{error:#}");
}
