//! Settings on a simulated machine: what is refused, what becomes of the rest, and that it survives its record.

use super::super::{Handover, RECORDED, Refusal, SecretEnv, gather, record};
use super::*;
use crate::facts::Release;
use crate::host::fake::FakeHost;
use crate::host::{Account, Answer, Kind, Record, RecordType};
use crate::secrets::{Entered, keep};

const GOOD: &str = "domain = 'fedi-test.org'\nsubdomain = 'social'\nemail = 'h@mail.org'\nowner = 'Alice'\n";

fn facts(linode: bool) -> Facts {
    Facts {
        release: Release::Bullseye,
        architecture: "amd64".into(),
        memory: 2 << 30,
        cpus: 1,
        linode,
        ssh_ports: vec![22],
        foreign_docker: false,
        docker_packages: Vec::new(),
        foreign_firewall: None,
    }
}

fn machine() -> FakeHost {
    let host = FakeHost::debian();
    {
        let mut machine = host.machine();
        machine.programs.insert("ip".into());
        machine.uplink.routes = vec!["203.0.113.10".parse().expect("an address")];
        let record = Record { name: "mail.org".into(), kind: RecordType::A, ttl: 300, data: "203.0.113.25".into() };
        machine.dns.insert("mail.org A".into(), Answer { answers: vec![record], ..Answer::default() });
        machine.place("/root/key.asc", Kind::File, "key", 0o600);
        machine.accounts.push(Account {
            name: "sensor".into(),
            uid: 110,
            gid: 110,
            home: "/".into(),
            shell: "/usr/sbin/nologin".into(),
            groups: Vec::new(),
        });
    }
    host
}

fn given(text: &str) -> Given {
    Given { options: toml::from_str(text).expect("options"), smtp_password: Some("hunter22\n".into()), ..Given::default() }
}

async fn accepted(text: &str, host: &FakeHost) -> Settings {
    let result = resolve(&given(text), &facts(false), host).await;
    result.unwrap_or_else(|refusal| panic!("{text}: {refusal}")).settings
}

async fn refused(given: &Given, host: &FakeHost) -> Refusal {
    resolve(given, &facts(false), host).await.expect_err("a refusal")
}

#[tokio::test]
async fn names_of_the_site() {
    for (text, site, www) in [
        ("domain = 'fedi-test.org'", "fedi-test.org", false),
        ("domain = 'fedi-test.org'\nsubdomain = 'www'", "fedi-test.org", true),
        ("domain = 'Fedi-Test.org.'\nsubdomain = 'Social'", "social.fedi-test.org", false),
        ("domain = 'fedi-test.org'\nsubdomain = 'a.b'", "a.b.fedi-test.org", false),
    ] {
        let settings = accepted(&format!("{text}\nemail = 'h@mail.org'\nowner = 'alice'"), &machine()).await;
        assert_eq!((settings.site.as_str(), settings.www, settings.domain.as_str()), (site, www, "fedi-test.org"));
        assert_eq!(settings.handle_domain, settings.site);
    }
    let on_linode = resolve(&given("email = 'h@mail.org'\nowner = 'alice'"), &facts(true), &machine()).await.expect("settings");
    assert_eq!(on_linode.settings.site.as_str(), "203-0-113-10.ip.linodeusercontent.com");
}

#[tokio::test]
async fn defaults_and_forms_of_yes() {
    let plain = accepted(GOOD, &machine()).await;
    assert_eq!(plain.owner_email, plain.contact);
    assert_eq!((plain.registrations, plain.harden, plain.single_user, plain.disable_root), (Registrations::Open, false, false, false));
    assert_eq!((plain.images, plain.docker_repository), (Images::default(), DockerRepository::default()));
    for (text, wanted) in
        [("'Yes'", true), ("'TRUE'", true), ("1", true), ("true", true), ("'No'", false), ("'0'", false), ("false", false)]
    {
        assert_eq!(accepted(&format!("{GOOD}single_user = {text}"), &machine()).await.single_user, wanted, "{text}");
    }
    assert_eq!(accepted(&format!("{GOOD}single_user = true"), &machine()).await.registrations, Registrations::Closed);
}

#[tokio::test]
async fn every_bad_value_is_named_as_the_form_calls_it() {
    for (text, problem) in [
        ("domain = 'https://x.org'", "domain (--domain): \"https://x.org\" is a web address; give only the name: x.org"),
        ("domain = 'x.local'", "domain (--domain): \"x.local\" ends in .local"),
        ("subdomain = 'social.fedi-test.org'", "subdomain (--subdomain): \"social.fedi-test.org\" repeats the domain; give only: social"),
        ("subdomain = 'a_b'", "contains `_`"),
        ("email = 'h'", "soa_email_address (--email): \"h\" has no @"),
        ("email = 'h@nowhere.org'", "nowhere.org, which has neither a mail server"),
        ("owner_email = 'h@fedi-test.org'", "owner_email (--owner-email): \"h@fedi-test.org\" is an address at fedi-test.org"),
        ("owner = '@alice'", "owner_username (--owner): \"@alice\" has an @"),
        ("sudo_user = 'Alice'", "user_name (--sudo-user): \"Alice\" has capital letters"),
        ("sudo_user = 'games'", "is the name of a system user"),
        ("sudo_user = 'sensor'", "is a system user of this machine (uid 110)"),
        ("disable_root = 'maybe'", "disable_root (--disable-root): \"maybe\" is neither Yes nor No"),
        ("single_user = 'x'", "single_user_mode (--single-user): \"x\" is neither Yes nor No"),
        ("registrations = 'all'", "--registrations: \"all\" is none of: open, approved, closed"),
        ("address = ['10.0.0.1']", "--address: \"10.0.0.1\" is a private address"),
        ("handle_domain = 'fedi-test.org'", "--handle-domain: \"fedi-test.org\" must redirect"),
        ("[smtp]\nserver = 'smtp.mail.org'", "--smtp-login: is missing"),
        ("[smtp]\nlogin = 'x'", "--smtp-login: \"x\" needs a mail relay"),
        ("[smtp]\nserver = 'smtp.mail.org'\nlogin = 'x'\nport = 0", "--smtp-port: \"0\" is no port"),
        ("[smtp]\nserver = 'smtp.mail.org'\nlogin = 'x'\nfrom = 'nobody'", "--smtp-from: \"nobody\" has no @"),
        ("[smtp]\nserver = 'smtp.mail.org'\nlogin = \"it's\"", "--smtp-login: \"it's\" contains a single quote"),
        ("[smtp]\nserver = 'smtp.mail.org'\nlogin = 'a\\b'", "contains a backslash"),
        ("[smtp]\nserver = 'smtp.mail.org'\nlogin = \"a\\tb\"", "contains a line break or another control character"),
        (
            "[smtp]\nserver = 'smtp.mail.org'\nlogin = 'x'\nfrom = \"Al's <a@mail.org>\"",
            "--smtp-from: \"Al's <a@mail.org>\" contains a single",
        ),
        ("[smtp]\nserver = 'smtp.mail.org'\nlogin = 'x'\nfrom = \"o'neil@mail.org\"", "contains a single quote"),
        ("email = 'h{x}@mail.org'", "soa_email_address (--email): \"h{x}@mail.org\" contains `{` before the @"),
        ("owner_email = 'h`@mail.org'", "owner_email (--owner-email): \"h`@mail.org\" contains ``` before the @"),
        ("[images]\nmastodon_version = 'latest'", "[images]: \"latest\" is no version"),
        ("[images]\nredis = 'redis; reboot'", "[images]: \"redis; reboot\" contains ';'"),
        ("[images]\nmastodon_version = \"v4.7.4\\n\"", "is no version"),
        ("[images]\ncaddy = '--help'", "[images]: \"--help\" does not begin with a letter or digit"),
        ("[smtp]\nserver = 'smtp.mail.org'\nlogin = 'x'\nfrom = 'A [x] <a@mail.org>'", "a character that needs quoting"),
        ("[docker_repository]\nurl = 'https://mirror.org/#x'", "is no https"),
        ("[docker_repository]\nurl = 'https:///x'", "is no https"),
        ("[docker_repository]\nurl = 'http://mirror.org'", "[docker_repository]: \"http://mirror.org\" is no https"),
        ("[docker_repository]\nkey_file = '/root/key.asc'", "is a key without fingerprint"),
        ("[docker_repository]\nkey_file = '/k'\nfingerprint = '9DC858229FC7DD38854AE2D88D81803C0EBFCD88'", "\"/k\" is no file"),
        ("[docker_repository]\nfingerprint = 'abc'", "is no fingerprint"),
    ] {
        let name = text.split(" = ").next().expect("a name");
        let good: Vec<_> = GOOD.lines().filter(|line| line.split(" = ").next() != Some(name)).collect();
        let refusal = refused(&given(&format!("{}\n{text}", good.join("\n"))), &machine()).await;
        assert!(refusal.to_string().contains(problem), "{text}: {refusal}");
        assert_eq!(refusal.to_string().lines().count(), 1, "{refusal}");
    }
}

#[tokio::test]
async fn the_longest_name_leaves_room_for_what_stands_before_it() {
    let long = format!("{0}.{0}.{0}.{1}.org", "a".repeat(63), "b".repeat(57));
    let text = GOOD.replace("domain = 'fedi-test.org'", &format!("domain = '{long}'")).replace("subdomain = 'social'", "subdomain = 'www'");
    assert!(text.contains(&long) && text.contains("'www'"), "{text}");
    let refusal = refused(&given(&text), &machine()).await.to_string();
    assert!(refusal.contains("with www. before it is 257 characters long"), "{refusal}");

    let relay = "\n[smtp]\nserver = 'smtp.mail.org'\nlogin = 'x'";
    let mut given = given(&(text.replace("subdomain = 'www'", "") + relay));
    given.smtp_password = Some("p".into());
    let refusal = refused(&given, &machine()).await.to_string();
    assert!(refusal.contains("--smtp-from: is missing, and \"Mastodon <notifications@"), "{refusal}");
}

#[tokio::test]
async fn a_password_that_no_file_can_carry_is_refused_without_showing_it() {
    for (password, why) in
        [("it's-hunter", "a single quote"), ("hunter\\2", "a backslash"), ("hunter\n2", "a line break or another control character")]
    {
        let mut given = given(&format!("{GOOD}[smtp]\nserver = 'smtp.mail.org'\nlogin = 'x'"));
        given.smtp_password = Some(password.into());
        let refusal = refused(&given, &machine()).await;
        let text = refusal.to_string();
        assert!(text.contains(&format!("--smtp-password-file: the password contains {why}")) && !text.contains("hunter"), "{text}");
        assert_eq!(refusal.next_command().as_deref(), Some("sudo tootstrap install --smtp-password-file FILE"));
    }
}

#[tokio::test]
async fn all_problems_are_told_at_once_and_the_good_answers_are_kept() {
    let mut given = given("domain = 'https://x.org'\nowner = 'Alice'\nsudo_user = 'mail'\nsingle_user = 'Yes'");
    given.token = Some("abc\u{200b}def".into());
    let refusal = refused(&given, &machine()).await;
    let text = refusal.to_string();
    for field in [
        "domain (--domain)",
        "soa_email_address (--email): is missing",
        "user_name",
        "token_password (--linode-token-file): the token contains",
    ] {
        assert!(text.contains(field), "{field}: {text}");
    }
    assert!(!text.contains("abc"));
    assert_eq!(
        refusal.next_command().expect("a command"),
        "sudo tootstrap install --domain NAME --email ADDRESS --sudo-user NAME --linode-token-file FILE"
    );
    given.smtp_password_is_new = true;
    let command = refused(&given, &machine()).await.next_command().expect("a command");
    assert!(command.ends_with("--linode-token-file FILE --smtp-password-file FILE"), "{command}");
    let kept: Options = toml::from_str("owner = 'Alice'\nsingle_user = 'Yes'").expect("options");
    assert_eq!(refusal.kept(given.options), kept);
}

#[tokio::test]
async fn the_installed_name_cannot_change() {
    let host = machine();
    let mut given = given(GOOD);
    let recorded = record(&accepted(GOOD, &host).await);
    given.recorded = Some(toml::from_str(&recorded).expect("options"));
    given.options.subdomain = Some("other".into());
    resolve(&given, &facts(false), &host).await.expect("no database yet, so the name is free");
    host.machine().place("/opt/mastodon", Kind::Directory, "", 0o755);
    host.machine().place("/opt/mastodon/postgres/17", Kind::Directory, "", 0o755);
    host.machine().place("/opt/mastodon/postgres/17/PG_VERSION", Kind::File, "17\n", 0o600);
    let refusal = refused(&given, &host).await;
    assert_eq!(refusal.next_command(), None);
    for (domain, subdomain, handle_domain, problem) in [
        ("fedi-test.org", Some("other"), None, "  subdomain (--subdomain): \"other\" makes the site other.fedi-test.org, but the server "),
        ("fedi-test.org", Some("www"), None, "  subdomain (--subdomain): \"www\" makes the site fedi-test.org, but"),
        ("fedi-test.org", None, None, "  subdomain (--subdomain): \"\" makes the site fedi-test.org, but"),
        ("other.org", Some("social"), None, "  domain (--domain): \"other.org\" makes the site social.other.org, but"),
        ("fedi-test.org", Some("social"), Some("fedi-test.org"), "  --handle-domain: \"fedi-test.org\" is not where the handles "),
    ] {
        let names = (Some(domain.to_owned()), subdomain.map(str::to_owned), handle_domain.map(str::to_owned));
        (given.options.domain, given.options.subdomain, given.options.handle_domain) = names;
        let text = refused(&given, &host).await.to_string();
        assert!(text.starts_with(problem) && text.contains("social.fedi-test.org. The name is part of"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    (given.options.domain, given.options.handle_domain) = (Some("fedi-test.org".into()), None);
    given.options.subdomain = Some("social".into());
    resolve(&given, &facts(false), &host).await.expect("the installed name");
    host.machine().dns.clear();
    resolve(&given, &facts(false), &host).await.expect("addresses that were judged before are not judged again");
    given.options.owner_email = Some("new@gone.org".into());
    assert!(refused(&given, &host).await.to_string().contains("\"new@gone.org\" is an address at gone.org"));
}

#[tokio::test]
async fn the_owner_of_a_finished_installation_cannot_change() {
    let host = machine();
    let mut given = given(GOOD);
    let recorded = record(&accepted(GOOD, &host).await);
    given.recorded = Some(toml::from_str(&recorded).expect("options"));
    given.options.owner = Some("Bob".into());
    given.options.owner_email = Some("bob@mail.org".into());
    resolve(&given, &facts(false), &host).await.expect("the installation is not finished, so there may be no account yet");
    host.machine().place("/var/lib/tootstrap", Kind::Directory, "", 0o755);
    host.machine().place(crate::resume::COMPLETE, Kind::File, "version = 1\n", 0o644);
    let refusal = refused(&given, &host).await;
    assert_eq!(refusal.next_command(), None);
    let text = refusal.to_string();
    assert!(
        text.contains("owner_username (--owner): \"Bob\" is not the owner of the server that is installed here: that is Alice."),
        "{text}"
    );
    assert!(text.contains("tootctl accounts create Bob --email ADDRESS --confirmed --approve --role Owner"), "{text}");
    assert!(
        text.contains("owner_email (--owner-email): \"bob@mail.org\" is not the address with which the owner's account was made"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 2, "{text}");
    // Nor by an edited record: what counts is what the last run made.
    let recorded = given.recorded.as_mut().expect("a record");
    (recorded.owner, recorded.owner_email) = (given.options.owner.clone(), given.options.owner_email.clone());
    refused(&given, &host).await;
    (given.options.owner, given.options.owner_email) = (Some("alice".into()), Some("H@mail.org".into()));
    resolve(&given, &facts(false), &host).await.expect("the same owner");
}

#[tokio::test]
async fn a_mastodon_of_someone_else_is_left_alone() {
    for (path, content, sign) in [
        ("/home/mastodon/live", "", "/home/mastodon/live"),
        ("/etc/systemd/system/mastodon-web.service", "", "mastodon-web.service"),
        ("/etc/nginx/sites-enabled/site", "server_name other.org social.fedi-test.org;", "/etc/nginx/sites-enabled/site"),
    ] {
        let host = machine();
        host.machine().place(path, Kind::File, content, 0o644);
        let refusal = refused(&given(GOOD), &host).await;
        assert!(refusal.to_string().contains(sign), "{refusal}");
        assert_eq!(refusal.next_command(), None);
    }
    let host = machine();
    host.machine().place("/etc/nginx/sites-enabled/site", Kind::File, "server_name xsocial.fedi-test.org;", 0o644);
    accepted(GOOD, &host).await;
}

#[tokio::test]
async fn record_and_handover_give_the_same_settings_again() {
    let host = machine();
    for text in [
        GOOD.to_owned(),
        "domain = 'fedi-test.org'\nsubdomain = 'www'\nemail = 'h@mail.org'\nowner = 'a'\nowner_email = 'o@mail.org'\nsudo_user = 'alice'"
            .to_owned(),
        format!(
            "{GOOD}single_user = 'Yes'\ndisable_root = 'Yes'\nharden = 'Yes'\nregistrations = 'approved'\naddress = ['203.0.113.9', '2001:db8::9']"
        ),
        format!(
            "{GOOD}[images]\nmastodon_version = '4.7.5'\nredis = 'redis:7@sha256:00'\n[smtp]\nserver = 'smtp.mail.org'\nport = 465\nlogin = 'l'"
        ),
        format!("{GOOD}[images]\nmastodon = 'mirror.org:5000/m'\nstreaming = 'm:v4.7.4@sha256:12'"),
        format!("{GOOD}[docker_repository]\nurl = 'https://m.org/d/'\nkey_file = '/root/key.asc'\nfingerprint = '{}'", "AB ".repeat(20)),
    ] {
        let settings = accepted(&text, &host).await;
        let recorded = record(&settings);
        assert!(!recorded.contains("hunter22"), "{recorded}");
        let again = accepted(&recorded, &host).await;
        assert_eq!(format!("{again:?}"), format!("{settings:?}"), "{recorded}");
        assert_eq!(record(&again), recorded);

        let pipe = Handover::new(&settings, &facts(false), 4, Vec::new()).to_secret().expect("JSON");
        let received = Handover::read(pipe.expose_secret()).and_then(Handover::settings).expect("settings");
        assert_eq!(format!("{received:?}"), format!("{settings:?}"));
    }
}

#[tokio::test]
async fn a_later_run_without_flags_keeps_the_mail_relay_and_its_password() {
    let host = machine();
    host.machine().place("/root/password", Kind::File, "hunter22\n", 0o600);
    let mut flags: Options = toml::from_str(&format!("{GOOD}[smtp]\nserver = 'smtp.mail.org'\nlogin = 'x'")).expect("options");
    flags.smtp.password_file = Some("/root/password".into());
    let given = gather(flags, SecretEnv::default(), None, &host).await.expect("settings");
    let first = resolve(&given, &facts(false), &host).await.expect("settings").settings;
    let password = |settings: &Settings| settings.smtp.as_ref().map(|smtp| smtp.password.expose_secret().to_owned());
    assert_eq!(password(&first).as_deref(), Some("hunter22"));

    let entered = Entered { smtp_password: password(&first).map(Into::into) };
    keep(&host, entered, None).await.expect("secrets");
    host.machine().place(RECORDED, Kind::File, &record(&first), 0o600);
    host.machine().nodes.remove(std::path::Path::new("/root/password"));
    let given = gather(Options::default(), SecretEnv::default(), None, &host).await.expect("settings");
    let second = resolve(&given, &facts(false), &host).await.expect("settings").settings;
    assert_eq!(format!("{second:?}"), format!("{first:?}"));
    assert_eq!(password(&second), password(&first));
}

#[tokio::test]
async fn handover_carries_the_secrets() {
    let mut sent = Settings::sample();
    sent.smtp = Some(Smtp {
        server: "smtp.mail.org".parse().expect("a name"),
        port: 587,
        login: "l".into(),
        password: "hunter22".into(),
        from: "a@mail.org".into(),
    });
    let pipe = Handover::new(&sent, &facts(false), 4, vec!["note".into()]).to_secret().expect("JSON");
    let received = Handover::read(pipe.expose_secret()).expect("JSON").settings().expect("settings");
    assert_eq!(received.token.expect("a token").secret().expose_secret(), &"a".repeat(64));
    assert_eq!(received.smtp.expect("a relay").password.expose_secret(), "hunter22");
}
