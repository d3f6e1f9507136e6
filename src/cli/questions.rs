//! Questions on a terminal, for what was not given and cannot be found out. A second run asks nothing.

use std::io::{self, BufRead, IsTerminal, Write};
use std::str::FromStr;

use crate::settings::{DomainName, EmailAddress, Given, Options, OwnerName};

/// Asks on the terminal, if there is one.
pub(super) fn on_terminal(given: &mut Given, linode: bool) -> io::Result<()> {
    let (input, output) = (io::stdin(), io::stderr());
    if !input.is_terminal() || !output.is_terminal() || given.is_recorded() {
        return Ok(());
    }
    Dialogue { input: input.lock(), output: output.lock() }.fill(&mut given.options, linode)
}

struct Dialogue<I, O> {
    input: I,
    output: O,
}

impl<I: BufRead, O: Write> Dialogue<I, O> {
    fn fill(&mut self, options: &mut Options, linode: bool) -> io::Result<()> {
        if options.domain.is_none() {
            options.domain = self.domain(linode)?;
        }
        if options.email.is_none() {
            options.email = self.parsed::<EmailAddress>("Your e-mail address (for the certificate, and to sign in)")?;
        }
        if options.owner.is_none() {
            options.owner = self.parsed::<OwnerName>("Name of your account, such as alice")?;
        }
        if options.single_user.is_none() && options.registrations.is_none() {
            self.who_may_join(options)?;
        }
        if options.harden.is_none() {
            let question = "Is this a fresh server, to be set up safely too (SSH, firewall, fail2ban, upgrades)? yes/no [no]";
            options.harden = Some(self.choice(question, &["yes", "no"], "no")?);
        }
        Ok(())
    }

    /// Asked twice: it can never be changed. Empty on Linode: the name that Linode gives.
    fn domain(&mut self, linode: bool) -> io::Result<Option<String>> {
        let hint = if linode { " [the name that Linode gives to this machine]" } else { "" };
        loop {
            let answer = self.ask(&format!("Name of your site, such as social.example.org{hint}"))?;
            let Some(first) = answer.filter(|text| !(linode && text.is_empty())) else { return Ok(None) };
            match first.parse::<DomainName>() {
                Err(problem) => self.say(&format!("  {first:?} {problem}"))?,
                Ok(name) => {
                    self.say(&format!("  It will be part of every handle (@you@{name}) and can never be changed."))?;
                    let Some(second) = self.ask("Type it again")? else { return Ok(None) };
                    if second.parse() == Ok(name) {
                        return Ok(Some(first));
                    }
                    self.say("  That is another name.")?;
                }
            }
        }
    }

    fn who_may_join(&mut self, options: &mut Options) -> io::Result<()> {
        let question = "Who may join? open / approved / closed / just-me [closed]";
        match self.choice(question, &["open", "approved", "closed", "just-me"], "closed")?.as_str() {
            "just-me" => options.single_user = Some("yes".into()),
            who => options.registrations = Some(who.to_owned()),
        }
        Ok(())
    }

    fn parsed<T: FromStr<Err = String>>(&mut self, question: &str) -> io::Result<Option<String>> {
        while let Some(answer) = self.ask(question)? {
            match answer.parse::<T>() {
                Ok(_) => return Ok(Some(answer)),
                Err(problem) => self.say(&format!("  {answer:?} {problem}"))?,
            }
        }
        Ok(None)
    }

    fn choice(&mut self, question: &str, allowed: &[&str], default: &str) -> io::Result<String> {
        while let Some(answer) = self.ask(question)? {
            match answer.to_ascii_lowercase() {
                empty if empty.is_empty() => break,
                answer if allowed.contains(&answer.as_str()) => return Ok(answer),
                _ => self.say(&format!("  One of: {}", allowed.join(", ")))?,
            }
        }
        Ok(default.to_owned())
    }

    /// A line without its end. `None`: there will be no more.
    fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        write!(self.output, "{question}: ")?;
        self.output.flush()?;
        // What is not UTF-8 shows as such in the answer that is refused.
        let mut line = Vec::new();
        let read = self.input.read_until(b'\n', &mut line)?;
        Ok((read > 0).then(|| String::from_utf8_lossy(&line).trim().to_owned()))
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.output, "{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(answers: &str, mut options: Options, linode: bool) -> (Options, String) {
        let mut output = Vec::new();
        Dialogue { input: answers.as_bytes(), output: &mut output }.fill(&mut options, linode).expect("answers");
        (options, String::from_utf8(output).expect("text"))
    }

    #[test]
    fn bad_answers_are_asked_again() {
        let answers = "https://a.org\na.org\nb.org\na.org\na.org\nme\nme@a.org\n@me\nme\nall\njust-me\n\n";
        let (options, output) = asked(answers, Options::default(), false);
        let wanted = "domain = 'a.org'\nemail = 'me@a.org'\nowner = 'me'\nsingle_user = 'yes'\nharden = 'no'";
        assert_eq!(options, toml::from_str(wanted).expect("options"));
        for part in ["is a web address", "That is another name", "has no @", "has an @", "One of: open"] {
            assert!(output.contains(part), "{part}: {output}");
        }
    }

    #[test]
    fn what_is_given_is_not_asked() {
        let given: Options =
            toml::from_str("domain = 'a.org'\nemail = 'e'\nowner = 'o'\nregistrations = 'open'\nharden = 'yes'").expect("options");
        assert_eq!(asked("", given.clone(), false), (given, String::new()));
    }

    #[test]
    fn linode_has_a_name_for_every_machine_and_an_end_of_input_ends_the_questions() {
        let (options, _) = asked("\nme@a.org\n", Options::default(), true);
        assert_eq!((options.domain, options.email.as_deref(), options.owner), (None, Some("me@a.org"), None));
    }
}
