//! The firewall: ufw.

mod rules;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::{Context, anyhow};
use async_trait::async_trait;

use rules::{Rules, Verdict};

use super::{Drift, Resource};
use crate::host::{Cmd, Host, Probe};
use crate::report::WithRemedy;

/// Answers to DHCP clients: ufw's own rules let them in.
const LET_IN_BY_UFW: [&str; 2] = ["68/udp", "546/udp"];

/// What it says without its own rules, `/etc/ufw/before.rules` for instance.
const LACKS_FILES: &str = "Couldn't find '/etc/ufw/";

/// What must be open, as ufw writes it: `22/tcp`.
type Port = String;

/// ufw, enabled, with the ports that are needed open. They are allowed before it is enabled; a policy that is in force is only added to,
/// and a rule in it that shuts a port is the owner's to remove. A policy that is not in force must not lock anybody out when it gets so.
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

    fn ports(&self) -> impl Iterator<Item = &Port> {
        self.ssh.iter().chain(&self.web)
    }

    async fn state(&self, host: &dyn Probe) -> anyhow::Result<State> {
        if host.which("ufw").await.is_none() {
            let missing = self.ports().map(|port| Missing { port: port.clone(), first: false }).collect();
            return Ok(State { enabled: false, missing, shut: Vec::new() });
        }
        let show = Cmd::new("ufw").args(["show", "added"]);
        // ufw is a program of Python's: it starts for longer than all other checks take.
        let (enabled, rules) = tokio::join!(in_force(host), host.query(&show));
        let (enabled, rules) = (enabled?, rules.context("cannot ask ufw for its rules")?);
        anyhow::ensure!(rules.success(), "ufw does not tell its rules: {}", rules.stderr.trim());
        let rules = Rules::parse(&rules.stdout);
        let mut state = State { enabled, missing: Vec::new(), shut: Vec::new() };
        for port in self.ports() {
            let missing = |first| Missing { port: port.clone(), first };
            match rules.verdict(port) {
                Verdict::Open => {}
                Verdict::Shut(rule) if state.enabled => state.shut.push((port.clone(), rule)),
                // Who is let in to sshd, or kept out of the web, is the owner's wish.
                Verdict::Some if state.enabled && (self.ssh.contains(port) || rules.shuts(port)) => {}
                Verdict::Some | Verdict::Shut(_) | Verdict::Silent => state.missing.push(missing(!state.enabled && rules.shuts(port))),
            }
        }
        Ok(state)
    }

    /// What else can be reached from outside now and no longer will: `25/tcp (master)`.
    async fn closed_by_it(&self, host: &dyn Probe) -> anyhow::Result<Vec<String>> {
        let output = host.query(&Cmd::new("ss").args(["-H", "-l", "-t", "-u", "-n", "-p"])).await?;
        let listeners: BTreeSet<_> = output.stdout.lines().filter_map(public_listener).collect();
        let open = |port: &str| self.ports().any(|open| open == port) || LET_IN_BY_UFW.contains(&port);
        Ok(listeners.into_iter().filter(|(port, _)| !open(port)).map(|(port, program)| format!("{port} ({program})")).collect())
    }
}

/// Ports of the web that ufw shuts to the world, with the rule that does it. `None`: no rule speaks of them, and what no rule lets in stays
/// out. Nothing, if ufw is not in force.
///
/// # Errors
/// It cannot be asked.
pub(crate) async fn shut_to_the_web(host: &dyn Probe) -> anyhow::Result<Vec<(String, Option<String>)>> {
    let web = Firewall { ssh: Vec::new(), web: ["80/tcp", "443/tcp"].map(String::from).to_vec() };
    let state = web.state(host).await?;
    if !state.enabled {
        return Ok(Vec::new());
    }
    let defaults = host.read_text(Path::new("/etc/default/ufw")).await?.unwrap_or_default();
    let open = defaults.lines().any(|line| line.trim() == r#"DEFAULT_INPUT_POLICY="ACCEPT""#);
    let unnamed = state.missing.into_iter().filter(|_| !open).map(|missing| (missing.port, None));
    Ok(unnamed.chain(state.shut.into_iter().map(|(port, rule)| (port, Some(rule)))).collect())
}

/// Whether ufw's rules are loaded: what `ufw status` itself looks at, in a twentieth of the time.
async fn in_force(host: &dyn Probe) -> anyhow::Result<bool> {
    if !has_chain(host, "iptables", "ufw-user-input").await? {
        return Ok(false);
    }
    let defaults = host.read_text(Path::new("/etc/default/ufw")).await?.unwrap_or_default();
    if defaults.lines().any(|line| line.trim().eq_ignore_ascii_case("IPV6=yes")) && !has_chain(host, "ip6tables", "ufw6-user-input").await?
    {
        return Err(anyhow!("ufw is in force for IPv4 only")).remedy("sudo ufw reload; then: sudo tootstrap install");
    }
    Ok(true)
}

/// With status 1 these programs say that there is no such chain.
async fn has_chain(host: &dyn Probe, program: &str, chain: &str) -> anyhow::Result<bool> {
    let answer = host.query(&Cmd::new(program).args(["-w", "-n", "-L", chain])).await.context("cannot ask for the firewall's state")?;
    anyhow::ensure!(answer.status <= 1, "{program} does not tell the firewall's state: {}", answer.stderr.trim());
    Ok(answer.success())
}

/// What ufw could load only in part may let nothing in, not even the answers of DNS, so it is taken back, and no stop of the run ends it half-way.
async fn enable(host: &dyn Host) -> anyhow::Result<()> {
    let host = host.unstoppable();
    let Err(error) = host.run(&Cmd::new("ufw").args(["--force", "enable"])).await else { return Ok(()) };
    if let Err(error) = host.run(&Cmd::new("ufw").args(["--force", "disable"])).await {
        log::warn!("ufw may let in nothing now: {error}");
    }
    let remedy = if error.to_string().contains(LACKS_FILES) {
        "sudo UCF_FORCE_CONFFMISS=1 apt-get install --reinstall ufw; then: sudo tootstrap install"
    } else {
        "where the kernel has no netfilter, install with --no-harden"
    };
    Err(error).context("cannot enable the firewall, which stays off").remedy(remedy)
}

struct State {
    enabled: bool,
    missing: Vec<Missing>,
    /// Ports that a rule in force shuts for everybody, with the rule.
    shut: Vec<(Port, String)>,
}

struct Missing {
    port: Port,
    /// Its rule must stand before all others, because one of them shuts the port.
    first: bool,
}

impl Missing {
    async fn open(&self, host: &dyn Host) -> anyhow::Result<()> {
        let port = self.port.as_str();
        if self.first {
            // ufw leaves a rule that it has where it is.
            host.run(&Cmd::new("ufw").args(["delete", "allow", port])).await?;
            host.run(&Cmd::new("ufw").args(["prepend", "allow", port])).await?;
        } else {
            host.run(&Cmd::new("ufw").args(["allow", port])).await?;
        }
        Ok(())
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
        let ports: Vec<_> = self.ports().map(String::as_str).collect();
        write!(f, "firewall with {} open", ports.join(", "))
    }
}

#[async_trait]
impl Resource for Firewall {
    async fn check(&self, host: &dyn Probe) -> anyhow::Result<Drift> {
        let state = self.state(host).await?;
        let mut drift = Drift::none();
        for Missing { port, first } in &state.missing {
            let before = if *first { ", before the rules that shut it" } else { "" };
            drift.push_do(format!("open {port}{before}"));
        }
        if !state.enabled {
            let closed = self.closed_by_it(host).await?;
            let closed =
                if closed.is_empty() { String::new() } else { format!("; no longer reachable from outside: {}", closed.join(", ")) };
            drift.push_do(format!("enable the firewall{closed}"));
        }
        if !state.shut.is_empty() {
            let what: Vec<_> =
                state.shut.iter().map(|(port, rule)| format!("{port} to be open: the firewall has the rule `{rule}`")).collect();
            let delete: Vec<_> =
                state.shut.iter().map(|(_, rule)| format!("sudo ufw delete {rule}")).collect::<BTreeSet<_>>().into_iter().collect();
            let remedy = format!("if the rule is not wanted any more: {}; then: sudo tootstrap install", delete.join("; "));
            drift.merge(Drift::stuck(what.join("; "), remedy));
        }
        Ok(drift)
    }

    async fn apply(&self, host: &dyn Host) -> anyhow::Result<()> {
        let state = self.state(host.probe()).await?;
        for missing in &state.missing {
            missing.open(host).await.with_context(|| format!("cannot open {}", missing.port))?;
        }
        if !state.enabled {
            let left = self.state(host.probe()).await?.missing;
            if let Some(Missing { port, .. }) = left.first() {
                return Err(anyhow!("ufw would not let in {port} if it were enabled, so it is not"))
                    .remedy("look at its rules (sudo ufw show added) and remove those that shut it, or install with --no-harden");
            }
            enable(host).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
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
            m.ufw.rules = ["allow from 192.0.2.1 to any port 2222 proto tcp", "limit 80/tcp", "allow from 192.0.2.1 to any port 443"]
                .map(String::from)
                .to_vec();
        };
        case(policy, &["open 443/tcp", "open 443/udp"], &["run ufw allow 443/tcp", "run ufw allow 443/udp"]).await;
    }

    #[tokio::test]
    async fn a_policy_that_is_not_in_force_locks_nobody_out() {
        let first = "open 2222/tcp, before the rules that shut it";
        let prepend = ["run ufw delete allow 2222/tcp", "run ufw prepend allow 2222/tcp"];
        let cases: [(&[&str], &str, &[&str]); 7] = [
            (&["deny 2222/tcp"], first, &prepend),
            (&["reject 2222"], first, &prepend),
            (&["deny 2222", "allow 2222/tcp"], first, &prepend),
            (&["deny from 192.0.2.1", "allow 2222/tcp"], first, &prepend),
            (&["allow out 2222/tcp"], "open 2222/tcp", &["run ufw allow 2222/tcp"]),
            (&["allow from 192.0.2.1 to any port 2222"], "open 2222/tcp", &["run ufw allow 2222/tcp"]),
            (&["limit 2222/tcp"], "", &[]),
        ];
        for (rules, opens, log) in cases {
            let policy = |m: &mut Machine| {
                m.ssh.listening.clear();
                m.ufw.rules = ["allow 80", "allow 443"].iter().chain(rules).map(ToString::to_string).collect();
            };
            let drift: Vec<_> = [opens, "enable the firewall"].into_iter().filter(|change| !change.is_empty()).collect();
            let log: Vec<_> = log.iter().copied().chain(["run ufw --force enable"]).collect();
            case(policy, &drift, &log).await;
        }
    }

    #[tokio::test]
    async fn what_the_owner_shuts_in_force_is_told_and_left() {
        for rule in ["deny 2222/tcp", "reject 2222", "deny proto tcp from any to any"] {
            let host = FakeHost::debian();
            host.machine().install("ufw");
            host.machine().ufw.active = true;
            host.machine().ufw.rules = ["allow 80", "allow 443", rule, "allow 2222/tcp"].map(String::from).to_vec();
            let drift = Firewall::new(&[2222]).check(&host).await.unwrap();
            assert!(drift.changes.is_empty(), "{drift:?}");
            let wait = drift.wait.unwrap();
            assert_eq!((wait.what, wait.soon), (format!("2222/tcp to be open: the firewall has the rule `{rule}`"), false));
            assert!(wait.remedy.contains(&format!("sudo ufw delete {rule}; then")), "{}", wait.remedy);
        }
    }

    #[tokio::test]
    async fn it_is_not_enabled_if_it_would_lock_out() {
        let host = FakeHost::debian();
        host.machine().install("ufw");
        host.machine().ufw.rules = vec!["deny 2222".into()];
        host.machine().ufw.ignores_prepend = true;
        let error = Firewall::new(&[2222]).apply(&host).await.unwrap_err();
        assert!(crate::report::Problem::remedy_of(&error).is_some());
        assert!(!host.machine().ufw.active);
    }

    #[tokio::test]
    async fn what_it_could_load_only_in_part_is_taken_back() {
        let host = FakeHost::debian();
        host.machine().install("ufw");
        host.machine().ufw.refusal = Some("ERROR: problem running ufw-init\nCouldn't find '/etc/ufw/before.rules'");
        let error = Firewall::new(&[2222]).apply(&host).await.unwrap_err();
        assert!(!host.machine().ufw.active, "nobody can reach the machine");
        assert!(crate::report::Problem::remedy_of(&error).unwrap().contains("--reinstall ufw"), "{error:#}");
        assert_eq!(host.take_log()[4..], ["run ufw --force enable", "run ufw --force disable"]);
        host.machine().ufw.refusal = None;
        converge(&host, &Firewall::new(&[2222])).await;
        assert!(host.machine().ufw.active);
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
    async fn in_force_for_ipv4_only_is_told() {
        let host = FakeHost::debian();
        host.machine().install("ufw");
        host.machine().ufw.active = true;
        host.machine().ufw.only_ipv4 = true;
        let firewall = Firewall::new(&[22]);
        assert!(firewall.check(&host).await.is_ok(), "without IPv6 there is nothing to be in force");
        host.machine().place("/etc/default/ufw", Kind::File, "IPV6=yes\n", 0o644);
        assert_eq!(firewall.check(&host).await.unwrap_err().to_string(), "ufw is in force for IPv4 only");
    }

    #[tokio::test]
    async fn what_is_shut_to_the_web() {
        let unnamed = |port: &str| (port.to_owned(), None);
        let by = |port: &str, rule: &str| (port.to_owned(), Some(rule.to_owned()));
        let refuses = r#"DEFAULT_INPUT_POLICY="DROP""#;
        let cases = [
            (true, refuses, vec!["allow 22/tcp"], vec![unnamed("80/tcp"), unnamed("443/tcp")]),
            (true, refuses, vec!["allow 80/tcp", "deny 443"], vec![by("443/tcp", "deny 443")]),
            (true, refuses, vec!["allow 'WWW Full'"], vec![]),
            (true, refuses, vec!["allow from 192.0.2.1", "allow 443"], vec![unnamed("80/tcp")]),
            (true, refuses, vec!["deny from 192.0.2.1", "allow 80", "allow 443"], vec![]),
            (true, r#"DEFAULT_INPUT_POLICY="ACCEPT""#, vec!["allow 22/tcp", "deny 80"], vec![by("80/tcp", "deny 80")]),
            (false, refuses, vec!["deny 80"], vec![]),
        ];
        for (active, defaults, rules, shut) in cases {
            let host = FakeHost::debian();
            assert!(shut_to_the_web(&host).await.unwrap().is_empty(), "there is no ufw");
            host.machine().install("ufw");
            host.machine().place("/etc/default", Kind::Directory, "", 0o755);
            host.machine().place("/etc/default/ufw", Kind::File, defaults, 0o644);
            host.machine().ufw.active = active;
            host.machine().ufw.rules = rules.iter().map(ToString::to_string).collect();
            assert_eq!(shut_to_the_web(&host).await.unwrap(), shut, "{rules:?}");
        }
    }

    #[tokio::test]
    async fn on_a_machine_without_ufw_everything_is_to_do() {
        let drift = Firewall::new(&[22]).check(&FakeHost::debian()).await.unwrap();
        assert_eq!(drift.changes.len(), 5);
    }
}
