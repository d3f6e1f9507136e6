//! `make dist`: what it renders is reproducible, and signed sums are verified by the scripts that fetch the program.

use std::path::{Path, PathBuf};
use std::process::Command;

const BINARY: &str = "tootstrap-x86_64-linux-musl";

type Tampering = fn(&Release, &str);

/// A release of a double of the program, which only says that it was started.
struct Release {
    root: tempfile::TempDir,
}

impl Release {
    fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a directory") }
    }

    /// A release that this new key signed.
    fn signed() -> Self {
        let release = Self::new();
        release.make_key("release");
        assert!(release.render("dist", "release", "release"));
        release
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn make_key(&self, name: &str) {
        let made = Command::new("minisign")
            .args(["-G", "-f", "-W", "-s"])
            .arg(self.path(&format!("{name}.key")))
            .arg("-p")
            .arg(self.path(&format!("{name}.pub")))
            .output()
            .expect("minisign: `make setup` installs it");
        assert!(made.status.success(), "{made:?}");
    }

    /// Renders into a new directory. Without a key: unsigned.
    fn render(&self, dist: &str, key: &str, public: &str) -> bool {
        let dist = self.path(dist);
        std::fs::create_dir_all(&dist).expect("a directory");
        std::fs::write(dist.join(BINARY), "#!/bin/sh\necho \"installed with $*\"\n").expect("a file");
        let mut render = Command::new("sh");
        render.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("stackscript/render.sh")).arg(&dist).args(["1.2.3", "https://get.example"]);
        if !key.is_empty() {
            render.arg(self.path(&format!("{key}.key"))).arg(self.path(&format!("{public}.pub")));
        }
        render.output().expect("sh").status.success()
    }

    /// Every file of a rendering with its content.
    fn files(&self, dist: &str) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.path(dist)).expect("readable").map(|entry| entry.expect("an entry"));
        let mut files: Vec<_> =
            entries.map(|entry| (entry.file_name().into_string().expect("text"), std::fs::read(entry.path()).expect("readable"))).collect();
        files.sort();
        files
    }

    /// Runs a script of the release as it is, but into a directory of the test, with a double of curl that serves the release: whether it
    /// went well, what was said, and whether the program is there.
    fn run(&self, script: &str, verifier: bool) -> (bool, String, bool) {
        let program = self.path("bin/tootstrap");
        let _none = std::fs::remove_dir_all(self.path("bin"));
        std::fs::create_dir(self.path("bin")).expect("a directory");
        let text = std::fs::read_to_string(self.path("dist").join(script)).expect("rendered");
        let mut text = text
            .replace("/usr/local/bin/tootstrap", &program.to_string_lossy())
            .replace("/var/log/stackscript.log", &self.path("log").to_string_lossy());
        if !verifier {
            text = text.replace("command -v minisign", "command -v no-such-verifier");
        }
        let doubles = format!(
            "id() {{ echo 0; }}\nsleep() {{ :; }}\ncurl() {{ for url; do :; done; while [ \"$1\" != --output ]; do shift; done; \
             cp \"{}/${{url##*/}}\" \"$2\" 2>/dev/null || return 22; }}\n",
            self.path("dist").to_string_lossy()
        );
        let shell = if script == "stackscript.sh" { "bash" } else { "sh" };
        let ran = Command::new(shell).args(["-c", &format!("{doubles}{text}")]).output().expect("a shell");
        let left = std::fs::read_dir(self.path("bin")).expect("readable").count();
        assert_eq!(left, usize::from(program.exists()), "{script} leaves no part of a download");
        let said = String::from_utf8([ran.stdout, ran.stderr].concat()).expect("text").replace("[stackscript] ", "");
        (ran.status.success(), said.split_whitespace().collect::<Vec<_>>().join(" "), program.exists())
    }
}

#[test]
fn two_renderings_are_equal_byte_for_byte() {
    let release = Release::new();
    release.make_key("release");
    for (name, key, files) in [("unsigned", "", 5), ("signed", "release", 6)] {
        let (one, two) = (format!("{name}-1"), format!("{name}-2"));
        assert!(release.render(&one, key, key) && release.render(&two, key, key));
        assert_eq!(release.files(&one), release.files(&two));
        assert_eq!(release.files(&one).len(), files, "{name}");
    }
}

#[test]
fn a_signature_of_earlier_does_not_stay() {
    let release = Release::signed();
    assert!(release.path("dist/SHA256SUMS.minisig").exists());
    assert!(release.render("dist", "", ""));
    assert!(!release.path("dist/SHA256SUMS.minisig").exists());
    release.make_key("other");
    assert!(!release.render("dist", "release", "other"), "a key pair whose halves are of different pairs");
    assert!(!release.path("dist/SHA256SUMS.minisig").exists());
}

#[test]
fn the_signature_is_verified_where_a_verifier_is() {
    for script in ["install.sh", "stackscript.sh"] {
        let release = Release::signed();
        for (verifier, told) in [(true, true), (false, false)] {
            let (well, said, there) = release.run(script, verifier);
            assert!(well && there && said.contains("installed with install"), "{script}: {said}");
            assert_eq!(said.contains("tootstrap 1.2.3 is signed by RW"), told, "{script}: {said}");
        }
        // Without a public key there is nothing to verify with.
        assert!(release.render("dist", "", ""));
        let (well, said, _) = release.run(script, true);
        assert!(well && !said.contains("signed"), "{script}: {said}");
    }
}

#[test]
fn what_is_tampered_with_is_not_installed() {
    let sums = "dist/SHA256SUMS";
    let cases: [(&str, Tampering); 5] = [
        ("is not by the key", |release, sums| {
            let text = std::fs::read_to_string(release.path(sums)).expect("sums");
            std::fs::write(release.path(sums), text.replacen(BINARY, "another-file", 1)).expect("a file");
        }),
        ("is not by the key", |release, _| {
            // Somebody else signs the very same sums.
            release.make_key("other");
            assert!(release.render("theirs", "other", "other"));
            std::fs::copy(release.path("theirs/SHA256SUMS.minisig"), release.path("dist/SHA256SUMS.minisig")).expect("a copy");
        }),
        ("does not name the program", |release, sums| {
            // Signed by the right key, but for another release.
            std::fs::write(release.path(sums), "0000  another-file\n").expect("a file");
            let signed =
                Command::new("minisign").args(["-S", "-s"]).arg(release.path("release.key")).arg("-m").arg(release.path(sums)).output();
            assert!(signed.expect("minisign").status.success());
        }),
        ("SHA256SUMS.minisig", |release, _| std::fs::remove_file(release.path("dist/SHA256SUMS.minisig")).expect("removed")),
        ("is not the one that this script was made for", |release, _| {
            std::fs::write(release.path("dist").join(BINARY), "#!/bin/sh\necho evil\n").expect("a file");
        }),
    ];
    for script in ["install.sh", "stackscript.sh"] {
        for (why, tamper) in &cases {
            let release = Release::signed();
            tamper(&release, sums);
            let (well, said, there) = release.run(script, true);
            assert!(
                !well
                    && !there
                    && said.contains(why)
                    && said.contains("nothing was installed")
                    && said.contains(" do ")
                    && said.contains(" go on "),
                "{script}, {why}: {said}"
            );
            assert!(!said.contains("installed with") && !said.contains("evil"), "{script}: {said}");
        }
    }
}
