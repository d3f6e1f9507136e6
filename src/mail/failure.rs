//! What helps where Mastodon could not hand over a message: the table of what relays and Ruby say.

/// Parts of what was said, and what helps. The first row that has one counts.
const ROWS: &[(&[&str], &str)] = &[
    (&["SMTPAuthenticationError", "535 ", "534 "], "give the right login and password: sudo tootstrap mail set"),
    (
        &["Sender address rejected", "sender not verified", "Sender identity", "5.7.1 "],
        "make the sender known to the relay, or set one that is: sudo tootstrap mail set --from ADDRESS",
    ),
    (
        &["Recipient address rejected", "User unknown", "5.1.1 ", "5.1.2 ", "No such user", "mailbox unavailable"],
        "the relay works, but nobody has this address; give one that exists: sudo tootstrap mail test ADDRESS",
    ),
    (
        &["wrong version number", "SMTPUnsupportedCommand", "SSLError"],
        "465 means TLS from the start, every other port STARTTLS: sudo tootstrap mail set finds the port",
    ),
    (
        &["OpenTimeout", "ReadTimeout", "ECONNREFUSED", "EHOSTUNREACH", "SocketError", "execution expired"],
        "the relay cannot be reached; does it answer now? sudo tootstrap doctor",
    ),
];

/// What the operator can do. `error`: the class of Ruby's exception; `message`: its text, mostly the relay's own words.
pub fn remedy(error: &str, message: &str) -> &'static str {
    let said = format!("{error} {message} ");
    let row = ROWS.iter().find(|(parts, _)| parts.iter().any(|part| said.contains(part)));
    row.map_or("sudo tootstrap mail set, with what is right", |(_, remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_own_remedy() {
        for (error, message, part) in [
            ("Net::SMTPAuthenticationError", "535 5.7.8 Error: authentication failed", "right login"),
            ("Net::SMTPFatalError", "550 5.1.1 <nobody@a.org>: Recipient address rejected: User unknown", "mail test ADDRESS"),
            ("Net::SMTPFatalError", "553 5.7.1 <me@a.org>: Sender address rejected: not owned by user", "--from ADDRESS"),
            ("OpenSSL::SSL::SSLError", "SSL_connect returned=1 errno=0 state=error: wrong version number", "465 means"),
            ("Net::OpenTimeout", "execution expired", "cannot be reached"),
            ("Net::SMTPFatalError", "554 no", "with what is right"),
        ] {
            assert!(remedy(error, message).contains(part), "{error}: {message}");
        }
    }
}
