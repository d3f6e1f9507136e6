//! What is asked of a mail relay, and what can go wrong there.

use std::fmt;

use secrecy::SecretString;

/// A dialogue with a relay that ends before any message would be sent.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Name of the relay.
    pub server: String,
    /// Port; 465 is TLS from the start, every other one STARTTLS (as in `assets/mastodon/env.production`).
    pub port: u16,
    /// The name that Mastodon gives itself: its `SMTP_DOMAIN` (mastodon.md §2.7).
    pub own_name: String,
    /// Login name.
    pub login: String,
    /// Password.
    pub password: SecretString,
    /// Address of the sender.
    pub from: String,
    /// Address of a recipient.
    pub to: String,
}

impl Trial {
    /// TLS from the first byte on.
    pub const fn implicit_tls(&self) -> bool {
        self.port == 465
    }
}

/// Where in the dialogue something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The relay's first words.
    Greeting,
    /// EHLO.
    Hello,
    /// STARTTLS and the handshake.
    Encryption,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
}

/// What a relay answered, cut to a length that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Three digits, 200 to 599.
    pub code: u16,
    /// The text of each line.
    pub lines: Vec<String>,
}

impl Reply {
    /// Whether EHLO's answer names this extension (RFC 5321 §4.1.1.1), with this word after it if there is one.
    pub fn offers(&self, extension: &str, word: Option<&str>) -> bool {
        self.lines.iter().skip(1).any(|line| {
            let mut words = line.split([' ', '=']);
            words.next().is_some_and(|first| first.eq_ignore_ascii_case(extension))
                && word.is_none_or(|wanted| words.any(|word| word.eq_ignore_ascii_case(wanted)))
        })
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" ").trim())
    }
}

/// Why a relay cannot be used like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayTrouble {
    /// Its name has no address.
    #[error("the name has no address")]
    NoSuchName,
    /// Nothing came back from its port.
    #[error("no answer from the port")]
    Silent,
    /// Its port refuses connections.
    #[error("{0}")]
    Unreachable(String),
    /// The port speaks TLS from the start, and STARTTLS was tried.
    #[error("the port speaks TLS from the start")]
    SpeaksTls,
    /// The port does not speak TLS from the start.
    #[error("the port does not speak TLS from the start")]
    NoTls,
    /// The certificate does not count.
    #[error("{0}")]
    Untrusted(String),
    /// STARTTLS is not offered.
    #[error("the relay offers no STARTTLS")]
    NoStartTls,
    /// The relay does not let anyone sign in with AUTH PLAIN, which is what Mastodon does (mastodon.md §2.7).
    #[error("the relay offers no login of the kind PLAIN")]
    NoLogin,
    /// It answered with something else than yes.
    #[error("{reply}")]
    Refused {
        /// To what.
        stage: Stage,
        /// With what.
        reply: Reply,
    },
    /// The connection broke, or what came was no SMTP.
    #[error("{reason}")]
    Broken {
        /// Where.
        stage: Stage,
        /// Why.
        reason: String,
    },
}
