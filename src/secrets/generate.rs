//! Making secrets in the formats of Mastodon's own generators, without starting Rails.

use std::collections::BTreeMap;

use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use secrecy::SecretString;

use super::{Entered, Secrets};
use crate::resource::stamp::hex;
use crate::settings::UserName;

const ALPHANUMERICS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Secrets {
    /// A fresh set. Fails only if the kernel gives no random bytes.
    pub fn generate() -> anyhow::Result<Self> {
        let vapid = vapid()?;
        Ok(Self {
            secret_key_base: hex(&random::<64>()?).into(),
            encryption_primary_key: alphanumeric()?,
            encryption_deterministic_key: alphanumeric()?,
            encryption_key_derivation_salt: alphanumeric()?,
            vapid_private_key: vapid.private,
            vapid_public_key: vapid.public,
            database_password: alphanumeric()?,
            redis_password: alphanumeric()?,
            owner_password: alphanumeric()?,
            sudo_passwords: BTreeMap::new(),
            entered: Entered::default(),
        })
    }

    /// Gives this sudo user a password if it has none yet; whether it got one. Fails only if the kernel gives no random bytes.
    pub fn add_sudo_user(&mut self, name: &UserName) -> anyhow::Result<bool> {
        let new = !self.sudo_passwords.contains_key(name);
        if new {
            self.sudo_passwords.insert(name.clone(), alphanumeric()?);
        }
        Ok(new)
    }
}

struct Vapid {
    private: SecretString,
    public: String,
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the kernel gives no random bytes: {error}"))?;
    Ok(bytes)
}

/// 32 characters, each of the 62 equally likely: bytes from 248 (4 × 62) on are thrown away.
fn alphanumeric() -> anyhow::Result<SecretString> {
    let mut text = String::with_capacity(32);
    while text.len() < 32 {
        let fair = random::<64>()?.into_iter().filter(|byte| *byte < 248);
        text.extend(fair.take(32 - text.len()).map(|byte| char::from(ALPHANUMERICS[usize::from(byte % 62)])));
    }
    Ok(text.into())
}

/// A P-256 key pair for web push (mastodon.md §2.3).
fn vapid() -> anyhow::Result<Vapid> {
    loop {
        // A scalar of zero or beyond the group's order is no key (1 in 2³²): the next one.
        if let Ok(key) = p256::SecretKey::from_slice(&random::<32>()?) {
            return Ok(Vapid {
                private: URL_SAFE.encode(key.to_bytes()).into(),
                public: URL_SAFE.encode(key.public_key().to_sec1_bytes()),
            });
        }
    }
}

/// The public key that belongs to a private one, both as in [`Secrets`].
pub(super) fn vapid_public_of(private: &str) -> anyhow::Result<String> {
    let scalar = URL_SAFE.decode(private)?;
    let key = p256::SecretKey::from_slice(&scalar).map_err(|_| anyhow!("it is no P-256 key"))?;
    Ok(URL_SAFE.encode(key.public_key().to_sec1_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn official_formats() {
        let mut secrets = Secrets::generate().unwrap();
        let [alice, bob] = ["alice", "bob"].map(|name| name.parse().unwrap());
        assert!(secrets.add_sudo_user(&alice).unwrap() && secrets.add_sudo_user(&bob).unwrap());
        let first = secrets.sudo_passwords[&alice].expose_secret().to_owned();
        assert!(!secrets.add_sudo_user(&alice).unwrap(), "it has one");
        assert_eq!(secrets.sudo_passwords[&alice].expose_secret(), first);
        let base = secrets.secret_key_base.expose_secret();
        assert!(base.len() == 128 && base.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')));
        let of_32 = [
            &secrets.encryption_primary_key,
            &secrets.encryption_deterministic_key,
            &secrets.encryption_key_derivation_salt,
            &secrets.database_password,
            &secrets.redis_password,
            &secrets.owner_password,
            &secrets.sudo_passwords[&alice],
            &secrets.sudo_passwords[&bob],
        ];
        for text in of_32.map(ExposeSecret::expose_secret) {
            assert!(text.len() == 32 && text.chars().all(|c| c.is_ascii_alphanumeric()), "{text}");
        }
        assert_eq!(of_32.map(ExposeSecret::expose_secret).into_iter().collect::<HashSet<_>>().len(), 8);
        assert_eq!(secrets.vapid_private_key.expose_secret().len(), 44);
        assert_eq!(secrets.vapid_public_key.len(), 88);
        assert!(secrets.vapid_public_key.starts_with('B') && secrets.vapid_public_key.ends_with('='));
        assert_eq!(vapid_public_of(secrets.vapid_private_key.expose_secret()).unwrap(), secrets.vapid_public_key);
    }

    /// RFC 6979 §A.2.5: private key x, public key (Ux, Uy).
    #[test]
    fn vapid_public_key_of_a_published_pair() {
        let private = URL_SAFE.encode(unhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"));
        let public = unhex(
            "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB67903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
        );
        assert_eq!(vapid_public_of(&private).unwrap(), URL_SAFE.encode(public));
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn every_alphanumeric_turns_up() {
        let seen: HashSet<char> = (0..100).flat_map(|_| alphanumeric().unwrap().expose_secret().chars().collect::<Vec<_>>()).collect();
        assert_eq!(seen.len(), 62);
    }
}
