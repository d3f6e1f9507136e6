//! Every file that the program keeps × every way in which it can be damaged: what is refused (before anything changes), and what goes on.

use std::path::Path;

use super::*;
use crate::cli::Exit;
use crate::host::Kind;
use crate::host::fake::FakeHost;
use crate::report::{Journal, Made, Problem};
use crate::resource::{Once, Resource};
use crate::resume::COMPLETE;
use crate::secrets::{Entered, Secrets};
use crate::settings::{ANSWERS, RECORDED, Settings};

const IMAGES: &str = digests::IMAGES;
const STAMP: &str = "/var/lib/tootstrap/stamps/a-deed";
const DATABASE: &str = "/opt/mastodon/postgres/17/PG_VERSION";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Empty,
    Truncated,
    Garbage,
    OldVersion,
    NoVersion,
    NewVersion,
    Directory,
}

use Damage::{Directory, Empty, Garbage, NewVersion, NoVersion, OldVersion, Truncated};

const EVERY: [Damage; 7] = [Empty, Truncated, Garbage, OldVersion, NoVersion, NewVersion, Directory];

impl Damage {
    /// The content after it. `None`: a directory.
    fn of(self, good: &str) -> Option<Vec<u8>> {
        Some(match self {
            Empty => Vec::new(),
            Truncated => good.as_bytes()[..good.len() / 2].to_vec(),
            Garbage => (0..=255).rev().collect(),
            OldVersion => good.replacen("version = 1", "version = 0", 1).into_bytes(),
            NoVersion => good.replacen("version = 1\n", "", 1).into_bytes(),
            NewVersion => good.replacen("version = 1", "version = 2", 1).into_bytes(),
            Directory => return None,
        })
    }

    fn happens_to(self, path: &str, host: &FakeHost) {
        let mut machine = host.machine();
        let good = machine.text(path);
        machine.place(path, if self == Directory { Kind::Directory } else { Kind::File }, "", 0o600);
        let Some(content) = self.of(&good) else { return };
        machine.nodes.get_mut(Path::new(path)).expect("just placed").content = content;
    }
}

/// Everything that an installed machine has on record.
async fn installed() -> (FakeHost, Secrets) {
    let host = FakeHost::debian();
    let secrets = secrets::keep(&host, Entered::default(), Some(&"alice".parse().expect("a name"))).await.expect("secrets");
    deed().apply(&host).await.expect("a stamp");
    let mut machine = host.machine();
    machine.place(RECORDED, Kind::File, &settings::record(&Settings::sample()), 0o600);
    machine.place(IMAGES, Kind::File, "version = 1\n[digests]\n\"redis:7-alpine\" = \"redis@sha256:12\"\n", 0o644);
    machine.place(COMPLETE, Kind::File, "version = 1\ntootstrap = \"0.1.0\"\n", 0o644);
    machine.place(DATABASE, Kind::File, "17\n", 0o600);
    drop(machine);
    host.take_log();
    (host, secrets)
}

fn deed() -> Once {
    Once::new("a/deed", "do it", [])
}

/// What `install` and `plan` look at before they ask or begin anything.
async fn looked_at(host: &FakeHost) -> End<Given> {
    records_are_whole(host).await?;
    settings::gather(Options::default(), SecretEnv::default(), None, host).await.map_err(Trouble::refused)
}

#[tokio::test]
async fn what_cannot_be_made_again_is_refused_with_what_to_do_and_left_alone() {
    for (path, harmless) in [
        // An operator may have written it without a version, and what is cut off at the end of a line is only half of a file.
        (RECORDED, &[Empty, NoVersion][..]),
        (secrets::PATH, &[OldVersion]),
        (IMAGES, &[OldVersion]),
    ] {
        for damage in EVERY {
            let (host, made) = installed().await;
            damage.happens_to(path, &host);
            let before = host.machine().nodes.clone();
            let result = looked_at(&host).await;
            assert_eq!(result.is_ok(), harmless.contains(&damage), "{path} {damage:?}");
            if let Err(trouble) = result {
                let told = format!("{:#}", trouble.error);
                assert_eq!(trouble.exit, Exit::Refused, "{path} {damage:?}");
                assert!(told.contains(path) && Problem::remedy_of(&trouble.error).is_some(), "{path} {damage:?}: {told}");
                let leaked = made.all().into_iter().any(|secret| told.contains(secret.expose_secret()));
                assert!(!leaked, "{path} {damage:?}");
            }
            assert_eq!(host.machine().nodes, before, "{path} {damage:?}");
        }
    }
}

#[tokio::test]
async fn an_empty_record_on_an_installed_machine_is_no_record_and_no_form() {
    let (host, _) = installed().await;
    Empty.happens_to(RECORDED, &host);
    host.machine().place(ANSWERS, Kind::File, "domain = 'other.org'\n", 0o600);
    let given = looked_at(&host).await.unwrap_or_else(|trouble| panic!("{:#}", trouble.error));
    assert_eq!((given.is_recorded(), given.may_keep_answers(), given.options.domain), (false, false, None));
}

#[tokio::test]
async fn answers_of_a_refused_form_that_are_damaged_are_refused_too() {
    for damage in EVERY {
        let host = FakeHost::debian();
        host.machine().place(ANSWERS, Kind::File, "version = 1\nowner = 'Alice'\nsubdomain = 'social'\n", 0o600);
        damage.happens_to(ANSWERS, &host);
        let result = looked_at(&host).await;
        assert_eq!(result.is_ok(), matches!(damage, Empty | NoVersion), "{damage:?}");
        if let Err(trouble) = result {
            let wanted = if damage == NewVersion { "use the tootstrap that wrote it" } else { "remove it and give the answers again" };
            assert!(Problem::remedy_of(&trouble.error).is_some_and(|remedy| remedy.starts_with(wanted)), "{damage:?}");
        }
    }
}

#[tokio::test]
async fn a_damaged_stamp_repeats_its_deed_and_is_right_afterwards() {
    for damage in EVERY {
        let (host, _) = installed().await;
        let good = host.machine().text(STAMP);
        damage.happens_to(STAMP, &host);
        looked_at(&host).await.unwrap_or_else(|trouble| panic!("{damage:?}: {:#}", trouble.error));
        // Stamps have no version: what they say is compared.
        let lost = matches!(damage, Empty | Truncated | Garbage | Directory);
        assert_eq!(deed().check(&host).await.expect("a check").is_empty(), !lost, "{damage:?}");
        deed().apply(&host).await.expect("the deed");
        assert_eq!(host.machine().text(STAMP), good, "{damage:?}");
    }
}

#[tokio::test]
async fn the_mark_of_a_finished_installation_counts_whatever_it_says() {
    for damage in EVERY {
        let (host, _) = installed().await;
        damage.happens_to(COMPLETE, &host);
        assert!(looked_at(&host).await.is_ok_and(|given| given.installed), "{damage:?}");
    }
}

#[tokio::test]
async fn a_database_without_its_secrets_and_secrets_without_their_database_are_refused() {
    for (lost, part) in [(secrets::PATH, "/etc/tootstrap/secrets.toml is missing"), (DATABASE, "holds no database any more")] {
        let (host, _) = installed().await;
        host.machine().nodes.remove(Path::new(lost));
        let trouble = looked_at(&host).await.err().unwrap_or_else(|| panic!("{lost}"));
        assert_eq!(trouble.exit, Exit::Refused);
        assert!(format!("{:#}", trouble.error).contains(part));
        assert!(Problem::remedy_of(&trouble.error).is_some_and(|remedy| remedy.contains("backup")));
        assert!(host.take_log().is_empty());
        assert!(host.stat(Path::new(lost)).await.expect("a look").is_none(), "{lost} came back");
    }
    assert!(looked_at(&FakeHost::debian()).await.is_ok(), "a bare machine");
}

/// The journal and the made-list: kept beside, begun anew; a newer version's is refused and left alone.
#[test]
fn lists_that_are_damaged_are_put_aside_and_begun_anew() {
    for damage in EVERY {
        for open in [|path: &Path| Journal::open(path).map(drop), |path: &Path| Made::open(path).map(drop)] {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("list.jsonl");
            let good = "{\"version = 1\":0}".replace("\"version = 1\":0", "\"version\":1");
            let content = match damage {
                NewVersion => Some(good.replace('1', "2").into_bytes()),
                OldVersion => Some(good.replace('1', "0").into_bytes()),
                NoVersion => Some(b"{}\n{\"event\":\"note\"}\n".to_vec()),
                other => other.of(&good),
            };
            write_or_make(&path, content.as_deref());
            let result = open(&path);
            assert_eq!(result.is_err(), damage == NewVersion, "{damage:?}: {result:?}");
            let aside = path.with_file_name("list.jsonl.damaged");
            assert_eq!(aside.exists(), matches!(damage, Truncated | Garbage | NoVersion | Directory), "{damage:?}");
            match (&content, damage) {
                (Some(content), NewVersion) => assert_eq!(&std::fs::read(&path).expect("the file"), content),
                (_, OldVersion) => {}
                _ => assert_eq!(std::fs::read_to_string(&path).expect("the file"), "{\"version\":1}\n", "{damage:?}"),
            }
            // Once more: nothing else is put aside, and another damage does not overwrite the first.
            if damage != NewVersion {
                open(&path).expect("a good one");
                write_or_make(&path, Some(b"?"));
                open(&path).expect("a second time");
                let both = path.with_file_name("list.jsonl.damaged-2");
                assert_eq!(both.exists(), aside.exists() && !matches!(damage, Empty | OldVersion), "{damage:?}");
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a file of the test")]
fn write_or_make(path: &Path, content: Option<&[u8]>) {
    match content {
        Some(content) => std::fs::write(path, content).expect("a file"),
        None => std::fs::create_dir(path).expect("a directory"),
    }
}
