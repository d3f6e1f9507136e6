//! Questions on a terminal, for what was not given and cannot be found out: at most six. Each answer is tried as soon as it is typed; at the
//! end all are read back and can be changed. A second run asks nothing.

mod checks;
pub(super) mod dialogue;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};

use secrecy::{ExposeSecret, SecretString};

use crate::host::Probe;
use crate::settings::{ApiToken, DomainName, EmailAddress, Given, Options, OwnerName};
use checks::Verdict;
use dialogue::Dialogue;

/// What the operator decided after reading the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    GoOn,
    /// Nothing shall be changed.
    End,
}

/// Asks on the terminal, if there is one and something is missing.
pub(super) async fn on_terminal(given: &mut Given, linode: bool, probe: &dyn Probe) -> io::Result<Decision> {
    let (input, output) = (io::stdin(), io::stderr());
    if !input.is_terminal() || !output.is_terminal() || given.is_recorded() {
        return Ok(Decision::GoOn);
    }
    let dialogue = Dialogue::new(input.lock(), output.lock(), true);
    Interview { dialogue, probe, linode }.hold(given).await
}

struct Interview<'a, I, O> {
    dialogue: Dialogue<I, O>,
    probe: &'a dyn Probe,
    linode: bool,
}

/// What was not given, so that it is asked for, also when answers are changed.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
struct Missing {
    domain: bool,
    email: bool,
    token: bool,
    owner: bool,
    who_may_join: bool,
    harden: bool,
}

impl Missing {
    fn of(given: &Given) -> Self {
        let options = &given.options;
        Self {
            domain: options.domain.is_none(),
            email: options.email.is_none(),
            token: given.token.is_none() && options.linode_token_file.is_none(),
            owner: options.owner.is_none(),
            who_may_join: options.single_user.is_none() && options.registrations.is_none(),
            harden: options.harden.is_none(),
        }
    }

    /// A token alone is no reason to ask: without one everything works, too.
    const fn any(self) -> bool {
        self.domain || self.email || self.owner || self.who_may_join || self.harden
    }
}

impl<I: io::BufRead, O: io::Write> Interview<'_, I, O> {
    async fn hold(&mut self, given: &mut Given) -> io::Result<Decision> {
        let missing = Missing::of(given);
        if !missing.any() {
            return Ok(Decision::GoOn);
        }
        self.dialogue.say("A few questions. Enter takes what stands in [brackets]; Ctrl-C ends, and nothing is changed.\n")?;
        loop {
            if !self.round(given, missing).await? {
                // No more input: what is still missing is told by whoever needs it.
                return Ok(Decision::GoOn);
            }
            self.read_back(given)?;
            loop {
                match self.dialogue.ask("Enter: go on   e: change answers   q: end, and change nothing")?.as_deref() {
                    Some("") => return Ok(Decision::GoOn),
                    Some("e" | "E") => break,
                    None | Some("q" | "Q") => return Ok(Decision::End),
                    Some(_) => {}
                }
            }
        }
    }

    /// Asks everything once. False: there is no more input.
    async fn round(&mut self, given: &mut Given, missing: Missing) -> io::Result<bool> {
        if missing.domain && !self.domain(&mut given.options).await? {
            return Ok(false);
        }
        if missing.email && !self.email(&mut given.options).await? {
            return Ok(false);
        }
        if missing.token && self.token_is_of_use(&given.options).await && !self.token(given).await? {
            return Ok(false);
        }
        let options = &mut given.options;
        if missing.owner && !self.owner(options)? {
            return Ok(false);
        }
        if missing.who_may_join && !self.who_may_join(options)? {
            return Ok(false);
        }
        if missing.harden {
            self.dialogue.say("  What is set up safely: SSH, a firewall, fail2ban, security upgrades.")?;
            let question = "Is this a fresh server, to be set up safely too? yes/no";
            let Some(answer) = self.dialogue.choice(question, &["yes", "no"], options.harden.as_deref().unwrap_or("no"))? else {
                return Ok(false);
            };
            options.harden = Some(answer);
        }
        Ok(true)
    }

    /// Typed twice, or, for the name that Linode gives, confirmed: it can never be changed.
    async fn domain(&mut self, options: &mut Options) -> io::Result<bool> {
        const LINODES: &str = "the name from Linode";
        loop {
            let present = options.domain.clone().or_else(|| self.linode.then(|| LINODES.to_owned()));
            let Some(first) = self.dialogue.ask_with("Name of your site, such as social.example.org", present.as_deref())? else {
                return Ok(false);
            };
            if first.is_empty() {
                continue;
            }
            if Some(&first) == options.domain.as_ref() {
                return Ok(true);
            }
            if first == LINODES {
                self.dialogue.say("  This machine's address, as in 203-0-113-10.ip.linodeusercontent.com.")?;
                self.dialogue.say("  It is part of every handle: it can never be changed.")?;
                match self.dialogue.choice("Take it for ever? yes/no", &["yes", "no"], "no")?.as_deref() {
                    None => return Ok(false),
                    Some("yes") => return Ok(true),
                    Some(_) => continue,
                }
            }
            let parsed = first.parse::<DomainName>().and_then(|name| name.never_public().map_or(Ok(name), Err));
            let name = match parsed {
                Ok(name) => name,
                Err(problem) => {
                    self.dialogue.say(&format!("  {first:?} {problem}"))?;
                    continue;
                }
            };
            self.dialogue.say(&format!("  {}", checks::domain(self.probe, &name, self.linode).await))?;
            self.dialogue.say(&format!("  Part of every handle (@you@{name}): it can never be changed."))?;
            let Some(second) = self.dialogue.ask("Type it again")? else { return Ok(false) };
            if second.parse() == Ok(name) {
                options.domain = Some(first);
                return Ok(true);
            }
            self.dialogue.say("  That is another name.")?;
        }
    }

    async fn email(&mut self, options: &mut Options) -> io::Result<bool> {
        let ours: Vec<_> = site(options).into_iter().collect();
        loop {
            let question = "Your e-mail address (for the certificate, and to sign in)";
            let Some(answer) = self.dialogue.parsed::<EmailAddress>(question, options.email.as_deref())? else { return Ok(false) };
            let Ok(address) = answer.parse::<EmailAddress>() else { continue };
            match checks::email(self.probe, &address, &ours).await {
                Verdict::Bad(why) => self.dialogue.say(&format!("  {answer:?} {why}"))?,
                Verdict::Good(remark) => {
                    self.dialogue.remark(&remark)?;
                    options.email = Some(answer);
                    return Ok(true);
                }
            }
        }
    }

    /// Only Linode's name servers can be told by it, and a name that belongs to Linode needs none.
    async fn token_is_of_use(&self, options: &Options) -> bool {
        let Some(name) = options.domain.as_ref().and_then(|text| text.parse::<DomainName>().ok()) else { return false };
        let proxied = options.behind_proxy.is_some();
        !proxied && !name.is_within("ip.linodeusercontent.com") && (self.linode || checks::is_at_linode(self.probe, &name).await)
    }

    async fn token(&mut self, given: &mut Given) -> io::Result<bool> {
        self.dialogue.say("  With a token that may read and write Domains, Linode gets the DNS records.")?;
        loop {
            let present = given.token.as_ref().map_or("none: you make the records yourself", |_| "the one that you gave");
            let question = "Linode API token (not shown)";
            let Some(answer) = self.dialogue.secret(question, present)? else { return Ok(false) };
            if answer.expose_secret().is_empty() {
                return Ok(true);
            }
            let token = match answer.expose_secret().parse::<ApiToken>() {
                Ok(token) => token,
                Err(problem) => {
                    self.dialogue.say(&format!("  The token {problem}"))?;
                    continue;
                }
            };
            let domain = given.options.domain.clone().unwrap_or_default();
            match checks::token(self.probe, token, &domain).await {
                Verdict::Bad(why) => self.dialogue.say(&format!("  {why}"))?,
                Verdict::Good(remark) => {
                    self.dialogue.remark(&remark)?;
                    given.token = Some(SecretString::from(answer.expose_secret().to_owned()));
                    return Ok(true);
                }
            }
        }
    }

    fn owner(&mut self, options: &mut Options) -> io::Result<bool> {
        let Some(answer) = self.dialogue.parsed::<OwnerName>("Name of your account, such as alice", options.owner.as_deref())? else {
            return Ok(false);
        };
        options.owner = Some(answer);
        self.dialogue.say(&format!("  Your handle will be {}", handle(options)))?;
        Ok(true)
    }

    fn who_may_join(&mut self, options: &mut Options) -> io::Result<bool> {
        let present = match (&options.single_user, &options.registrations) {
            (Some(_), _) => "just-me".to_owned(),
            (None, who) => who.clone().unwrap_or_else(|| "open".into()),
        };
        let question = "Who may join? open / approved / closed / just-me";
        let Some(answer) = self.dialogue.choice(question, &["open", "approved", "closed", "just-me"], &present)? else { return Ok(false) };
        (options.single_user, options.registrations) = if answer == "just-me" { (Some("yes".into()), None) } else { (None, Some(answer)) };
        Ok(true)
    }

    fn read_back(&mut self, given: &Given) -> io::Result<()> {
        let options = &given.options;
        let records = if given.token.is_some() || options.linode_token_file.is_some() {
            "made at Linode with your token"
        } else {
            "you make them; which ones is told"
        };
        let join = if options.single_user.is_some() { "just you" } else { options.registrations.as_deref().unwrap_or("open") };
        let address =
            site(options).map_or_else(|| "the name that Linode gives to this machine".to_owned(), |name| format!("https://{name}"));
        let lines = [
            ("Site", address),
            ("Your handle", format!("{}  (for ever)", handle(options))),
            ("E-mail", options.email.clone().unwrap_or_default()),
            ("DNS records", records.to_owned()),
            ("Who may join", join.to_owned()),
            ("Set up safely", options.harden.clone().unwrap_or_else(|| "no".into())),
        ];
        self.dialogue.say("")?;
        for (what, value) in lines {
            self.dialogue.say(&format!("  {what:<14} {value}"))?;
        }
        self.dialogue.say("")
    }
}

/// Name of the site, as far as it is known.
fn site(options: &Options) -> Option<String> {
    let domain = options.domain.as_ref()?.parse::<DomainName>().ok()?;
    let name = match options.subdomain.as_deref() {
        None | Some("www") => domain,
        Some(subdomain) => domain.below(subdomain).ok()?,
    };
    Some(name.to_string())
}

fn handle(options: &Options) -> String {
    let domain = options.handle_domain.clone().or_else(|| site(options)).unwrap_or_else(|| "(the name that Linode gives)".into());
    format!("@{}@{domain}", options.owner.as_deref().unwrap_or_default())
}
