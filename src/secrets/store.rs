//! The file of the secrets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::generate::vapid_public_of;
use super::{Entered, Secrets};
use crate::host::{Access, Host, Probe};
use crate::report::WithRemedy;
use crate::resume::{COMPLETE, DATA_KEPT};
use crate::settings::UserName;

/// Where the secrets lie.
pub const PATH: &str = "/etc/tootstrap/secrets.toml";
/// PostgreSQL writes this into a data directory that holds a database.
const DATABASE: &str = "/opt/mastodon/postgres/17/PG_VERSION";
/// Format that this program writes.
const VERSION: i64 = 1;
const BACKUP: &str = "put it back from a backup (it is a file of root's); without it sessions, two-factor logins, push and the signatures \
                      of every account are lost";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: i64,
    generated: Generated,
    #[serde(default)]
    entered: StoredEntered,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Generated {
    secret_key_base: String,
    encryption_primary_key: String,
    encryption_deterministic_key: String,
    encryption_key_derivation_salt: String,
    vapid_private_key: String,
    vapid_public_key: String,
    database_password: String,
    redis_password: String,
    owner_password: String,
    #[serde(default)]
    sudo_passwords: BTreeMap<UserName, String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntered {
    #[serde(skip_serializing_if = "Option::is_none")]
    smtp_password: Option<String>,
}

/// The secrets of this machine. `None`: it has none yet, and no database that would need them.
///
/// # Errors
/// A file that is damaged or of a newer version, a database without its secrets, or an installed server without its database; each with
/// its remedy.
pub async fn load(host: &dyn Probe) -> anyhow::Result<Option<Secrets>> {
    let has_database = host.stat(Path::new(DATABASE)).await?.is_some();
    let Some(text) = host.read_text(Path::new(PATH)).await.remedy(BACKUP)? else {
        if has_database {
            return Err(anyhow!("{PATH} is missing, but /opt/mastodon/postgres/17 holds a database that was made with it")).remedy(BACKUP);
        }
        return Ok(None);
    };
    let secrets = parse(&text)?;
    let signs = signs_of_data(host).await?;
    if !has_database && !signs.is_empty() {
        return Err(anyhow!("this server was installed, but /opt/mastodon/postgres/17 holds no database any more")).remedy(format!(
            "mount it or put it back from a backup; its secrets are still here. To begin anew with an empty database, without the accounts and \
             posts of before: sudo rm {}",
            signs.join(" ")
        ));
    }
    Ok(Some(secrets))
}

/// Files that say that there must be a database.
async fn signs_of_data(host: &dyn Probe) -> anyhow::Result<Vec<&'static str>> {
    let mut signs = Vec::new();
    for sign in [COMPLETE, DATA_KEPT] {
        if host.stat(Path::new(sign)).await?.is_some() {
            signs.push(sign);
        }
    }
    Ok(signs)
}

/// The secrets of this machine, made and stored now if there are none. An older file is brought to this version, with a copy of it beside.
///
/// # Errors
/// As [`load`], or what cannot be written.
pub async fn load_or_create(host: &dyn Host) -> anyhow::Result<Secrets> {
    if let Some(secrets) = load(host.probe()).await? {
        let text = host.read_text(Path::new(PATH)).await?.unwrap_or_default();
        let version = version_of(&text)?;
        if version < VERSION {
            let backup = PathBuf::from(format!("{PATH}.v{version}"));
            host.write(&backup, text.as_bytes(), Access::root(0o600)).await.context("cannot keep the older secrets")?;
            store(host, &secrets).await?;
        }
        return Ok(secrets);
    }
    let secrets = Secrets::generate()?;
    store(host, &secrets).await?;
    Ok(secrets)
}

/// The secrets of this machine as [`load_or_create`] gives them, with what the operator entered and a password for the sudo user: kept for
/// later runs.
///
/// # Errors
/// As [`load_or_create`].
pub async fn keep(host: &dyn Host, entered: Entered, sudo_user: Option<&UserName>) -> anyhow::Result<Secrets> {
    let mut secrets = load_or_create(host).await?;
    let password = |entered: &Entered| entered.smtp_password.as_ref().map(|password| password.expose_secret().to_owned());
    let user_is_new = match sudo_user {
        Some(name) => secrets.add_sudo_user(name)?,
        None => false,
    };
    if user_is_new || password(&entered) != password(&secrets.entered) {
        secrets.entered = entered;
        store(host, &secrets).await.context("cannot keep the passwords")?;
    }
    Ok(secrets)
}

/// Writes the file, readable by root only from its first moment. To change anything but [`Entered`] and to add a sudo user is a mistake.
async fn store(host: &dyn Host, secrets: &Secrets) -> anyhow::Result<()> {
    let directory = Path::new(PATH).parent().context("a path with a directory")?;
    host.make_dir(directory, Access::root(0o700)).await?;
    let text = SecretString::from(render(secrets)?);
    host.write(Path::new(PATH), text.expose_secret().as_bytes(), Access::root(0o600)).await?;
    Ok(())
}

fn version_of(text: &str) -> anyhow::Result<i64> {
    let damaged = || anyhow!("{PATH} is damaged: it does not begin with its version");
    let table: toml::Table = text.parse().map_err(|_| damaged()).remedy(BACKUP)?;
    table.get("version").and_then(toml::Value::as_integer).ok_or_else(damaged).remedy(BACKUP)
}

fn parse(text: &str) -> anyhow::Result<Secrets> {
    let version = version_of(text)?;
    if version > VERSION {
        return Err(anyhow!("{PATH} has version {version}, this program knows {VERSION}")).remedy("use the newer tootstrap that wrote it");
    }
    // Errors of the parser quote the line, so they are not shown: the line is secret.
    let stored: Stored = toml::from_str(text).map_err(|_| anyhow!("{PATH} is damaged: a value is missing or unreadable")).remedy(BACKUP)?;
    check(&stored.generated).with_context(|| format!("{PATH} is damaged")).remedy(BACKUP)?;
    Ok(stored.into())
}

fn check(generated: &Generated) -> anyhow::Result<()> {
    let hex = generated.secret_key_base.len() == 128 && generated.secret_key_base.bytes().all(|c| c.is_ascii_hexdigit());
    ensure!(hex, "secret_key_base is not 128 hexadecimal digits");
    let of_32 = [
        ("encryption_primary_key", &generated.encryption_primary_key),
        ("encryption_deterministic_key", &generated.encryption_deterministic_key),
        ("encryption_key_derivation_salt", &generated.encryption_key_derivation_salt),
        ("database_password", &generated.database_password),
        ("redis_password", &generated.redis_password),
        ("owner_password", &generated.owner_password),
    ];
    let sudo = generated.sudo_passwords.values().map(|value| ("a password in sudo_passwords", value));
    for (name, value) in of_32.into_iter().chain(sudo) {
        ensure!(value.len() == 32 && value.bytes().all(|c| c.is_ascii_alphanumeric()), "{name} is not 32 letters and digits");
    }
    let public = vapid_public_of(&generated.vapid_private_key).context("vapid_private_key is unusable")?;
    ensure!(public == generated.vapid_public_key, "vapid_public_key does not belong to vapid_private_key");
    Ok(())
}

impl From<Stored> for Secrets {
    fn from(Stored { generated, entered, .. }: Stored) -> Self {
        Self {
            secret_key_base: generated.secret_key_base.into(),
            encryption_primary_key: generated.encryption_primary_key.into(),
            encryption_deterministic_key: generated.encryption_deterministic_key.into(),
            encryption_key_derivation_salt: generated.encryption_key_derivation_salt.into(),
            vapid_private_key: generated.vapid_private_key.into(),
            vapid_public_key: generated.vapid_public_key,
            database_password: generated.database_password.into(),
            redis_password: generated.redis_password.into(),
            owner_password: generated.owner_password.into(),
            sudo_passwords: generated.sudo_passwords.into_iter().map(|(name, password)| (name, password.into())).collect(),
            entered: Entered { smtp_password: entered.smtp_password.map(Into::into) },
        }
    }
}

fn render(secrets: &Secrets) -> anyhow::Result<String> {
    let text = |secret: &SecretString| secret.expose_secret().to_owned();
    let stored = Stored {
        version: VERSION,
        generated: Generated {
            secret_key_base: text(&secrets.secret_key_base),
            encryption_primary_key: text(&secrets.encryption_primary_key),
            encryption_deterministic_key: text(&secrets.encryption_deterministic_key),
            encryption_key_derivation_salt: text(&secrets.encryption_key_derivation_salt),
            vapid_private_key: text(&secrets.vapid_private_key),
            vapid_public_key: secrets.vapid_public_key.clone(),
            database_password: text(&secrets.database_password),
            redis_password: text(&secrets.redis_password),
            owner_password: text(&secrets.owner_password),
            sudo_passwords: secrets.sudo_passwords.iter().map(|(name, password)| (name.clone(), text(password))).collect(),
        },
        entered: StoredEntered { smtp_password: secrets.entered.smtp_password.as_ref().map(text) },
    };
    toml::to_string(&stored).context("cannot write the secrets as TOML")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;
    use crate::report::Problem;

    fn values(secrets: &Secrets) -> Vec<String> {
        secrets.all().into_iter().map(|secret| secret.expose_secret().to_owned()).chain([secrets.vapid_public_key.clone()]).collect()
    }

    #[tokio::test]
    async fn made_once_and_never_again() {
        let host = FakeHost::debian();
        assert!(load(&host).await.unwrap().is_none());
        let first = load_or_create(&host).await.unwrap();
        assert_eq!(host.take_log(), ["make_dir /etc/tootstrap 700 0:0", "write /etc/tootstrap/secrets.toml 600"]);
        let second = load_or_create(&host).await.unwrap();
        assert_eq!(values(&first), values(&second));
        assert!(host.take_log().is_empty());
    }

    #[tokio::test]
    async fn what_was_entered_is_kept_and_may_change() {
        let host = FakeHost::debian();
        let generated = values(&load_or_create(&host).await.unwrap());
        host.take_log();
        let write = "write /etc/tootstrap/secrets.toml 600";
        for (entered, writes) in
            [(Some("hunter22"), true), (Some("hunter22"), false), (Some("it's \"new\"\\"), true), (None, true), (None, false)]
        {
            let secrets = keep(&host, Entered { smtp_password: entered.map(Into::into) }, None).await.unwrap();
            let stored = load(&host).await.unwrap().unwrap();
            assert_eq!(stored.entered.smtp_password.as_ref().map(ExposeSecret::expose_secret), entered);
            assert_eq!(values(&stored), values(&secrets));
            assert!(generated.iter().all(|value| values(&stored).contains(value)), "what was generated stays");
            assert_eq!(host.take_log().iter().any(|mutation| mutation == write), writes, "{entered:?}");
        }
    }

    #[tokio::test]
    async fn every_sudo_user_has_a_password_of_its_own_for_ever() {
        let host = FakeHost::debian();
        let [ada, bob]: [UserName; 2] = ["ada", "bob"].map(|name| name.parse().unwrap());
        let passwords = async |user: Option<&UserName>| {
            let kept = keep(&host, Entered::default(), user).await.unwrap();
            assert_eq!(values(&kept), values(&load(&host).await.unwrap().unwrap()));
            kept.sudo_passwords.into_iter().map(|(name, password)| (name, password.expose_secret().to_owned())).collect::<Vec<_>>()
        };
        assert!(passwords(None).await.is_empty());
        let one = passwords(Some(&ada)).await;
        let two = passwords(Some(&bob)).await;
        assert_eq!((one.len(), two.len(), &two[0]), (1, 2, &one[0]));
        assert!(two[1].0 == bob && two[1].1 != two[0].1, "bob got ada's password");
        host.take_log();
        assert_eq!(passwords(Some(&ada)).await, two);
        assert_eq!(passwords(None).await, two);
        assert!(host.take_log().is_empty());
    }

    #[tokio::test]
    async fn a_database_without_its_secrets_is_refused() {
        let host = FakeHost::debian();
        for path in ["/opt/mastodon", "/opt/mastodon/postgres", "/opt/mastodon/postgres/17"] {
            host.machine().place(path, Kind::Directory, "", 0o700);
        }
        assert!(load(&host).await.unwrap().is_none(), "an empty data directory is no database");
        host.machine().place(DATABASE, Kind::File, "17\n", 0o600);
        let error = load_or_create(&host).await.unwrap_err();
        assert!(Problem::remedy_of(&error).unwrap().contains("backup"));
        assert!(host.take_log().is_empty());
    }

    #[tokio::test]
    async fn an_installed_server_without_its_database_is_refused_and_an_unfinished_one_goes_on() {
        let host = FakeHost::debian();
        let made = values(&load_or_create(&host).await.unwrap());
        host.machine().place(COMPLETE, Kind::File, "version = 1\n", 0o644);
        host.take_log();
        let error = load_or_create(&host).await.unwrap_err();
        assert!(error.to_string().contains("holds no database any more"), "{error}");
        assert!(Problem::remedy_of(&error).unwrap().contains("sudo rm /var/lib/tootstrap/complete"));
        assert!(host.take_log().is_empty());
        host.machine().place(DATABASE, Kind::File, "17\n", 0o600);
        assert_eq!(values(&load_or_create(&host).await.unwrap()), made);
        host.machine().nodes.remove(Path::new(DATABASE));
        host.machine().nodes.remove(Path::new(COMPLETE));
        assert_eq!(values(&load_or_create(&host).await.unwrap()), made);
    }

    #[tokio::test]
    async fn damaged_files_are_refused_and_left_alone() {
        let host = FakeHost::debian();
        keep(&host, Entered::default(), Some(&"ada".parse().unwrap())).await.unwrap();
        host.take_log();
        let good = host.machine().text(PATH);
        let other = render(&Secrets::generate().unwrap()).unwrap();
        let public = |text: &str| text.lines().find(|line| line.starts_with("vapid_public_key")).unwrap().to_owned();
        let damaged = [
            String::new(),
            good[..good.len() / 2].to_owned(),
            good.replace("version = 1", "version = 2"),
            good.replace("version = 1", ""),
            good.replace("secret_key_base = \"", "secret_key_base = \"x"),
            good.replace(&public(&good), &public(&other)),
            good.replace("ada = \"", "ada = \"x"),
            format!("{good}\n[surprise]\n"),
        ];
        for text in damaged {
            host.machine().place(PATH, Kind::File, &text, 0o600);
            let error = load_or_create(&host).await.unwrap_err();
            assert!(Problem::remedy_of(&error).is_some(), "{error:#}");
            let leaked = good.lines().filter_map(|line| line.split('"').nth(1)).any(|value| format!("{error:?}").contains(value));
            assert!(!leaked, "{error:?}");
            assert_eq!(host.machine().text(PATH), text);
        }
        assert!(host.take_log().is_empty());
    }
}
