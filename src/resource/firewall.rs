//! The firewall: ufw.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Context;
use async_trait::async_trait;

use super::{Drift, Resource};
use crate::host::{Cmd, Host, Probe};
use crate::report::WithRemedy;

/// Answers to DHCP clients: ufw's own rules let them in.
const LET_IN_BY_UFW: [&str; 2] = ["68/udp", "546/udp"];

/// What must be open, as ufw writes it: `22/tcp`.
type Port = String;

/// ufw, enabled, with the ports that are needed open. They are allowed before it is enabled; a policy that is there is only added to.
pub struct Firewall {
    ssh: Vec<Port>,
    web: Vec<Port>,
}

impl Firewall {
    /// Open: the ports that sshd really listens on, and the web's, HTTP/3 included.
    pub fn new(ssh_ports: &[u16]) -> Self {
        let ssh = ssh_ports.iter().map(|port| format!("{port}/tcp")).collect();
        Self { ssh, web: ["80/tcp", "443/tcp", "443/udp"].map(String::from).to_vec() }
    }

    async fn state(&self, host: &dyn Probe) -> anyhow::Result<State> {
        if host.which("ufw").await.is_none() {
            return Ok(State { enabled: false, missing: self.ssh.iter().chain(&self.web).cloned().collect() });
        }
        let status = host.query(&Cmd::new("ufw").arg("status")).await.context("cannot ask ufw for its state")?;
        anyhow::ensure!(status.success(), "ufw does not tell its state: {}", status.stderr.trim());
        let rules = host.query(&Cmd::new("ufw").args(["show", "added"])).await.context("cannot ask ufw for its rules")?;
        let rules: Vec<_> = rules.stdout.lines().filter_map(|line| line.strip_prefix("ufw ")).map(Rule::parse).collect();
        // A rule for sshd's port that lets in only some addresses is the owner's wish; the web is for everybody.
        let ssh = self.ssh.iter().filter(|port| !rules.iter().any(|rule| rule.is_about(port)));
        let web = self.web.iter().filter(|port| !rules.iter().any(|rule| rule.opens(port)));
        Ok(State { enabled: status.stdout.lines().any(|line| line == "Status: active"), missing: ssh.chain(web).cloned().collect() })
    }

    /// What else can be reached from outside now and no longer will: `25/tcp (master)`.
    async fn closed_by_it(&self, host: &dyn Probe) -> anyhow::Result<Vec<String>> {
        let output = host.query(&Cmd::new("ss").args(["-H", "-l", "-t", "-u", "-n", "-p"])).await?;
        let listeners: BTreeSet<_> = output.stdout.lines().filter_map(public_listener).collect();
        let open = |port: &str| self.ssh.iter().chain(&self.web).any(|open| open == port) || LET_IN_BY_UFW.contains(&port);
        Ok(listeners.into_iter().filter(|(port, _)| !open(port)).map(|(port, program)| format!("{port} ({program})")).collect())
    }
}

struct State {
    enabled: bool,
    missing: Vec<Port>,
}

/// A rule as `ufw show added` tells it: `allow 22/tcp`, `allow from 192.0.2.1 to any port 22 proto tcp`, `limit OpenSSH`.
struct Rule {
    action: String,
    words: Vec<String>,
}

impl Rule {
    fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace().map(str::to_owned);
        Self { action: words.next().unwrap_or_default(), words: words.collect() }
    }

    fn is_about(&self, port: &str) -> bool {
        let number = port.split('/').next().unwrap_or_default();
        let named =
            |word: &String| word == port || word == number || (number == "22" && matches!(word.as_str(), "OpenSSH" | "SSH" | "ssh"));
        self.words.iter().any(named)
    }

    fn opens(&self, port: &str) -> bool {
        let number = port.split('/').next().unwrap_or_default();
        let plain = self.words.first().is_some_and(|word| word == port || word == number);
        matches!(self.action.as_str(), "allow" | "limit") && plain && !self.words.iter().any(|word| word == "from")
    }
}

/// Port with protocol, and program, of a line of `ss -H -l -t -u -n -p` whose socket is not only for this machine.
fn public_listener(line: &str) -> Option<(String, String)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let (address, port) = words.get(4)?.rsplit_once(':')?;
    let address = address.split('%').next().unwrap_or_default().trim_matches(['[', ']']);
    if address.starts_with("127.") || address == "::1" {
        return None;
    }
    let program = line.split("((\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("the system");
    Some((format!("{port}/{}", words[0]), program.to_owned()))
}

impl fmt::Display for Firewall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports: Vec<_> = self.ssh.iter().chain(&self.web).map(String::as_str).collect();
        write!(f, "firewall with {} open", ports.join(", "))
    }
}

#[async_trait]
impl Resource for Firewall {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let state = self.state(host).await?;
        let mut drift = Drift::none();
        for port in &state.missing {
            drift.push_do(format!("open {port}"));
        }
        if !state.enabled {
            let closed = self.closed_by_it(host).await?;
            let closed =
                if closed.is_empty() { String::new() } else { format!("; no longer reachable from outside: {}", closed.join(", ")) };
            drift.push_do(format!("enable the firewall{closed}"));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let state = self.state(host.probe()).await?;
        for port in &state.missing {
            host.run(&Cmd::new("ufw").args(["allow", port])).await.with_context(|| format!("cannot open {port}"))?;
        }
        if !state.enabled {
            host.run(&Cmd::new("ufw").args(["--force", "enable"]))
                .await
                .context("cannot enable the firewall")
                .remedy("where the kernel has no netfilter, install with --no-harden")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, Machine};
    use crate::resource::testing::converge;

    async fn case(arrange: impl Fn(&mut Machine), drift: &[&str], log: &[&str]) {
        let host = FakeHost::debian();
        host.machine().install("ufw");
        arrange(&mut host.machine());
        let firewall = Firewall::new(&[2222]);
        let shown: Vec<_> = firewall.check(&host).await.unwrap().changes.iter().map(ToString::to_string).collect();
        assert_eq!(shown, drift);
        assert_eq!(converge(&host, &firewall).await, log);
    }

    const ALL: [&str; 5] =
        ["run ufw allow 2222/tcp", "run ufw allow 80/tcp", "run ufw allow 443/tcp", "run ufw allow 443/udp", "run ufw --force enable"];

    #[tokio::test]
    async fn sshs_port_is_open_before_it_is_enabled_and_what_closes_is_said() {
        let listening = |m: &mut Machine| {
            let sockets = [
                "tcp 0.0.0.0:2222 users:((\"sshd\"",
                "tcp [::]:25 users:((\"master\"",
                "tcp 127.0.0.1:5432 x",
                "udp 0.0.0.0%eth0:68 x",
                "udp *:123 x",
            ];
            m.ssh.listening = sockets.map(String::from).to_vec();
        };
        let enable = "enable the firewall; no longer reachable from outside: 123/udp (the system), 25/tcp (master)";
        case(listening, &["open 2222/tcp", "open 80/tcp", "open 443/tcp", "open 443/udp", enable], &ALL).await;
    }

    #[tokio::test]
    async fn a_policy_that_is_there_is_only_added_to() {
        let policy = |m: &mut Machine| {
            m.ufw.active = true;
            m.ufw.rules = ["allow from 192.0.2.1 to any port 2222 proto tcp", "limit 80/tcp", "deny 443/udp"].map(String::from).to_vec();
        };
        case(policy, &["open 443/tcp", "open 443/udp"], &["run ufw allow 443/tcp", "run ufw allow 443/udp"]).await;
    }

    #[tokio::test]
    async fn as_wanted() {
        let policy = |m: &mut Machine| {
            m.ufw.active = true;
            m.ufw.rules = ["allow 2222", "allow 80", "allow 443"].map(String::from).to_vec();
        };
        case(policy, &[], &[]).await;
    }

    #[tokio::test]
    async fn on_a_machine_without_ufw_everything_is_to_do() {
        let drift = Firewall::new(&[22]).check(&FakeHost::debian()).await.unwrap();
        assert_eq!(drift.changes.len(), 5);
    }
}
