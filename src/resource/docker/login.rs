//! What `docker login` has kept, for registries that do not let everybody in.
//!
//! The file: <https://docs.docker.com/reference/cli/docker/login/#credential-stores>; what the daemon is given:
//! <https://docs.docker.com/reference/api/engine/#section/Authentication>; helpers:
//! <https://github.com/docker/docker-credential-helpers>.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::host::{Cmd, Probe};

/// Root's, as Docker's client reads it.
const FILE: &str = "/root/.docker/config.json";

/// What a helper calls itself a user when its secret is a token.
const TOKEN: &str = "<token>";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Auth>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Auth {
    /// `user:password` in base64.
    auth: String,
    #[serde(rename = "identitytoken")]
    token: String,
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    username: String,
    secret: String,
}

/// The value of `X-Registry-Auth` for a registry, by the name under which `docker login` keeps it. `None`: nobody has signed in there.
///
/// # Errors
/// The file, or what a helper says, is not as documented; or the helper does not work.
pub(super) async fn header(host: &dyn Probe, registry: &str) -> anyhow::Result<Option<SecretString>> {
    let Some(text) = host.read_text(Path::new(FILE)).await? else { return Ok(None) };
    // The cause would show the text.
    let config: Config = serde_json::from_str(&text).map_err(|_| anyhow::anyhow!("{FILE} is not as Docker writes it"))?;
    if let Some(helper) = config.cred_helpers.get(registry).or(config.creds_store.as_ref()) {
        return kept(host, helper, registry).await.with_context(|| format!("{FILE} names a helper that does not work"));
    }
    let host_of = |address: &str| address.trim_start_matches("https://").trim_start_matches("http://").split('/').next() == Some(registry);
    let entry = config.auths.get(registry).or_else(|| config.auths.iter().find(|(address, _)| host_of(address)).map(|(_, auth)| auth));
    entry.map_or(Ok(None), |auth| credentials(auth, registry).with_context(|| format!("{FILE} has no usable login for {registry}")))
}

fn credentials(auth: &Auth, registry: &str) -> anyhow::Result<Option<SecretString>> {
    if !auth.token.is_empty() {
        return Ok(Some(encoded(TOKEN, &auth.token, registry)));
    }
    if auth.auth.is_empty() {
        return Ok(None);
    }
    let decoded = BASE64_STANDARD.decode(&auth.auth).ok().and_then(|bytes| String::from_utf8(bytes).ok()).context("it is no base64")?;
    let (user, password) = decoded.split_once(':').context("it is no user and password")?;
    Ok(Some(encoded(user, password.trim_matches('\0'), registry)))
}

async fn kept(host: &dyn Probe, helper: &str, registry: &str) -> anyhow::Result<Option<SecretString>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    ensure!(helper.chars().all(plain), "{helper:?} is no name of a helper");
    let get = Cmd::new(format!("docker-credential-{helper}")).arg("get").stdin(registry.to_owned().into());
    let answer = host.query(&get).await?;
    if !answer.success() && answer.stdout.contains("credentials not found") {
        return Ok(None);
    }
    ensure!(answer.success(), "`{get}` ended with status {}", answer.status);
    let kept: Kept = serde_json::from_str(&answer.stdout).map_err(|_| anyhow::anyhow!("`{get}` does not answer as helpers do"))?;
    Ok(Some(encoded(&kept.username, &kept.secret, registry)))
}

fn encoded(user: &str, secret: &str, registry: &str) -> SecretString {
    let value = if user == TOKEN {
        json!({ "identitytoken": secret, "serveraddress": registry })
    } else {
        json!({ "username": user, "password": secret, "serveraddress": registry })
    };
    BASE64_URL_SAFE.encode(value.to_string()).into()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;

    /// What the daemon is told, `user password token`; a dash where there is nothing.
    async fn told(config: &str, registry: &str) -> anyhow::Result<String> {
        let host = FakeHost::debian();
        host.machine().programs.insert("docker-credential-pass".into());
        host.machine().docker.kept.insert("ghcr.io".into(), ("ada", "from-the-helper"));
        host.machine().docker.kept.insert("registry.example.org".into(), (TOKEN, "a-token"));
        host.machine().place("/root/.docker", Kind::Directory, "", 0o700);
        host.machine().place(FILE, Kind::File, config, 0o600);
        let Some(header) = header(&host, registry).await? else { return Ok("nobody".into()) };
        let value: serde_json::Value = serde_json::from_slice(&BASE64_URL_SAFE.decode(header.expose_secret())?)?;
        assert_eq!(value["serveraddress"], registry);
        Ok(["username", "password", "identitytoken"].map(|name| value[name].as_str().unwrap_or("-").to_owned()).join(" "))
    }

    #[tokio::test]
    async fn who_has_signed_in_is_told_to_the_daemon() {
        let hub = "https://index.docker.io/v1/";
        for (config, registry, expected) in [
            ("{}", "ghcr.io", "nobody"),
            (r#"{"auths":{"ghcr.io":{"auth":"YWRhOnMzY3JldDp4"}}}"#, "ghcr.io", "ada s3cret:x -"),
            (r#"{"auths":{"https://ghcr.io/v2/":{"auth":"YWRhOnMzY3JldDp4"}}}"#, "ghcr.io", "ada s3cret:x -"),
            (r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YWRhOnMzY3JldDp4"}}}"#, hub, "ada s3cret:x -"),
            (r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YWRhOnMzY3JldDp4"}}}"#, "ghcr.io", "nobody"),
            (r#"{"auths":{"ghcr.io":{"auth":"YWRhOg==","identitytoken":"t0ken"}}}"#, "ghcr.io", "- - t0ken"),
            (r#"{"auths":{"ghcr.io":{}}}"#, "ghcr.io", "nobody"),
            (r#"{"auths":{"ghcr.io":{}},"credsStore":"pass"}"#, "ghcr.io", "ada from-the-helper -"),
            (r#"{"credHelpers":{"registry.example.org":"pass"}}"#, "registry.example.org", "- - a-token"),
            (r#"{"credHelpers":{"registry.example.org":"pass"}}"#, "ghcr.io", "nobody"),
            (r#"{"credsStore":"pass"}"#, hub, "nobody"),
        ] {
            assert_eq!(told(config, registry).await.unwrap(), expected, "{config} {registry}");
        }
    }

    #[tokio::test]
    async fn what_is_damaged_is_said_without_what_stands_there() {
        for (config, why) in [
            (r#"{"auths":"YWRhOnMzY3JldDp4"}"#, "/root/.docker/config.json is not as Docker writes it"),
            (r#"{"auths":{"ghcr.io":{"auth":"s3cret!"}}}"#, "no usable login for ghcr.io: it is no base64"),
            (r#"{"auths":{"ghcr.io":{"auth":"czNjcmV0"}}}"#, "no usable login for ghcr.io: it is no user and password"),
            (r#"{"credsStore":"../../tmp/x"}"#, "\"../../tmp/x\" is no name of a helper"),
            (r#"{"credsStore":"desktop"}"#, "docker-credential-desktop is not installed"),
        ] {
            let error = format!("{:#}", told(config, "ghcr.io").await.unwrap_err());
            assert!(error.contains(why) && !error.contains("YWRh") && !error.contains("s3cret"), "{error}");
        }
    }
}
