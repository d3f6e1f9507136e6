//! What runs in containers, and where Docker's packages come from.

use super::super::field::Field;
use super::super::options::{ImageOptions, RepositoryOptions};
use super::super::{DockerRepository, Images};
use super::Reading;

impl Reading<'_> {
    pub(super) fn images(&mut self, options: &ImageOptions) -> Images {
        let default = Images::default();
        for name in [&options.mastodon, &options.streaming, &options.postgres, &options.redis, &options.caddy].into_iter().flatten() {
            self.refusal.check(Field::Images, name, reference(name));
        }
        let given =
            options.mastodon_version.clone().or_else(|| options.mastodon.as_deref().and_then(tag)).unwrap_or(default.mastodon_version);
        let version = if given.starts_with('v') { given.clone() } else { format!("v{given}") };
        if !is_version(&version) {
            self.refusal.value(Field::Images, &given, "is no version of Mastodon; give one such as v4.7.4");
        }
        let tagged = |given: &Option<String>, name: &str| {
            let name = given.clone().unwrap_or_else(|| name.to_owned());
            if tag(&name).is_some() || name.contains('@') { name } else { format!("{name}:{version}") }
        };
        Images {
            mastodon: tagged(&options.mastodon, "ghcr.io/mastodon/mastodon"),
            streaming: tagged(&options.streaming, "ghcr.io/mastodon/mastodon-streaming"),
            postgres: options.postgres.clone().unwrap_or(default.postgres),
            redis: options.redis.clone().unwrap_or(default.redis),
            caddy: options.caddy.clone().unwrap_or(default.caddy),
            mastodon_version: version,
        }
    }

    pub(super) fn repository(&mut self, options: &RepositoryOptions) -> DockerRepository {
        let default = DockerRepository::default();
        let mut repository = DockerRepository {
            url: options.url.as_deref().map_or(default.url, |url| url.trim_end_matches('/').to_owned()),
            key_file: options.key_file.as_ref().map(Into::into),
            fingerprint: default.fingerprint,
        };
        if !is_address(&repository.url) {
            self.refusal.value(Field::DockerRepository, &repository.url, "is no https:// address");
        }
        match (&options.key_file, &options.fingerprint) {
            (_, Some(text)) => {
                let fingerprint = text.replace(' ', "").to_ascii_uppercase();
                if fingerprint.len() != 40 || !fingerprint.chars().all(|c| c.is_ascii_hexdigit()) {
                    self.refusal.value(Field::DockerRepository, text, "is no fingerprint; give the 40 hexadecimal digits that gpg shows");
                }
                repository.fingerprint = fingerprint;
            }
            (Some(key), None) => self.refusal.value(Field::DockerRepository, key, "is a key without fingerprint; give both"),
            (None, None) => {}
        }
        repository
    }
}

/// Whether Docker can take it for the reference of an image: one that begins with a hyphen would be an option.
fn reference(name: &str) -> Result<(), String> {
    let example = "give a reference such as ghcr.io/mastodon/mastodon:v4.7.4";
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || "./:@_-".contains(*c))) {
        Some(c) => Err(format!("contains {c:?}; {example}")),
        None if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) => Err(format!("does not begin with a letter or digit; {example}")),
        None => Ok(()),
    }
}

/// `v4.7.4`, `v4.8.0-rc.1`: a tag that begins with a number.
fn is_version(version: &str) -> bool {
    let number = version[1..].split('.').next().unwrap_or_default();
    number.parse::<u32>().is_ok() && version.len() <= 128 && version.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// An address that apt can read: in a source, blanks, brackets and `#` mean something else.
fn is_address(url: &str) -> bool {
    let host = url.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    let known = |c: char| c.is_ascii_alphanumeric() || "-._~:/@%+=,".contains(c);
    host.is_some_and(|host| !host.is_empty()) && url.chars().all(known)
}

/// The tag of an image reference.
fn tag(reference: &str) -> Option<String> {
    let name = reference.split('@').next()?;
    let (_, tag) = name.rsplit('/').next()?.split_once(':')?;
    Some(tag.to_owned())
}
