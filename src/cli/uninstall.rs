//! `tootstrap uninstall`: takes the server away again, and the data only if that is asked for.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;

use super::exit::{End, Exit, Trouble};
use super::follow::{listing, renderer};
use super::{install, lock, need_root, prepare, tell, work};
use crate::host::Probe;
use crate::host::system::System;
use crate::plan::Plan;
use crate::plan::removal::{self, Removal};
use crate::report::{Events, Redactor, Renderer, made, render};
use crate::run::{Engine, Mode, Report, Stop};
use crate::settings::{self, Given, Images, Options, SecretEnv};

/// Remove the server; its data stay unless you say otherwise
///
/// Containers, images, units and files that tootstrap made go. Accounts, posts, media, settings and secrets stay, so that `sudo tootstrap
/// install` brings the same server back; with --delete-data they go too, for ever. What is left on the machine, and why, is told at the end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap uninstall --dry-run     what would go?
  sudo tootstrap uninstall               asks for the domain, then removes
  sudo tootstrap tootctl self-destruct   before that: tell other servers to forget this one
  sudo tootstrap uninstall --delete-data")]
pub(super) struct Uninstall {
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Delete accounts, posts, media, certificates, settings and secrets as well
    #[arg(long)]
    delete_data: bool,
    /// The site's domain, instead of typing it
    #[arg(long, value_name = "DOMAIN")]
    yes: Option<String>,
    /// Tell every event as a line of JSON
    #[arg(long)]
    json: bool,
}

impl Uninstall {
    pub(super) async fn run(self) -> End<Exit> {
        need_root()?;
        let redactor = prepare::redactor();
        // Listened to only once the work begins: at the question, Ctrl-C ends the program.
        let stop = Stop::default();
        let system = System::new(stop.clone());
        let _alone = if self.dry_run { None } else { Some(lock::begin()?) };
        let given = settings::gather(Options::default(), SecretEnv::default(), None, &system).await.map_err(Trouble::refused)?;
        let site = site(&given).map_err(Trouble::refused)?;
        let past = made::read(&system).await?;
        let removal = removal(&given, &past, self.delete_data);
        let plan = removal::build(&removal);
        if self.dry_run {
            let report = carry_out(plan, system.clone(), redactor, stop, Mode::Preview, listing(self.json)).await?;
            self.close(&left(&removal, &given, &past, &system).await?);
            return Ok(Exit::of_counts(&report.counts));
        }
        self.confirmed(&site)?;
        let _lock = lock::take(Path::new(lock::PATH))?;
        work::listen(&stop)?;
        let left = left(&removal, &given, &past, &system).await?;
        let report = carry_out(plan, system, redactor, stop, Mode::Apply, renderer(self.json)).await?;
        let exit = Exit::of_counts(&report.counts);
        if exit == Exit::Done {
            self.close(&left);
        }
        Ok(exit)
    }

    fn close(&self, left: &str) {
        if !self.json {
            tell(left);
        }
    }

    /// By the domain on the command line, or typed after everything that is worth knowing before.
    fn confirmed(&self, site: &str) -> End<()> {
        let (input, output) = (io::stdin(), io::stderr());
        let said = match &self.yes {
            Some(said) => said == site,
            None if input.is_terminal() && output.is_terminal() => {
                ask(site, self.delete_data, &mut input.lock(), &mut output.lock()).context("cannot ask on the terminal")?
            }
            None => {
                let why =
                    anyhow!("nothing was removed: there is no terminal to ask on. If it shall be: sudo tootstrap uninstall --yes {site}");
                return Err(Trouble::refused(why));
            }
        };
        if said { Ok(()) } else { Err(Trouble::refused(anyhow!("nothing was removed: that is not the domain of this server, {site}"))) }
    }
}

/// The site that is installed here, or was until its server was removed and its data kept.
fn site(given: &Given) -> anyhow::Result<String> {
    let resolved = given.recorded.as_ref().and_then(|recorded| recorded.resolved.as_ref());
    let resolved = resolved.ok_or_else(|| {
        if given.installed {
            anyhow!("{} is lost, so it is not known what was made here; nothing was removed", settings::RECORDED)
        } else {
            anyhow!("tootstrap has not installed anything here, so there is nothing to remove")
        }
    })?;
    Ok(resolved.site.clone())
}

fn removal(given: &Given, past: &[made::Deed], delete_data: bool) -> Removal {
    let (recorded, default) = (&given.options.images, Images::default());
    let or = |recorded: &Option<String>, default: String| recorded.clone().unwrap_or(default);
    let images = Images {
        mastodon_version: or(&recorded.mastodon_version, default.mastodon_version),
        mastodon: or(&recorded.mastodon, default.mastodon),
        streaming: or(&recorded.streaming, default.streaming),
        postgres: or(&recorded.postgres, default.postgres),
        redis: or(&recorded.redis, default.redis),
        caddy: or(&recorded.caddy, default.caddy),
    };
    // The operator's own web server needs them as before.
    let behind_proxy = given.options.behind_proxy.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("yes"));
    let opened = |port: &&str| !behind_proxy && past.iter().any(|deed| deed.what.split([' ', ',']).take(2).eq(["open", *port]));
    let ports = ["80/tcp", "443/tcp", "443/udp"].iter().copied().filter(opened).map(str::to_owned).collect();
    Removal { images, ports, delete_data }
}

/// Tells what is worth knowing, and waits for the typed confirmation.
fn ask(site: &str, delete_data: bool, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<bool> {
    writeln!(output, "  This takes Mastodon at https://{site} off this machine.")?;
    let wanted = if delete_data {
        writeln!(output, "  ALL ITS DATA ARE DELETED: accounts, posts, media, keys. Nothing brings them back.")?;
        format!("delete {site}")
    } else {
        writeln!(output, "  Its data stay here; `sudo tootstrap install` brings the same server back.")?;
        site.to_owned()
    };
    writeln!(
        output,
        "\n  Other servers keep copies of its accounts and posts until they are told to\n  forget them. That takes days, while the server still runs. To do it first:"
    )?;
    writeln!(output, "    press Enter here, then: sudo tootstrap tootctl self-destruct\n")?;
    write!(output, "Type {wanted:?} to go on: ")?;
    output.flush()?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(line.trim() == wanted)
}

async fn carry_out(
    plan: Plan,
    system: System,
    redactor: Arc<Redactor>,
    stop: Stop,
    mode: Mode,
    renderer: Box<dyn Renderer>,
) -> anyhow::Result<Report> {
    let (events, stream) = Events::new(redactor);
    let telling = tokio::spawn(render(stream, vec![renderer]));
    let engine = Engine { host: Arc::new(system), events, stop, jobs: install::JOBS };
    let report = engine.run(plan, mode).await;
    // The stream ends when its last entrance is gone.
    drop(engine);
    telling.await.context("what was done could not be told")?;
    Ok(report)
}

/// What is not removed, and why.
async fn left(removal: &Removal, given: &Given, past: &[made::Deed], host: &dyn Probe) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    if !removal.delete_data {
        lines.push(("/opt/mastodon", "the data: database, media, certificates".to_owned()));
        lines.push(("/etc/tootstrap", "settings, and the secrets without which the data cannot be read".to_owned()));
        lines.push(("/usr/local/bin/tootstrap", "brings the server back: sudo tootstrap install".to_owned()));
    }
    for (path, what) in [
        ("/opt/mastodon/custom.env", "yours"),
        ("/opt/mastodon/compose.override.yaml", "yours"),
        ("/opt/mastodon/caddy/custom", "your own sites"),
    ] {
        let kept = host.stat(Path::new(path)).await?.is_some();
        let empty = path.ends_with("custom") && host.list(Path::new(path)).await?.is_empty();
        if kept && !empty {
            lines.push((path, what.to_owned()));
        }
    }
    if !removal.delete_data && !removal::FORMER_VERSIONS.there(host).await?.is_empty() {
        lines.push(("/opt/mastodon/*.former*", "what others had written into files of ours".to_owned()));
    }
    if let Some(user) = &given.options.sudo_user {
        lines.push(("sudo user", format!("{user} may be the only way in; its password is in .credentials of its home")));
    }
    let packages: Vec<_> =
        past.iter().filter(|deed| deed.id == "base/packages").filter_map(|deed| deed.what.strip_prefix("install ")).collect();
    if !packages.is_empty() {
        lines.push(("packages", format!("others may use them by now: {}", packages.join(" "))));
    }
    if past.iter().any(|deed| deed.id.starts_with("ssh/") || deed.id.starts_with("firewall/") || deed.id.starts_with("fail2ban/")) {
        lines.push(("protection", "SSH's rules, the firewall, fail2ban and upgrades guard the machine, not Mastodon".to_owned()));
    }
    if past.iter().any(|deed| deed.id.starts_with("dns/")) {
        lines.push(("DNS records", format!("of {} at Linode: remove them in Cloud Manager", site(given)?)));
    }
    let line = |(what, why): &(&str, String)| format!("  {what:<26} {why}\n");
    let left: String = lines.iter().map(line).collect();
    Ok(format!("\nLeft as it is:\n{}", left.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;
    use crate::host::fake::FakeHost;

    fn given(text: &str) -> Given {
        let recorded: Options = toml::from_str(text).expect("options");
        Given { options: recorded.clone(), recorded: Some(recorded), ..Given::default() }
    }

    fn deed(id: &str, what: &str) -> made::Deed {
        made::Deed { id: id.into(), what: what.into() }
    }

    #[test]
    fn only_the_typed_domain_goes_on_and_deletion_needs_its_own_word() {
        let asked = |delete_data, typed: &str| {
            let mut told = Vec::new();
            let said = ask("a.org", delete_data, &mut typed.as_bytes(), &mut told).expect("a dialogue");
            (said, String::from_utf8(told).expect("text"))
        };
        for (delete_data, typed, goes_on) in [
            (false, "a.org\n", true),
            (false, "", false),
            (false, "yes\n", false),
            (true, "a.org\n", false),
            (true, "delete a.org\n", true),
        ] {
            let (said, told) = asked(delete_data, typed);
            assert_eq!(said, goes_on, "{typed:?}");
            assert!(
                told.contains("tootctl self-destruct") && told.contains(if delete_data { "ALL ITS DATA" } else { "data stay" }),
                "{told}"
            );
        }
    }

    #[test]
    fn without_a_terminal_the_domain_is_given() {
        let uninstall = |yes: &str| Uninstall { dry_run: false, delete_data: true, yes: Some(yes.into()), json: false };
        assert!(uninstall("a.org").confirmed("a.org").is_ok());
        let refused = uninstall("b.org").confirmed("a.org").expect_err("another domain");
        assert_eq!((refused.exit, refused.error.to_string().starts_with("nothing was removed")), (Exit::Refused, true));
    }

    #[test]
    fn only_ports_that_were_opened_are_closed_and_a_proxy_keeps_its_own() {
        let past = [
            deed("firewall/ufw", "open 22/tcp"),
            deed("firewall/ufw", "open 80/tcp"),
            deed("firewall/ufw", "open 443/udp, before the rules"),
        ];
        assert_eq!(removal(&given("owner = 'a'"), &past, false).ports, ["80/tcp", "443/udp"]);
        assert!(removal(&given("behind_proxy = true"), &past, false).ports.is_empty());
        let images = removal(&given("[images]\nredis = 'mirror/redis:7'"), &[], false).images;
        assert_eq!((images.redis.as_str(), images.caddy.as_str()), ("mirror/redis:7", "caddy:2-alpine"));
    }

    #[tokio::test]
    async fn what_is_left_is_named_with_the_reason() {
        let host = FakeHost::debian();
        host.machine().place("/opt/mastodon", Kind::Directory, "", 0o755);
        host.machine().place("/opt/mastodon/custom.env", Kind::File, "A=b\n", 0o644);
        let given = given("sudo_user = 'ada'\n[resolved]\nsite = 'a.org'");
        let past = [deed("base/packages", "install docker-ce ufw"), deed("ssh/policy", "x"), deed("dns/zone", "create")];
        let told = left(&removal(&given, &past, false), &given, &past, &host).await.expect("text");
        for part in [
            "/etc/tootstrap",
            "ada may be the only way in",
            "by now: docker-ce ufw",
            "custom.env",
            "of a.org at Linode",
            "guard the machine",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let told = left(&removal(&given, &past, true), &given, &past, &host).await.expect("text");
        assert!(!told.contains("/etc/tootstrap") && told.contains("custom.env"), "{told}");
    }
}
