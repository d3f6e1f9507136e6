//! `tootstrap uninstall`: takes the server away again, and the data only if that is asked for.

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use jiff::Timestamp;

use super::exit::{End, Exit, Trouble};
use super::follow::{listing, renderer};
use super::logging::WORK_LOG;
use super::{install, lock, need_root, prepare, tell, work};
use crate::host::Probe;
use crate::host::system::System;
use crate::plan::Plan;
use crate::plan::removal::{self, Deletion, Removal};
use crate::report::{Events, Journal, Made, Problem, Redactor, Renderer, journal, made, render, wrap};
use crate::resource::credentials;
use crate::resource::mastodon::{DUMPS, FinalDump};
use crate::run::{Engine, Mode, Report, Stop};
use crate::settings::{self, Given, Options, SecretEnv};

/// After a signal.
const STOPPED: &str = "\nMastodon may be stopped now. As long as its data are there, this brings it back:\nsudo tootstrap install";

/// What no dump has.
const LOST: &str = "Not in it, and gone for ever: pictures, videos, avatars, custom emoji.";

/// Remove the server; its data stay unless you say otherwise
///
/// Containers, images, units and files that tootstrap made go. Accounts, posts, media, settings and secrets stay, so that `sudo tootstrap
/// install` brings the same server back; with --delete-data they go too, after a last dump of the database was kept in /var/backups/tootstrap.
/// Media are in no dump: they are gone for ever. What is left on the machine, and why, is told at the end.
#[derive(Debug, Default, Args)]
#[command(after_help = "\
Examples:
  sudo tootstrap uninstall --dry-run     what would go?
  sudo tootstrap uninstall               asks for the domain, then removes
  sudo tootstrap tootctl self-destruct   before that: tell other servers
  sudo tootstrap uninstall --delete-data   to be typed: delete DOMAIN")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Uninstall {
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Delete accounts, posts, media, certificates, settings and secrets as well
    #[arg(long)]
    delete_data: bool,
    /// Keep no last dump of the database: what cannot be made need not be
    #[arg(long, requires = "delete_data")]
    without_dump: bool,
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
        let removal = removal(&given, &past, self.deletion(&site, Timestamp::now()));
        let plan = removal::build(&removal);
        if self.dry_run {
            let report = carry_out(plan, system.clone(), redactor, stop, Mode::Preview, vec![listing(self.json)]).await?;
            self.close(&left(&removal, &given, &past, &system).await?);
            return Ok(Exit::of_counts(&report.counts));
        }
        self.confirmed(&site)?;
        let _lock = lock::take(Path::new(lock::PATH))?;
        work::listen(&stop)?;
        let left = left(&removal, &given, &past, &system).await?;
        let (journal, made) = (Journal::open(Path::new(journal::PATH))?, Made::open(Path::new(made::PATH))?);
        let renderers: Vec<Box<dyn Renderer>> = vec![renderer(self.json), Box::new(journal), Box::new(made)];
        let report = carry_out(plan, system.clone(), redactor, stop, Mode::Apply, renderers).await?;
        let exit = Exit::of_counts(&report.counts);
        if exit == Exit::Done {
            self.close(&left);
            self.close(&kept(&removal, &system).await);
        }
        if let Exit::Signal(_) = exit {
            self.close(STOPPED);
        }
        Ok(exit)
    }

    /// How the data go. `None`: they stay.
    fn deletion(&self, site: &str, now: Timestamp) -> Option<Deletion> {
        let directory = || FinalDump::directory(now);
        self.delete_data.then(|| Deletion { site: site.to_owned(), dump: (!self.without_dump).then(directory) })
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
                let deletion = self.deletion(site, Timestamp::now());
                ask(site, deletion.as_ref(), &mut input.lock(), &mut output.lock()).context("cannot ask on the terminal")?
            }
            None => {
                let remedy = format!("if it shall be removed, say so on the command line: --yes {site}");
                return Err(Trouble::refused(Problem::new(anyhow!("there is no terminal to ask on"), remedy)));
            }
        };
        let remedy = format!("if it shall be removed, give its domain: {site}");
        said.then_some(()).ok_or_else(|| Trouble::refused(Problem::new(anyhow!("that is not the domain of this server"), remedy)))
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

fn removal(given: &Given, past: &[made::Deed], data: Option<Deletion>) -> Removal {
    // The operator's own web server needs them as before.
    let behind_proxy = given.options.behind_proxy.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("yes"));
    let opened = |port: &&str| !behind_proxy && stands(past, |deed| opens(deed, port), &format!("close {port}"));
    let ports = ["80/tcp", "443/tcp", "443/udp"].iter().copied().filter(opened).map(str::to_owned).collect();
    let pulled: BTreeSet<_> = past.iter().filter_map(|deed| deed.what.strip_prefix("pull image ")).collect();
    let is_here = |image: &&str| stands(past, |deed| deed == format!("pull image {image}"), &format!("remove image {image}"));
    let images = pulled.into_iter().filter(is_here).map(str::to_owned).collect();
    let swap = stands(past, |deed| deed.starts_with("make and use a swap file"), "stop using /swapfile and remove it");
    Removal { images, swap, ports, data }
}

/// `open 80/tcp`, also with more words about it.
fn opens(deed: &str, port: &str) -> bool {
    deed.split([' ', ',']).take(2).eq(["open", port])
}

/// Whether the last that was done about something was to make it, and not to take it away.
fn stands(past: &[made::Deed], makes: impl Fn(&str) -> bool, unmakes: &str) -> bool {
    past.iter().rev().map(|deed| deed.what.as_str()).find(|what| makes(what) || *what == unmakes).is_some_and(makes)
}

/// Tells what is worth knowing, and waits for the typed confirmation.
fn ask(site: &str, deletion: Option<&Deletion>, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<bool> {
    writeln!(output, "  This takes Mastodon at https://{site} off this machine.")?;
    let wanted = match deletion {
        None => {
            writeln!(output, "  Its data stay here; `sudo tootstrap install` brings the same server back.")?;
            site.to_owned()
        }
        Some(Deletion { dump: Some(dump), .. }) => {
            writeln!(output, "  ALL ITS DATA ARE DELETED: accounts, posts, media, keys.")?;
            writeln!(output, "  A last dump of the database, with settings and secrets, is kept in\n  {}.", dump.display())?;
            writeln!(output, "  {LOST}")?;
            format!("delete {site}")
        }
        Some(Deletion { dump: None, .. }) => {
            writeln!(output, "  ALL ITS DATA ARE DELETED: accounts, posts, media, keys.")?;
            writeln!(output, "  NO DUMP IS KEPT. Nothing brings them back.")?;
            format!("delete {site} without a dump")
        }
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
    renderers: Vec<Box<dyn Renderer>>,
) -> anyhow::Result<Report> {
    let (events, stream) = Events::new(redactor);
    let telling = tokio::spawn(render(stream, renderers));
    let engine = Engine { host: Arc::new(system), events, stop, jobs: install::JOBS };
    let report = engine.run(plan, mode).await;
    // The stream ends when its last entrance is gone.
    drop(engine);
    telling.await.context("what was done could not be told")?;
    Ok(report)
}

/// Where this run's dump is, and what is not in it.
async fn kept(removal: &Removal, host: &dyn Probe) -> String {
    let Some(Deletion { dump: Some(dump), .. }) = &removal.data else { return String::new() };
    let path = dump.display();
    let is_there = FinalDump::is_in(host, dump).await.unwrap_or_else(|error| {
        log::warn!("whether a dump is in {path} cannot be seen: {error:#}");
        false
    });
    if is_there {
        format!("\nThe last dump is in {path}.\nHow it brings the server back:\n  sudo cat {path}/README.txt\n{LOST}")
    } else {
        format!(
            "\nThis run has kept no dump: there was no database any more, or an earlier run\nhad kept its last state already. Dumps are in {DUMPS}."
        )
    }
}

/// What is not removed, and why.
async fn left(removal: &Removal, given: &Given, past: &[made::Deed], host: &dyn Probe) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    if removal.data.is_none() {
        lines.push(("/opt/mastodon", "the data: database, media, certificates".to_owned()));
        lines.push(("/etc/tootstrap", "settings, and the secrets without which the data cannot be read".to_owned()));
        lines.push(("/usr/local/bin/tootstrap", "brings the server back: sudo tootstrap install".to_owned()));
        lines.push((WORK_LOG, "what was done".to_owned()));
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
    if removal.data.is_none() && !removal::FORMER_VERSIONS.there(host).await?.is_empty() {
        lines.push(("/opt/mastodon/*.former*", "what others had written into files of ours".to_owned()));
    }
    if let Some(user) = &given.options.sudo_user {
        lines.push(("sudo user", format!("{user} may be the only way in; its password is in .credentials of its home")));
    }
    if removal.data.is_none()
        && let Some(path) = credentials::with_owner_password(host).await?
    {
        lines.push(("owner", format!("the first password is in {}", path.display())));
    }
    let installed = past.iter().filter(|deed| ["base/packages", "host/packages"].contains(&deed.id.as_str()));
    let packages: Vec<_> = installed.filter_map(|deed| deed.what.strip_prefix("install ")).collect();
    if !packages.is_empty() {
        lines.push(("packages", format!("others may use them by now: {}", packages.join(" "))));
    }
    let made = |id: &str| past.iter().any(|deed| deed.id == id);
    if made("base/docker-source") {
        lines.push(("Docker's package source", "with its key: without it Docker, which stays, gets no updates".to_owned()));
    }
    if made("docker/daemon.json") {
        lines.push(("/etc/docker/daemon.json", "keeps the logs of Docker's containers small".to_owned()));
    }
    if made("host/name") {
        lines.push(("hostname", "and its line in /etc/hosts: what it was before may be wrong by now".to_owned()));
    }
    if past.iter().any(|deed| deed.id.starts_with("ssh/") || deed.id.starts_with("firewall/") || deed.id.starts_with("fail2ban/")) {
        lines.push(("protection", "SSH's rules, the firewall, fail2ban and upgrades guard the machine, not Mastodon".to_owned()));
    }
    if past.iter().any(|deed| deed.id.starts_with("dns/")) {
        lines.push(("DNS records", format!("of {} at Linode: remove them in Cloud Manager", site(given)?)));
    }
    Ok(format!("\nLeft as it is:\n{}", table(&lines)))
}

/// Two columns, on lines of 80 characters.
fn table(lines: &[(&str, String)]) -> String {
    let line = |(what, why): &(&str, String)| {
        let why = wrap(why, 51).join(&format!("\n{:29}", ""));
        format!("  {what:<26} {why}")
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
