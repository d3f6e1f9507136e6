//! Whether these settings fit this machine and this world. Everything is only looked at.

use std::path::Path;

use super::field::{Field, Refusal};
use super::resolve::{Parsed, Site};
use super::sources::is_installed;
use super::{DockerRepository, DomainName, Options, RECORDED, UserName, mail};
use crate::host::{Kind, Method, Probe, Request};
use crate::resource::docker::api::{self, Container};
use crate::resume::COMPLETE;

/// Our Compose project.
const PROJECT: &str = "/opt/mastodon";
/// What Mastodon itself is told about its names.
const ENVIRONMENT: &str = "/opt/mastodon/env.production";

/// Notes every reason why these settings must not be applied here.
pub(super) async fn judge(parsed: &Parsed, recorded: Option<&Options>, probe: &dyn Probe, refusal: &mut Refusal, notes: &mut Vec<String>) {
    let mut installed = false;
    let judged = async {
        if let Some(name) = &parsed.sudo_user {
            sudo_user(name, probe, refusal).await?;
        }
        docker_key(&parsed.docker_repository, probe, refusal).await?;
        if probe.stat(Path::new(COMPLETE)).await?.is_some() {
            same_owner(parsed, recorded, refusal);
        }
        let Some(site) = &parsed.site else { return anyhow::Ok(()) };
        let handle_domain = parsed.handle_domain.as_ref().unwrap_or(&site.name);
        installed = is_installed(probe).await?;
        if installed {
            same_site(site, handle_domain, installed_names(recorded, probe).await?, refusal);
        } else {
            foreign_mastodon(site, parsed.behind_proxy, probe, refusal).await?;
            redirects(handle_domain, &site.name, probe, refusal).await;
        }
        Ok(())
    };
    if let Err(error) = judged.await {
        refusal.add(Field::Machine, format!("cannot be looked at: {error:#}"));
    }
    let known = recorded.filter(|_| installed);
    mailboxes(parsed, known, probe, refusal, notes).await;
}

/// An existing account is adopted only if it is a person's.
async fn sudo_user(name: &UserName, probe: &dyn Probe, refusal: &mut Refusal) -> anyhow::Result<()> {
    let Some(account) = probe.account(name.as_str()).await? else { return Ok(()) };
    let shell = account.shell.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if account.uid < 1000 || account.uid == 65534 {
        refusal.value(
            Field::SudoUser,
            name.as_str(),
            format!("is a system user of this machine (uid {}); choose another name", account.uid),
        );
    } else if matches!(shell, "nologin" | "false" | "") {
        refusal.value(Field::SudoUser, name.as_str(), "is an account of this machine that cannot log in; choose another name");
    }
    Ok(())
}

async fn docker_key(repository: &DockerRepository, probe: &dyn Probe, refusal: &mut Refusal) -> anyhow::Result<()> {
    let Some(path) = &repository.key_file else { return Ok(()) };
    if !probe.stat(path).await?.is_some_and(|stat| stat.kind == Kind::File) {
        refusal.value(Field::DockerRepository, &path.to_string_lossy(), "is no file");
    }
    Ok(())
}

/// Names for ever.
struct Names {
    site: String,
    handle_domain: String,
}

/// The names that the server here was installed with: as recorded, or, where the record is lost, as Mastodon runs with.
async fn installed_names(recorded: Option<&Options>, probe: &dyn Probe) -> anyhow::Result<Option<Names>> {
    if let Some(resolved) = recorded.and_then(|recorded| recorded.resolved.as_ref()) {
        return Ok(Some(Names { site: resolved.site.clone(), handle_domain: resolved.handle_domain.clone() }));
    }
    let environment = probe.read(Path::new(ENVIRONMENT)).await?.unwrap_or_default();
    let environment = String::from_utf8_lossy(&environment);
    let value = |name: &str| {
        let value = environment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim().trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
    };
    let Some(handle_domain) = value("LOCAL_DOMAIN") else { return Ok(None) };
    Ok(Some(Names { site: value("WEB_DOMAIN").unwrap_or_else(|| handle_domain.clone()), handle_domain }))
}

/// A Mastodon server cannot change its name. Named is the setting that differs, with the value that was given.
fn same_site(site: &Site, handle_domain: &DomainName, installed: Option<Names>, refusal: &mut Refusal) {
    const FOR_EVER: &str =
        "The name is part of every handle and signature, so it cannot change; leave this setting out, or use another machine";
    let Some(resolved) = installed else {
        let lost =
            format!("has a server whose names nothing tells: {RECORDED} and {ENVIRONMENT} are gone. Put one of them back from a backup");
        refusal.add(Field::Machine, lost);
        return;
    };
    if refusal.names(Field::Domain) {
        return;
    }
    if site.name.as_str() != resolved.site {
        let same_domain = resolved.site == site.domain.as_str() || resolved.site.ends_with(&format!(".{}", site.domain));
        let (field, value) = if same_domain { (Field::Subdomain, site.subdomain()) } else { (Field::Domain, site.domain.as_str()) };
        let why = format!("makes the site {}, but the server that is installed here serves {}. {FOR_EVER}", site.name, resolved.site);
        refusal.value(field, value, why);
        refusal.in_vain();
    } else if handle_domain.as_str() != resolved.handle_domain {
        let why =
            format!("is not where the handles of the server that is installed here end: that is {}. {FOR_EVER}", resolved.handle_domain);
        refusal.value(Field::HandleDomain, handle_domain.as_str(), why);
        refusal.in_vain();
    }
}

/// The owner's account is made once; later, accounts are Mastodon's own affair.
fn same_owner(parsed: &Parsed, recorded: Option<&Options>, refusal: &mut Refusal) {
    let Some(resolved) = recorded.and_then(|recorded| recorded.resolved.as_ref()) else { return };
    let other = |wanted: &str, installed: &str| !installed.is_empty() && !wanted.eq_ignore_ascii_case(installed);
    if let Some(owner) = parsed.owner.as_ref().filter(|owner| other(owner.as_str(), &resolved.owner)) {
        let why = format!(
            "is not the owner of the server that is installed here: that is {}. Leave this setting out; Mastodon itself makes another owner: \
             sudo tootstrap tootctl accounts create {owner} --email ADDRESS --confirmed --approve --role Owner",
            resolved.owner
        );
        refusal.value(Field::Owner, owner.as_str(), why);
        refusal.in_vain();
    }
    if let Some(email) = parsed.owner_email.as_ref().filter(|email| other(email.as_str(), &resolved.owner_email)) {
        let why = format!(
            "is not the address with which the owner's account was made: that is {}. Leave this setting out; the owner changes it in Mastodon: \
             Preferences, Account",
            resolved.owner_email
        );
        refusal.value(Field::OwnerEmail, email.as_str(), why);
        refusal.in_vain();
    }
}

/// A Mastodon that someone else installed is left alone. A web server with our name is a sign of one, unless it is to stand in front.
async fn foreign_mastodon(site: &Site, behind_proxy: bool, probe: &dyn Probe, refusal: &mut Refusal) -> anyhow::Result<()> {
    let mut signs = Vec::new();
    for path in ["/home/mastodon/live", "/etc/systemd/system/mastodon-web.service", "/lib/systemd/system/mastodon-web.service"] {
        if probe.stat(Path::new(path)).await?.is_some() {
            signs.push(path.to_owned());
        }
    }
    signs.extend(foreign_containers(probe).await?);
    let web_servers = ["/etc/nginx/sites-enabled", "/etc/nginx/conf.d", "/etc/apache2/sites-enabled", "/etc/caddy"];
    for dir in web_servers.into_iter().filter(|_| !behind_proxy) {
        for name in probe.list(Path::new(dir)).await? {
            let path = Path::new(dir).join(name);
            let is_directory = probe.stat(&path).await?.is_some_and(|stat| stat.kind == Kind::Directory);
            if !is_directory && mentions(&probe.read(&path).await?.unwrap_or_default(), &site.names()) {
                signs.push(format!("{} with the name {}", path.display(), site.name));
            }
        }
    }
    if !signs.is_empty() {
        refusal.add(
            Field::Machine,
            format!("has a Mastodon that tootstrap did not install ({}); it is left alone. Use a fresh machine", signs.join(", ")),
        );
    }
    Ok(())
}

fn mentions(config: &[u8], names: &[String]) -> bool {
    let text = String::from_utf8_lossy(config);
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'));
    words.into_iter().any(|word| names.iter().any(|name| name == word.trim_end_matches('.')))
}

async fn foreign_containers(probe: &dyn Probe) -> anyhow::Result<Vec<String>> {
    if probe.which("docker").await.is_none() {
        return Ok(Vec::new());
    }
    // A daemon that is not up runs nothing of anyone's.
    let Ok(containers) = api::containers(probe).await else { return Ok(Vec::new()) };
    let foreign = |container: &&Container| {
        container.image.contains("mastodon") && container.label("com.docker.compose.project.working_dir") != PROJECT
    };
    let name = |container: &Container| format!("container {}", container.name());
    Ok(containers.iter().filter(foreign).map(name).collect())
}

/// Another handle domain is possible only if it already sends askers to the site (mastodon.md §2.4).
async fn redirects(handle_domain: &DomainName, site: &DomainName, probe: &dyn Probe, refusal: &mut Refusal) {
    if handle_domain == site {
        return;
    }
    let path = "/.well-known/webfinger";
    let account = format!("acct:tootstrap@{handle_domain}");
    let wanted = format!("https://{site}{path}");
    let url = format!("https://{handle_domain}{path}?resource={account}");
    let problem = match probe.get(&Request::new(Method::Get, url)).await {
        Err(error) => format!("does not answer ({error})"),
        Ok(answer) if (300..400).contains(&answer.status) => match answer.header("location") {
            Some(location) if location.starts_with(&wanted) && location.contains("resource=") => return,
            Some(location) => format!("redirects to {location}"),
            None => "redirects nowhere".into(),
        },
        Ok(answer) => format!("answers with status {}", answer.status),
    };
    let problem = format!("must redirect {path} and its question to {wanted} before this, but it {problem}");
    refusal.value(Field::HandleDomain, handle_domain.as_str(), problem);
}

/// Whether the contact and the owner can receive mail. What is `known` was judged before; a mail server that is away later breaks nothing.
async fn mailboxes(parsed: &Parsed, known: Option<&Options>, probe: &dyn Probe, refusal: &mut Refusal, notes: &mut Vec<String>) {
    let ours = parsed.site.as_ref().map(Site::names).unwrap_or_default();
    let zone = parsed.site.as_ref().filter(|_| parsed.token.is_some()).map(|site| site.domain.as_str());
    let same = parsed.owner_email == parsed.contact;
    let addresses = [(Field::Email, &parsed.contact), (Field::OwnerEmail, &parsed.owner_email)];
    for (field, address) in addresses.into_iter().take(if same { 1 } else { 2 }) {
        let Some(address) = address.as_ref().filter(|_| !refusal.names(field)) else { continue };
        let known =
            known.is_some_and(|known| [&known.email, &known.owner_email].into_iter().flatten().any(|text| text == address.as_str()));
        if known {
            continue;
        }
        match mail::why_unreachable(address.domain(), &ours, zone, probe).await {
            Ok(None) => {}
            Ok(Some(problem)) => refusal.value(field, address.as_str(), problem),
            Err(error) => notes.push(format!("whether {} can receive mail could not be found out: {error}", address.domain())),
        }
    }
}
