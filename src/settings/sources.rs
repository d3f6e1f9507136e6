//! Where settings come from: flags and environment (by clap), then a file, kept answers, the record of the last run.

use std::path::Path;

use anyhow::{Context, anyhow};
use secrecy::SecretString;

use super::Options;
use crate::host::Probe;
use crate::report::WithRemedy;
use crate::resume::COMPLETE;

/// What this machine's installation was made from: written by every run, read by every later one. It may be put there before the first.
pub const RECORDED: &str = "/etc/tootstrap/settings.toml";

/// Good answers of a form that was refused. They count only as long as nothing is recorded, so that they never meet an installed server.
pub const ANSWERS: &str = "/etc/tootstrap/answers.toml";

/// Secrets of this machine; of them only the mail relay's password is a setting.
const SECRETS: &str = "/etc/tootstrap/secrets.toml";

/// Data of our database: from then on the site's name is fixed.
const DATABASE: &str = "/opt/mastodon/postgres/17";

/// Format of the settings file.
pub(super) const VERSION: u32 = 1;

/// Everything that was given, from all sources, not yet checked.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The answers.
    pub options: Options,
    /// API token as pasted.
    pub token: Option<SecretString>,
    /// Password at the mail relay.
    pub smtp_password: Option<SecretString>,
    /// That password came now, not from the machine's secrets: a refused run does not keep it.
    pub smtp_password_is_new: bool,
    /// What the last run recorded.
    pub recorded: Option<Options>,
    /// A server is installed here, whether its record is still there or not.
    pub installed: bool,
}

impl Given {
    /// A run has begun here before: its record holds. A file that the operator put there is no record.
    pub fn is_recorded(&self) -> bool {
        is_record(self.recorded.as_ref())
    }

    /// Answers of a refused form may be kept for the next run: there is nothing yet that they could change by surprise.
    pub fn may_keep_answers(&self) -> bool {
        !self.installed && !self.is_recorded()
    }
}

fn is_record(recorded: Option<&Options>) -> bool {
    recorded.is_some_and(|recorded| recorded.resolved.is_some())
}

/// Secrets that came through the environment.
#[derive(Clone, Debug, Default)]
pub struct SecretEnv {
    /// `TOKEN_PASSWORD` (the form's name) or `LINODE_TOKEN`.
    pub token: Option<SecretString>,
    /// `SMTP_PASSWORD`.
    pub smtp_password: Option<SecretString>,
}

impl SecretEnv {
    /// Reads this process's environment.
    // This is the one place that reads it; clap reads the rest.
    pub fn read() -> Self {
        // What is not UTF-8 is refused by the settings, not passed over here.
        let variable = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty()).map(SecretString::from);
        Self { token: variable("TOKEN_PASSWORD").or_else(|| variable("LINODE_TOKEN")), smtp_password: variable("SMTP_PASSWORD") }
    }
}

/// Puts all sources together: flags and environment > `--settings FILE` > kept answers > record of the last run.
///
/// # Errors
/// A file that is missing or cannot be understood.
pub async fn gather(flags: Options, env: SecretEnv, file: Option<&Path>, probe: &dyn Probe) -> anyhow::Result<Given> {
    let flags = flags.tidied();
    let token = match &flags.linode_token_file {
        Some(path) => Some(secret_file(path, probe).await?),
        None => env.token,
    };
    let entered = match &flags.smtp.password_file {
        Some(path) => Some(secret_file(path, probe).await?),
        None => env.smtp_password,
    };
    let smtp_password_is_new = entered.is_some();
    let smtp_password = if smtp_password_is_new { entered } else { kept_smtp_password(probe).await? };
    let mut options = flags;
    if let Some(path) = file {
        let given = read(path, probe).await?.ok_or_else(|| anyhow!("there is no file {}", path.display())).remedy("check --settings")?;
        options = options.or(given);
    }
    let recorded = read(Path::new(RECORDED), probe).await?;
    let installed = is_installed(probe).await?;
    if !installed
        && !is_record(recorded.as_ref())
        && let Some(answers) = read(Path::new(ANSWERS), probe).await?
    {
        options = options.or(answers);
    }
    options.resolved = None;
    if let Some(recorded) = &recorded {
        options = options.or(recorded.clone());
    }
    Ok(Given { options, token, smtp_password, smtp_password_is_new, recorded, installed })
}

/// Whether a server is installed here: an installation came to its end, or there is a database, and with it an identity.
pub(super) async fn is_installed(probe: &dyn Probe) -> anyhow::Result<bool> {
    Ok(probe.stat(Path::new(COMPLETE)).await?.is_some() || !probe.list(Path::new(DATABASE)).await?.is_empty())
}

/// Reads a settings file.
async fn read(path: &Path, probe: &dyn Probe) -> anyhow::Result<Option<Options>> {
    let name = path.display();
    let remedy = match path.to_str() {
        Some(RECORDED) => {
            "correct it (docs/settings.md lists every setting) or put it back from a backup; without one, remove it and give \
                           the settings again, with the same names as at first"
        }
        Some(ANSWERS) => "remove it and give the answers again",
        _ => "correct the line; docs/settings.md lists every setting",
    };
    let Some(text) = probe.read_text(path).await.remedy(remedy)? else { return Ok(None) };
    let options: Options = toml::from_str(&text).with_context(|| format!("cannot understand {name}")).remedy(remedy)?;
    match options.version {
        None | Some(VERSION) => {}
        Some(newer) if newer > VERSION => {
            return Err(anyhow!("{name} has format {newer}; this tootstrap knows format {VERSION} only"))
                .remedy("use the tootstrap that wrote it, or a newer one");
        }
        Some(unknown) => return Err(anyhow!("{name} has format {unknown}, which no tootstrap writes")).remedy(remedy),
    }
    if options.resolved.as_ref().is_some_and(|resolved| resolved.site.is_empty() || resolved.handle_domain.is_empty()) {
        return Err(anyhow!("{name} is not whole: [resolved] does not name the site")).remedy(remedy);
    }
    Ok(Some(options.tidied()))
}

async fn secret_file(path: &str, probe: &dyn Probe) -> anyhow::Result<SecretString> {
    match probe.read_text(Path::new(path)).await? {
        Some(text) if !text.trim().is_empty() => Ok(SecretString::from(text)),
        Some(_) => Err(anyhow!("{path} is empty, but should hold a secret")).remedy("write the secret into it, readable by root alone"),
        None => Err(anyhow!("there is no file {path}, which should hold a secret")).remedy("give the path of a file with the secret in it"),
    }
}

/// `[entered] smtp_password` of the machine's secrets, which an earlier run kept.
async fn kept_smtp_password(probe: &dyn Probe) -> anyhow::Result<Option<SecretString>> {
    #[derive(serde::Deserialize)]
    struct Kept {
        entered: Option<Entered>,
    }
    #[derive(serde::Deserialize)]
    struct Entered {
        smtp_password: Option<String>,
    }
    let backup = "restore it from a backup";
    let Some(text) = probe.read_text(Path::new(SECRETS)).await.remedy(backup)? else { return Ok(None) };
    // The error of the TOML parser would quote the line, and that is a secret.
    let kept: Kept = toml::from_str(&text).map_err(|_| anyhow!("{SECRETS} is damaged")).remedy(backup)?;
    Ok(kept.entered.and_then(|entered| entered.smtp_password).map(SecretString::from))
}

#[cfg(test)]
mod tests {
    use super::super::SmtpOptions;
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;

    fn options(text: &str) -> Options {
        toml::from_str(text).expect("settings")
    }

    #[tokio::test]
    async fn flags_beat_file_beats_answers_beats_record() {
        let host = FakeHost::debian();
        host.machine().place("/root/my.toml", Kind::File, "owner = 'file'\nsubdomain = 'file'", 0o600);
        host.machine().place(ANSWERS, Kind::File, "owner = 'answers'\nsubdomain = 'answers'\nemail = 'answers'", 0o600);
        let record = "version = 1\nowner = 'r'\nsubdomain = 'r'\nemail = 'r'\nsudo_user = 'r'\ndisable_root = true";
        host.machine().place(RECORDED, Kind::File, record, 0o600);
        let flags = Options { owner: Some("flag".into()), email: Some(String::new()), ..Options::default() };

        let file = Some(Path::new("/root/my.toml"));
        let given = gather(flags.clone(), SecretEnv::default(), file, &host).await.expect("settings");

        let wanted = "version = 1\nowner = 'flag'\nsubdomain = 'file'\nemail = 'answers'\nsudo_user = 'r'\ndisable_root = 'yes'";
        assert_eq!(given.options, options(wanted));
        assert_eq!(given.recorded, Some(options(record)));
        assert!(!given.is_recorded());

        // Once a run has recorded what it made, kept answers count no more.
        let record = format!("{record}\n[resolved]\nsite = 'r'\nhandle_domain = 'r'");
        host.machine().place(RECORDED, Kind::File, &record, 0o600);
        let given = gather(flags, SecretEnv::default(), file, &host).await.expect("settings");
        let wanted = "version = 1\nowner = 'flag'\nsubdomain = 'file'\nemail = 'r'\nsudo_user = 'r'\ndisable_root = 'yes'\n[resolved]\nsite = 'r'\nhandle_domain = 'r'";
        assert_eq!(given.options, options(wanted));
        assert!(given.is_recorded() && !given.may_keep_answers());
    }

    #[tokio::test]
    async fn answers_count_no_more_on_an_installed_machine_whose_record_is_lost() {
        for sign in [COMPLETE, "/opt/mastodon/postgres/17/PG_VERSION"] {
            let host = FakeHost::debian();
            host.machine().place(ANSWERS, Kind::File, "owner = 'answers'", 0o600);
            let gathered = || gather(Options::default(), SecretEnv::default(), None, &host);
            let before = gathered().await.expect("settings");
            assert_eq!((before.options.owner.as_deref(), before.may_keep_answers()), (Some("answers"), true));
            host.machine().place(sign, Kind::File, "", 0o644);
            let given = gathered().await.expect("settings");
            assert_eq!((given.options.owner.as_deref(), given.may_keep_answers()), (None, false), "{sign}");
        }
    }

    #[test]
    fn a_version_given_here_drops_images_of_another_version() {
        let recorded = options("[images]\nmastodon_version = 'v4.7.4'\nmastodon = 'm:v4.7.4@sha256:00'\nredis = 'r@sha256:11'");
        let merged = options("[images]\nmastodon_version = 'v4.7.5'").or(recorded.clone());
        assert_eq!(merged, options("[images]\nmastodon_version = 'v4.7.5'\nredis = 'r@sha256:11'"));
        assert_eq!(options("[images]\nmastodon_version = 'v4.7.4'").or(recorded.clone()), recorded);
    }

    #[tokio::test]
    async fn files_that_cannot_be_read_are_refused() {
        for (content, part) in [
            ("domian = 'x'", "unknown field `domian`"),
            ("version = 2", "has format 2"),
            ("owner = [1]", "cannot understand /root/my.toml"),
            ("no toml", "cannot understand"),
        ] {
            let host = FakeHost::debian();
            host.machine().place("/root/my.toml", Kind::File, content, 0o600);
            let path = Path::new("/root/my.toml");
            let error = gather(Options::default(), SecretEnv::default(), Some(path), &host).await.expect_err(content);
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
        let missing = gather(Options::default(), SecretEnv::default(), Some(Path::new("/root/none.toml")), &FakeHost::debian()).await;
        assert!(format!("{:#}", missing.expect_err("missing")).contains("there is no file /root/none.toml"));
    }

    #[tokio::test]
    async fn secrets_come_from_files_environment_or_the_machine() {
        use secrecy::ExposeSecret;
        let host = FakeHost::debian();
        host.machine().place("/root/token", Kind::File, "from-file\n", 0o600);
        host.machine().place(SECRETS, Kind::File, "version = 1\n[generated]\nx = 'y'\n[entered]\nsmtp_password = 'kept'\n", 0o600);
        let flags = Options { linode_token_file: Some("/root/token".into()), ..Options::default() };
        let env = SecretEnv { token: Some("from-env".into()), smtp_password: None };
        let given = gather(flags, env.clone(), None, &host).await.expect("settings");
        assert_eq!(given.token.expect("a token").expose_secret(), "from-file\n");
        assert_eq!(given.smtp_password.expect("a password").expose_secret(), "kept");
        assert!(!given.smtp_password_is_new);
        let given = gather(Options::default(), env, None, &host).await.expect("settings");
        assert_eq!(given.token.expect("a token").expose_secret(), "from-env");
        host.machine().place("/root/password", Kind::File, "from-file\n", 0o600);
        let smtp = SmtpOptions { password_file: Some("/root/password".into()), ..Default::default() };
        let env = SecretEnv { token: None, smtp_password: Some("from-env".into()) };
        for (smtp, wanted) in [(smtp, "from-file\n"), (SmtpOptions::default(), "from-env")] {
            let given = gather(Options { smtp, ..Options::default() }, env.clone(), None, &host).await.expect("settings");
            assert_eq!((given.smtp_password.expect("a password").expose_secret(), given.smtp_password_is_new), (wanted, true));
        }
    }
}
