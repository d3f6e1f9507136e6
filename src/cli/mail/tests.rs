use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::*;
use crate::host::fake::{FakeHost, FakeRelay};
use crate::host::{Answer, Record, RecordType};
use crate::report::Problem;

fn set(provider: Option<&str>, server: Option<&str>) -> Set {
    let provider = provider.map(str::to_owned);
    let server = server.map(str::to_owned);
    Set { provider, server, port: None, login: None, from: None, password_file: Some("/root/password".into()), to: None }
}

fn open(ports: &[u16]) -> BTreeMap<u16, bool> {
    mail::PORTS.into_iter().map(|port| (port, ports.contains(&port))).collect()
}

#[test]
fn a_provider_fills_in_its_relay_its_port_and_its_login() {
    for (provider, server, ports, wanted) in [
        (Some("sendgrid"), None, &[587, 2525][..], Some("smtp.sendgrid.net:587 apikey")),
        (Some("SendGrid"), None, &[2525], Some("smtp.sendgrid.net:2525 apikey")),
        (Some("sendgrid"), None, &[], Some("smtp.sendgrid.net:587 apikey")),
        (None, Some("SMTP.sendgrid.net"), &[465], Some("smtp.sendgrid.net:465 apikey")),
        (Some("postmark"), None, &[587], None),
    ] {
        let set = set(provider, server);
        let (server, preset) = set.relay().unwrap();
        let found = set.wishes(&server, preset, &open(ports)).ok().map(|wishes| {
            let smtp = wishes.options.smtp;
            format!("{}:{} {}", smtp.server.unwrap(), smtp.port.unwrap(), smtp.login.unwrap())
        });
        assert_eq!(found.as_deref(), wanted, "{provider:?}");
    }
    let given = Set { port: Some(25), login: Some("me".into()), ..set(None, Some("smtp.example.org")) };
    let wishes = given.wishes("smtp.example.org", None, &open(&[465])).unwrap();
    assert_eq!((wishes.options.smtp.port.as_deref(), wishes.options.smtp.login.as_deref()), (Some("25"), Some("me")));
}

#[test]
fn what_is_not_said_is_refused_with_what_to_say() {
    for (set, what, remedy) in [
        (set(None, None), "which relay", "mail set PROVIDER (fastmail, "),
        (set(Some("pigeon"), None), "no provider \"pigeon\"", "or give --server"),
        (set(Some("ses"), None), "a relay in each region", "--server email-smtp.REGION"),
    ] {
        let error = set.relay().unwrap_err();
        assert!(format!("{error:#}").contains(what), "{error:#}");
        assert!(Problem::remedy_of(&error).unwrap_or_default().contains(remedy), "{error:?}");
    }
}

#[test]
fn what_is_missing_is_asked_for() {
    let asked = |mut set: Set, typed: &str, present: &str| {
        let mut shown = Vec::new();
        set.interview(&toml::from_str(present).unwrap(), "a.org", &mut Dialogue::new(typed.as_bytes(), &mut shown, false)).unwrap();
        (set, String::from_utf8(shown).unwrap())
    };
    let (answered, shown) = asked(set(None, None), "postmark\nkey\n\n", "from = 'a@b.org'");
    assert_eq!(
        (answered.provider.as_deref(), answered.login.as_deref(), answered.from.as_deref(), answered.server),
        (Some("postmark"), Some("key"), Some("a@b.org"), None)
    );
    assert!(shown.contains("fastmail, gmail") && shown.contains("Login there (the access key of an SMTP token"), "{shown}");
    let (answered, shown) = asked(set(None, None), "\nno name\nsmtp.example.org\n\nme\na@b c\n\n", "");
    assert_eq!(
        (answered.provider, answered.server.as_deref(), answered.login.as_deref(), answered.from.as_deref()),
        (None, Some("smtp.example.org"), Some("me"), Some("Mastodon <notifications@a.org>"))
    );
    for refused in ["\"no name\" ", "\"\" is no login", "\"a@b c\" "] {
        assert!(shown.contains(refused), "{refused}: {shown}");
    }
    let (answered, shown) = asked(Set { from: Some("a@b.org".into()), ..set(Some("sendgrid"), None) }, "", "");
    assert_eq!((answered.login, shown.as_str()), (None, ""));
}

fn sample() -> (Settings, Smtp, EmailAddress) {
    let smtp = Smtp {
        server: "smtp.example.org".parse().unwrap(),
        port: 587,
        login: "me".into(),
        password: "hunter22".into(),
        from: "Mastodon <a@example.org>".into(),
    };
    (Settings::sample(), smtp, "b@example.net".parse().unwrap())
}

#[tokio::test]
async fn the_dialogue_decides_and_its_refusal_has_five_parts() {
    let host = FakeHost::debian();
    let (settings, smtp, to) = sample();
    let relay = FakeRelay {
        server: "smtp.example.org",
        ports: vec![587],
        login: "me",
        password: "hunter22",
        from: "a@example.org",
        to: "b@example.net",
    };
    host.machine().relay = Some(relay);
    assert_eq!(tried(&settings, &smtp, &to, &open(&[587]), &host).await, Ok(()));
    assert_eq!(smtp.password.expose_secret(), "hunter22");

    let wrong = Smtp { password: "hunter23".into(), ..smtp.clone() };
    let setback = tried(&settings, &wrong, &to, &open(&[587]), &host).await.unwrap_err();
    let text = crate::cli::complaint(&Trouble::refused(told(&setback)), "sudo tootstrap mail set");
    for part in [
        "refuses the login \"me\"",
        "\n  why       it says: 535",
        "\n  done      nothing was changed",
        "\n  do        ",
        "\n  go on     sudo tootstrap mail set",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 78) && !text.contains('\u{1b}') && !text.contains("hunter"), "{text}");

    let blocked = Smtp { port: 25, ..smtp };
    let setback = tried(&settings, &blocked, &to, &open(&[2525]), &host).await.unwrap_err();
    assert!(setback.why.contains("your host seems to block mail"), "{setback:?}");
}

#[tokio::test]
async fn ports_are_tried_where_the_name_leads() {
    let host = FakeHost::debian();
    assert!(mail::ports("smtp.example.org", None, &host).await.is_empty());
    let record = Record { name: "smtp.example.org".into(), kind: RecordType::A, ttl: 60, data: "203.0.113.25".into() };
    host.machine().dns.insert("smtp.example.org A".into(), Answer { answers: vec![record], ..Answer::default() });
    host.machine().listening.extend(["203.0.113.25:2525".parse().unwrap(), "203.0.113.25:26".parse::<std::net::SocketAddr>().unwrap()]);
    let ports = mail::ports("smtp.example.org", Some(26), &host).await;
    assert_eq!(mail::open(&ports), "26, 2525");
    assert_eq!(best_port(None, &ports), 2525);
    assert_eq!(best_port(Preset::named("ses"), &open(&[2587, 465])), 2587);

    let postmark = Record { name: "smtp.postmarkapp.com".into(), kind: RecordType::A, ttl: 60, data: "203.0.113.26".into() };
    host.machine().dns.insert("smtp.postmarkapp.com A".into(), Answer { answers: vec![postmark], ..Answer::default() });
    let ports = mail::ports("smtp.postmarkapp.com", None, &host).await;
    assert_eq!(mail::closed(&ports), "25, 587, 2525", "those that it names, and no others");
}

#[tokio::test]
async fn the_senders_standing_is_told_with_a_line_to_copy() {
    let text = tell_standing(&sample().1, &FakeHost::debian()).await;
    assert!(text.starts_with("SPF   example.org has no record; your provider says"), "{text}");
    assert!(text.ends_with("DMARC example.org has no policy\n      add:\n      _dmarc.example.org. TXT \"v=DMARC1; p=none\"\n"), "{text}");
}

#[test]
fn the_fate_of_a_message_is_told() {
    let (_, smtp, to) = sample();
    let shown =
        |fate: &Fate| setback(fate, &smtp, &to).map(|setback| crate::cli::complaint(&not_sent(&setback), "sudo tootstrap mail set"));
    assert_eq!(shown(&Fate::Delivered), None);
    let failed = Fate::Failed { error: "Net::SMTPFatalError".into(), message: "550 no".into() };
    assert!(shown(&failed).unwrap().contains("\n  why       550 no (Net::SMTPFatalError)\n  done      "));
    for (fate, part) in [
        (Fate::Ended, "tootstrap: nothing says whether the test message was sent\n"),
        (Fate::Queued, "Sidekiq has not begun with it"),
        (Fate::Working, "smtp.example.org answers slowly, or not at all"),
    ] {
        let shown = shown(&fate).unwrap();
        assert!(shown.contains("\n  done      the relay is set") && shown.ends_with("\n  go on     sudo tootstrap mail test\n"), "{shown}");
        assert!(shown.contains(part) && shown.contains("logs sidekiq") && !shown.contains("took it"), "{shown}");
    }
}
