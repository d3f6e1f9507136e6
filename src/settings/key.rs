//! Settings by their name in the file, one by one: to show them, and to change them later.

use super::Options;

/// Whether a setting can still be changed once the server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// Yes.
    Free,
    /// Yes; its value is a secret, so it comes from a file or standard input.
    Secret,
    /// No.
    Fixed(Fixed),
}

/// Why a setting cannot change, and the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The reason, as a clause.
    pub why: &'static str,
    /// What to do instead; a command stands on a line of its own.
    pub instead: &'static str,
}

/// A setting.
pub struct Key {
    /// Its name in the file, `smtp.server` for `server` in `[smtp]`.
    pub name: &'static str,
    /// Whether it can be changed.
    pub later: Later,
    read: fn(&Options) -> Option<String>,
    write: fn(&mut Options, Option<String>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const THE_NAME: Fixed =
    Fixed { why: "it is part of every handle and signature of the server", instead: "use another machine for another name" };
const THE_OWNER: Fixed = Fixed {
    why: "the owner's account was made once and belongs to Mastodon now",
    instead: "make another owner:\n\
              sudo tootstrap tootctl accounts create NAME --email ADDRESS \\\n  --confirmed --approve --role Owner",
};
const OWNER_EMAIL: Fixed = Fixed {
    why: "the owner's account was made with it and belongs to Mastodon now",
    instead: "change it in Mastodon's web interface, as the owner: Preferences, Account",
};
const WHO_MAY_JOIN: Fixed = Fixed {
    why: "it was set once; since then Mastodon's web interface decides",
    instead: "change it there (Preferences, Administration, Server settings, Registrations), or:\n\
              sudo tootstrap tootctl settings registrations open|approved|close",
};

macro_rules! key {
    ($name:literal, $later:expr, $($field:ident).+) => {
        Key { name: $name, later: $later, read: |options| options.$($field).+.clone(), write: |options, value| options.$($field).+ = value }
    };
}

/// Every setting of the file, in its order.
pub static KEYS: &[Key] = &[
    key!("domain", Later::Fixed(THE_NAME), domain),
    key!("subdomain", Later::Fixed(THE_NAME), subdomain),
    key!("handle_domain", Later::Fixed(THE_NAME), handle_domain),
    key!("email", Later::Free, email),
    Key {
        name: "address",
        later: Later::Free,
        read: |options| (!options.address.is_empty()).then(|| options.address.join(",")),
        write: |options, value| options.address = value.iter().flat_map(|list| list.split(',')).map(|one| one.trim().to_owned()).collect(),
    },
    key!("owner", Later::Fixed(THE_OWNER), owner),
    key!("owner_email", Later::Fixed(OWNER_EMAIL), owner_email),
    key!("single_user", Later::Free, single_user),
    key!("registrations", Later::Fixed(WHO_MAY_JOIN), registrations),
    key!("sudo_user", Later::Free, sudo_user),
    key!("disable_root", Later::Free, disable_root),
    key!("harden", Later::Free, harden),
    key!("behind_proxy", Later::Free, behind_proxy),
    Key {
        name: "smtp.server",
        later: Later::Free,
        read: |options| options.smtp.server.clone(),
        // Without a relay the rest means nothing.
        write: |options, value| match value {
            Some(_) => options.smtp.server = value,
            None => options.smtp = super::SmtpOptions::default(),
        },
    },
    key!("smtp.port", Later::Free, smtp.port),
    key!("smtp.login", Later::Free, smtp.login),
    key!("smtp.from", Later::Free, smtp.from),
    key!("smtp.password", Later::Secret, smtp.password_file),
    key!("images.mastodon_version", Later::Free, images.mastodon_version),
    key!("images.mastodon", Later::Free, images.mastodon),
    key!("images.streaming", Later::Free, images.streaming),
    key!("images.postgres", Later::Free, images.postgres),
    key!("images.redis", Later::Free, images.redis),
    key!("images.caddy", Later::Free, images.caddy),
    key!("docker_repository.url", Later::Free, docker_repository.url),
    key!("docker_repository.key_file", Later::Free, docker_repository.key_file),
    key!("docker_repository.fingerprint", Later::Free, docker_repository.fingerprint),
];

impl Key {
    /// The setting of this name; that of the flag counts too (`single-user`, `--smtp-server`).
    pub fn named(name: &str) -> Option<&'static Self> {
        let plain = |name: &str| name.trim_start_matches("--").to_ascii_lowercase().replace(['-', '.'], "_");
        KEYS.iter().find(|key| plain(key.name) == plain(name))
    }

    /// Its value among these; of a secret the file that it comes from.
    pub fn value(&self, options: &Options) -> Option<String> {
        (self.read)(options)
    }

    /// Gives it a value.
    pub fn set(&self, options: &mut Options, value: &str) {
        (self.write)(options, Some(value.to_owned()));
    }

    /// Takes its value away.
    pub fn clear(&self, options: &mut Options) {
        (self.write)(options, None);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, Smtp, record};
    use super::*;

    #[test]
    fn every_line_of_a_record_has_a_key() {
        let smtp = Smtp {
            server: "smtp.other-mail.org".parse().unwrap(),
            port: 465,
            login: "login".into(),
            password: "hunter22".into(),
            from: "a@other-mail.org".into(),
        };
        let mut settings = Settings { smtp: Some(smtp), address_given: true, ..Settings::sample() };
        settings.handle_domain = "fedi-test.org".parse().unwrap();
        settings.docker_repository.key_file = Some("/etc/tootstrap/mirror.asc".into());
        let recorded: Options = toml::from_str(&record(&settings)).unwrap();
        let mut left = recorded.clone();
        for key in KEYS.iter().filter(|key| key.later != Later::Secret) {
            let value = key.value(&recorded).unwrap_or_else(|| panic!("{key:?} is not recorded"));
            let mut one = Options::default();
            key.set(&mut one, &value);
            assert_eq!(key.value(&one), Some(value), "{key:?}");
            key.clear(&mut left);
            assert_eq!(key.value(&left), None, "{key:?}");
        }
        (left.version, left.resolved) = (None, None);
        assert_eq!(left, Options::default(), "a recorded setting that has no key");
    }

    #[test]
    fn a_key_is_found_by_flag_and_by_line_of_the_file() {
        for (written, name) in [
            ("single_user", "single_user"),
            ("single-user", "single_user"),
            ("--smtp-server", "smtp.server"),
            ("smtp.password", "smtp.password"),
            ("Domain", "domain"),
        ] {
            assert_eq!(Key::named(written).map(|key| key.name), Some(name), "{written}");
        }
        assert!(Key::named("singleuser").is_none());
    }

    #[test]
    fn without_a_relay_the_rest_of_its_settings_goes() {
        let mut options: Options = toml::from_str("owner = 'a'\n[smtp]\nserver = 'a.org'\nport = 465\nlogin = 'me'").unwrap();
        Key::named("smtp.server").unwrap().clear(&mut options);
        assert_eq!(options, toml::from_str("owner = 'a'").unwrap());
    }
}
