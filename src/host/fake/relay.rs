//! A mail relay that knows one login and one sender.

use secrecy::ExposeSecret;

use super::super::{RelayTrouble, Reply, Stage, Trial};

#[derive(Clone, Debug)]
pub(crate) struct FakeRelay {
    pub(crate) server: &'static str,
    /// Ports that are open; others drop what comes.
    pub(crate) ports: Vec<u16>,
    pub(crate) login: &'static str,
    pub(crate) password: &'static str,
    pub(crate) from: &'static str,
    /// Whom it delivers to.
    pub(crate) to: &'static str,
}

impl FakeRelay {
    pub(super) fn attempt(&self, trial: &Trial) -> Result<(), RelayTrouble> {
        let refused = |stage, code, text: &str| Err(RelayTrouble::Refused { stage, reply: Reply { code, lines: vec![text.to_owned()] } });
        if trial.server != self.server {
            return Err(RelayTrouble::NoSuchName);
        }
        if !self.ports.contains(&trial.port) {
            return Err(RelayTrouble::Silent);
        }
        if (trial.login.as_str(), trial.password.expose_secret()) != (self.login, self.password) {
            return refused(Stage::Login, 535, "5.7.8 Authentication \u{1b}[31mfailed");
        }
        if trial.from != self.from {
            return refused(Stage::Sender, 553, "5.7.1 Sender address rejected: not yours");
        }
        if trial.to != self.to {
            return refused(Stage::Recipient, 554, "5.7.1 Relay access denied");
        }
        Ok(())
    }
}
