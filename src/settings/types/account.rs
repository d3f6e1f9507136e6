//! Names of accounts: on the machine and in Mastodon.

use std::str::FromStr;

use super::{name_of, text_type};

text_type!(
    /// Name of an ordinary Linux account: `[a-z][-a-z0-9_]*`, at most 32 characters, no system user's name.
    UserName
);
text_type!(
    /// Name of a Mastodon account: letters, digits and `_`, at most 30 characters (mastodon.md §4.4).
    OwnerName
);

/// Users and groups that Debian's base system and the packages installed here make. An account of that name cannot be made, or would
/// share its name with a service. `admin` is not among them.
const SYSTEM_NAMES: &str = "
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup
    adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev staff users input sgx kvm
    render crontab netdev messagebus ssh sshd docker _apt _chrony _ssh _runit-log polkitd tss uuidd ntp ntpsec chrony fail2ban mastodon postgres
    redis caddy nginx debian-exim postfix postdrop rtkit avahi colord geoclue lightdm pulse saned sssd syslog tcpdump dnsmasq landscape lxd
    pollinate usbmux systemd-bus-proxy systemd-coredump systemd-journal systemd-network systemd-resolve systemd-timesync";

impl FromStr for UserName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const ALLOWED: &str = "small letters, digits, - and _ are allowed, the first being a letter";
        let text = text.trim();
        if text.is_empty() {
            return Err("is empty".into());
        }
        if text.chars().any(|c| c.is_ascii_uppercase()) {
            return Err(format!("has capital letters; {ALLOWED}: {}", text.to_ascii_lowercase()));
        }
        if let Some(c) = text.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-' || *c == '_')) {
            return Err(format!("contains {}; {ALLOWED}", name_of(c)));
        }
        if SYSTEM_NAMES.split_whitespace().any(|name| name == text) {
            return Err("is the name of a system user or group; choose another one for a person".into());
        }
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(format!("does not begin with a letter; {ALLOWED}"));
        }
        if text.len() > 32 {
            return Err(format!("is {} characters long; at most 32 are possible", text.len()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for OwnerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("is empty; give the name that stands in the handle, such as alice".into());
        }
        if let Some(name) = text.strip_prefix('@').or_else(|| text.contains('@').then_some(text)) {
            let name = name.split('@').next().unwrap_or_default();
            return Err(format!("has an @; give only the name: {name}"));
        }
        if let Some(c) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_')) {
            return Err(format!("contains {}; Mastodon allows letters, digits and _", name_of(c)));
        }
        if text.len() > 30 {
            return Err(format!("is {} characters long; Mastodon allows at most 30", text.len()));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::table;
    use super::*;

    #[test]
    fn sudo_users() {
        table::<UserName>(&[
            ("alice", "alice"),
            (" admin ", "admin"),
            ("a-b_c9", "a-b_c9"),
            ("", "!is empty"),
            ("Alice", "!has capital letters; small letters, digits, - and _ are allowed, the first being a letter: alice"),
            ("al ice", "!contains a space"),
            ("al.ice", "!contains `.`"),
            ("9lives", "!does not begin with a letter"),
            ("mail", "!system user"),
            ("games", "!system user"),
            ("_apt", "!system user"),
            ("docker", "!system user"),
            ("émile", "!contains `é`"),
            ("$(reboot)", "!contains `$`"),
        ]);
        let long = "a".repeat(33);
        table::<UserName>(&[(&long, "!is 33 characters long")]);
    }

    #[test]
    fn owners() {
        table::<OwnerName>(&[
            ("alice", "alice"),
            ("Alice_99", "Alice_99"),
            ("admin", "admin"),
            ("", "!is empty"),
            ("@alice", "!give only the name: alice"),
            ("alice@example.org", "!give only the name: alice"),
            ("al-ice", "!contains `-`"),
            ("al.ice", "!contains `.`"),
            ("al ice", "!contains a space"),
        ]);
        let long = "a".repeat(31);
        table::<OwnerName>(&[(&long, "!is 31 characters long")]);
    }

    proptest! {
        #[test]
        fn accepted_text_round_trips(text in "[a-zA-Z0-9_-]{1,34}|\\PC{0,20}") {
            if let Ok(name) = text.parse::<UserName>() {
                prop_assert_eq!(name.as_str().parse::<UserName>(), Ok(name.clone()));
            }
            if let Ok(name) = text.parse::<OwnerName>() {
                prop_assert_eq!(name.as_str().parse::<OwnerName>(), Ok(name.clone()));
            }
        }
    }
}
