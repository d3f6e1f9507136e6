//! Mail providers: where their relay is, what it wants as login, and whose DNS decides whether receivers believe it.

/// A provider's relay.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it calls itself.
    pub title: &'static str,
    /// Its relay. `None`: one for each region, so it must be given.
    pub server: Option<&'static str>,
    /// Its ports, the best first; 465 is TLS from the start, the others STARTTLS.
    pub ports: &'static [u16],
    /// What it wants as login, for people.
    pub login_is: &'static str,
    /// The login, where it is the same for everybody.
    pub login: Option<&'static str>,
    /// What it wants as password, for people.
    pub password_is: &'static str,
    /// Where it has bounces go, which is whose SPF record counts.
    pub return_path: ReturnPath,
    /// With which records it has the sender's domain publish its DKIM keys, for people.
    pub dkim: &'static str,
    /// The names below `_domainkey` under which it publishes keys. Empty: another one for each customer.
    pub selectors: &'static [&'static str],
    /// Domains whose addresses it gives out, and whose records it writes itself.
    pub own_domains: &'static [&'static str],
    /// Where all of this was read.
    pub source: &'static str,
}

/// The domain in the sender's address that the provider tells receivers (`MAIL FROM`), which is the one whose SPF record they ask
/// (RFC 7208 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnPath {
    /// One of its own, or one below the sender's that points to it by CNAME: the sender's SPF record is never asked for, so DKIM counts.
    Provider,
    /// The domain of the login, whose record includes this.
    Login(&'static str),
    /// The sender's domain, whose record includes this.
    Sender(&'static str),
}

/// In alphabetical order.
pub const PRESETS: [Preset; 6] = [
    Preset {
        name: "fastmail",
        title: "Fastmail",
        server: Some("smtp.fastmail.com"),
        ports: &[465, 587],
        login_is: "your whole address at Fastmail",
        login: None,
        password_is: "an app password (Settings, Privacy & Security)",
        return_path: ReturnPath::Sender("spf.messagingengine.com"),
        dkim: "three CNAME records",
        selectors: &["fm1", "fm2", "fm3"],
        own_domains: &["fastmail.com", "fastmail.fm"],
        source: "fastmail.help: Server names and ports; Manual DNS configuration",
    },
    Preset {
        name: "gmail",
        title: "Gmail",
        server: Some("smtp.gmail.com"),
        ports: &[465, 587],
        login_is: "your whole address at Google",
        login: None,
        password_is: "an app password (Google Account, Security, 2-Step Verification)",
        return_path: ReturnPath::Sender("_spf.google.com"),
        dkim: "a TXT record",
        selectors: &["google"],
        own_domains: &["gmail.com", "googlemail.com"],
        source: "support.google.com/a/answer/176600, /33786, /174124",
    },
    Preset {
        name: "mailgun",
        title: "Mailgun",
        server: Some("smtp.mailgun.org"),
        ports: &[587, 2525, 465, 25],
        login_is: "an SMTP user of the domain, such as postmaster@mg.example.org",
        login: None,
        password_is: "the SMTP user's password (Sending, Domain settings, SMTP credentials)",
        return_path: ReturnPath::Login("mailgun.org"),
        dkim: "a TXT record",
        selectors: &[],
        own_domains: &[],
        source: "documentation.mailgun.com: SMTP protocol; /docs/mailgun/user-manual/domains/domains-verify",
    },
    Preset {
        name: "postmark",
        title: "Postmark",
        server: Some("smtp.postmarkapp.com"),
        ports: &[587, 2525, 25],
        login_is: "the access key of an SMTP token (Message Stream, Settings, SMTP)",
        login: None,
        password_is: "the secret key of the same SMTP token",
        return_path: ReturnPath::Provider,
        dkim: "a TXT record",
        selectors: &[],
        own_domains: &[],
        source: "postmarkapp.com/support/article/811 (ports, login), /1092 (\"no longer required to include Postmark in your own SPF record\")",
    },
    Preset {
        name: "sendgrid",
        title: "SendGrid",
        server: Some("smtp.sendgrid.net"),
        ports: &[587, 2525, 465, 25],
        login_is: "the word apikey",
        login: Some("apikey"),
        password_is: "an API key that may send mail",
        return_path: ReturnPath::Provider,
        dkim: "three CNAME records",
        selectors: &["s1", "s2"],
        own_domains: &[],
        source: "twilio.com/docs/sendgrid: /for-developers/sending-email/integrating-with-the-smtp-api, /ui/account-and-settings/how-to-set-up-domain-authentication",
    },
    Preset {
        name: "ses",
        title: "Amazon SES",
        server: None,
        ports: &[587, 2587, 465, 25],
        login_is: "an SMTP user name of SES, which is no access key",
        login: None,
        password_is: "the SMTP password that belongs to it",
        return_path: ReturnPath::Provider,
        dkim: "three CNAME records",
        selectors: &[],
        own_domains: &[],
        source: "docs.aws.amazon.com/ses/latest/dg/smtp-connect.html, /send-email-authentication-spf.html (\"SPF is implicitly set up for you\")",
    },
];

impl Preset {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name.eq_ignore_ascii_case(name))
    }

    /// The provider whose relay this is.
    pub fn of_server(server: &str) -> Option<&'static Self> {
        let is_ses = server.starts_with("email-smtp.") && server.ends_with(".amazonaws.com");
        let regional = |preset: &Preset| (preset.name == "ses" && is_ses) || (preset.name == "mailgun" && server == "smtp.eu.mailgun.org");
        PRESETS.iter().find(|preset| preset.server == Some(server) || regional(preset))
    }
}

#[cfg(test)]
mod tests {
    use super::super::PORTS;
    use super::*;

    #[test]
    fn each_is_found_by_its_name_and_its_relay() {
        for preset in &PRESETS {
            assert_eq!(Preset::named(&preset.name.to_uppercase()), Some(preset));
            let server = preset.server.unwrap_or("email-smtp.eu-west-1.amazonaws.com");
            assert_eq!(Preset::of_server(server), Some(preset));
            assert!(preset.ports.contains(&587) && preset.ports.iter().all(|port| PORTS.contains(port)), "{}", preset.name);
            assert!(!preset.source.is_empty());
        }
        assert_eq!(Preset::of_server("smtp.eu.mailgun.org"), Preset::named("mailgun"));
        assert_eq!(Preset::of_server("smtp.example.org"), None);
    }
}
