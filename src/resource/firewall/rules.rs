//! The rules that ufw has, in its order: the first that matches decides.

/// All rules.
pub(super) struct Rules(Vec<Rule>);

/// What the rules make of new connections to a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everybody is let in, with no rule before that shuts somebody out.
    Open,
    /// Some are let in, or all but some.
    Some,
    /// Nobody is let in: by this rule.
    Shut(String),
    /// Nothing is said about it, so the policy for what comes in decides.
    Silent,
}

impl Rules {
    /// From what `ufw show added` prints.
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(|line| line.strip_prefix("ufw ")).filter_map(Rule::parse).collect())
    }

    /// About a port as ufw writes it: `22/tcp`.
    pub(super) fn verdict(&self, port: &str) -> Verdict {
        let (mut lets_some, mut shuts_some) = (false, false);
        for rule in self.0.iter().filter(|rule| rule.is_about(port)) {
            match (rule.lets_in, rule.everybody) {
                (true, true) => return if shuts_some { Verdict::Some } else { Verdict::Open },
                (false, true) => return if lets_some { Verdict::Some } else { Verdict::Shut(rule.text.clone()) },
                (true, false) => lets_some = true,
                (false, false) => shuts_some = true,
            }
        }
        if lets_some { Verdict::Some } else { Verdict::Silent }
    }

    /// Some rule shuts somebody out, so that an allowing rule must stand before it.
    pub(super) fn shuts(&self, port: &str) -> bool {
        self.0.iter().any(|rule| rule.is_about(port) && !rule.lets_in)
    }
}

/// A rule for what comes in: `allow 22/tcp`, `allow from 192.0.2.1 to any port 22 proto tcp`, `limit OpenSSH`.
struct Rule {
    text: String,
    lets_in: bool,
    /// From wherever, on every interface, to every address of this machine.
    everybody: bool,
    /// `None`: all.
    ports: Option<String>,
    protocol: Option<String>,
}

impl Rule {
    /// `None`: it is about what goes out or passes through.
    fn parse(text: &str) -> Option<Self> {
        let text = text.split(" comment ").next()?.trim();
        let words = text.split_whitespace().filter(|word| !matches!(*word, "log" | "log-all" | "in")).collect::<Vec<_>>();
        let (action, words) = words.split_first()?;
        if !matches!(*action, "allow" | "limit" | "deny" | "reject") || words.first() == Some(&"out") {
            return None;
        }
        let mut rule =
            Self { text: text.to_owned(), lets_in: matches!(*action, "allow" | "limit"), everybody: true, ports: None, protocol: None };
        if matches!(*words.first()?, "from" | "to" | "on" | "proto") {
            rule.read_long(words);
        } else {
            rule.read_ports(&words.join(" "));
        }
        Some(rule)
    }

    fn read_long(&mut self, words: &[&str]) {
        let mut of_source = false;
        for pair in words.windows(2) {
            match *pair {
                ["from", address] => (of_source, self.everybody) = (true, self.everybody && address == "any"),
                ["to", address] => (of_source, self.everybody) = (false, self.everybody && address == "any"),
                ["on", _] => self.everybody = false,
                ["port" | "app", _] if of_source => self.everybody = false,
                ["port" | "app", ports] => self.read_ports(ports),
                ["proto", protocol] => self.protocol = Some(protocol.to_owned()),
                _ => {}
            }
        }
    }

    fn read_ports(&mut self, text: &str) {
        let (ports, protocol) = match text.trim_matches('\'') {
            "OpenSSH" | "SSH" | "ssh" => ("22", Some("tcp")),
            "WWW" | "http" => ("80", Some("tcp")),
            "WWW Secure" | "https" => ("443", Some("tcp")),
            "WWW Full" => ("80,443", Some("tcp")),
            other => other.split_once('/').map_or((other, None), |(ports, protocol)| (ports, Some(protocol))),
        };
        self.ports = Some(ports.to_owned());
        self.protocol = protocol.map(str::to_owned).or(self.protocol.take());
    }

    fn is_about(&self, port: &str) -> bool {
        let Some((number, protocol)) = port.split_once('/') else { return false };
        let Ok(number) = number.parse::<u16>() else { return false };
        let among = |range: &str| {
            let (first, last) = range.split_once(':').unwrap_or((range, range));
            matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&number))
        };
        self.protocol.as_ref().is_none_or(|own| own == protocol) && self.ports.as_ref().is_none_or(|ports| ports.split(',').any(among))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_policies() {
        let shut = |rule: &str| Verdict::Shut(rule.into());
        let cases: [(&[&str], Verdict); 19] = [
            (&[], Verdict::Silent),
            (&["allow 22/tcp"], Verdict::Open),
            (&["limit OpenSSH comment 'deny nobody'"], Verdict::Open),
            (&["allow log 20:30/tcp"], Verdict::Open),
            (&["allow 80,22/tcp"], Verdict::Open),
            (&["allow 22/udp"], Verdict::Silent),
            (&["allow out 22/tcp", "route allow 22/tcp", "allow 2222"], Verdict::Silent),
            (&["deny 22/tcp"], shut("deny 22/tcp")),
            (&["reject ssh"], shut("reject ssh")),
            (&["deny 22", "allow 22/tcp"], shut("deny 22")),
            (&["allow 22/tcp", "deny 22"], Verdict::Open),
            (&["deny proto tcp from any to any"], shut("deny proto tcp from any to any")),
            (&["allow from 192.0.2.1 to any port 22 proto tcp", "deny 22/tcp"], Verdict::Some),
            (&["allow from 192.0.2.1"], Verdict::Some),
            (&["allow in on eth0 to any port 22"], Verdict::Some),
            (&["allow from any port 22"], Verdict::Some),
            (&["deny from 192.0.2.1", "allow 22/tcp"], Verdict::Some),
            (&["deny from 192.0.2.1", "deny 22"], shut("deny 22")),
            (&["deny from 192.0.2.1"], Verdict::Silent),
        ];
        for (rules, verdict) in cases {
            let text = rules.iter().fold(String::new(), |text, rule| text + "ufw " + rule + "\n");
            assert_eq!(Rules::parse(&format!("Added user rules:\n{text}")).verdict("22/tcp"), verdict, "{rules:?}");
        }
    }

    #[test]
    fn the_webs_profiles() {
        let rules = Rules::parse("ufw allow 'WWW Full'\n");
        assert_eq!(["80/tcp", "443/tcp", "443/udp"].map(|port| rules.verdict(port) == Verdict::Open), [true, true, false]);
    }
}
