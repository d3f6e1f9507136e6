//! What apt and dpkg print, their files, and what mirrors serve.

use std::path::Path;

use tootstrap::facts::Release;
use tootstrap::host::Probe;
use tootstrap::resource::apt::{Index, Key, Packages, Repository, Upgrade};

use super::super::wait;
use super::{Trial, converge};

const DOCKER: &str = "https://download.docker.com/linux/debian";
const SOURCES: &str = "/etc/apt/sources.list";

const SLOTS: [&str; 11] = [
    "run dpkg-query",
    "run apt-cache madison",
    "run apt-get",
    "run dpkg",
    "file /etc/apt/sources.list.d/",
    "file /etc/apt/sources.list",
    "list /etc/apt/sources.list.d",
    "list /var/lib/apt/lists",
    "http http",
    "file /root/key.asc",
    "file /var/lib/tootstrap/stamps/",
];

pub fn run(data: &[u8]) {
    let mut trial = Trial::new(data, &SLOTS, 4);
    trial.converge(&Packages::new("base", ["sudo", "curl"]));
    trial.converge(&Upgrade);
    if let Some(machine) = trial.next() {
        let sources = || wait(machine.read_text(Path::new(SOURCES))).ok().flatten();
        let before = sources();
        converge(&machine, &Index::new(Release::Bullseye, [DOCKER.to_owned()]));
        if let (Some(before), Some(after)) = (before, sources()) {
            assert_only_places_changed(&before, &after);
        }
    }
    let fingerprint = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88".to_owned();
    trial.converge(&Repository {
        name: "docker",
        comment: "# a comment".into(),
        url: DOCKER.into(),
        architecture: "amd64".into(),
        suite: "bullseye stable".into(),
        key: Key::File("/root/key.asc".into()),
        fingerprint,
    });
}

/// Line by line the same, but for lines that name a suite of Debian's.
fn assert_only_places_changed(before: &str, after: &str) {
    let lines = |text: &str| text.split('\n').map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (lines(before), lines(after));
    assert_eq!(before.len(), after.len(), "{before:?} became {after:?}");
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || after.contains(".debian.org/") || after.contains("check-valid-until=no"), "{before:?} became {after:?}");
    }
}
