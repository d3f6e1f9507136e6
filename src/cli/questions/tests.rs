use super::*;
use crate::host::fake::FakeHost;
use crate::host::{Answer, Record, RecordType};

/// A world where `a.org` and `fedi-test.org` take mail.
fn world() -> FakeHost {
    let host = FakeHost::debian();
    for name in ["a.org", "fedi-test.org"] {
        let record = Record { name: String::new(), kind: RecordType::A, ttl: 300, data: "203.0.113.25".into() };
        host.machine().dns.insert(format!("{name} A"), Answer { answers: vec![record], ..Answer::default() });
    }
    host
}

async fn asked_of(host: &FakeHost, answers: &str, options: Options, linode: bool) -> (Given, Decision, String) {
    let mut output = Vec::new();
    let mut given = Given { options, ..Given::default() };
    let dialogue = Dialogue::new(answers.as_bytes(), &mut output, false);
    let decision = Interview { dialogue, probe: host, linode }.hold(&mut given).await.expect("answers");
    assert!(host.take_log().is_empty(), "a question changes nothing");
    (given, decision, String::from_utf8(output).expect("text"))
}

async fn asked(answers: &str, options: Options, linode: bool) -> (Given, Decision, String) {
    asked_of(&world(), answers, options, linode).await
}

fn options(text: &str) -> Options {
    toml::from_str(text).expect("options")
}

#[tokio::test(start_paused = true)]
async fn bad_answers_are_asked_again_and_all_are_read_back() {
    let answers = "https://a.org\nlocalhost\na.org\nb.org\na.org\na.org\nme\nme@nowhere.org\nme@a.org\n@me\nme\nall\njust-me\n\n\n";
    let (given, decision, output) = asked(answers, Options::default(), false).await;
    let wanted = "domain = 'a.org'\nemail = 'me@a.org'\nowner = 'me'\nsingle_user = 'yes'\nharden = 'no'";
    assert_eq!((given.options, decision), (options(wanted), Decision::GoOn));
    for part in [
        "is a web address",
        "That is another name",
        "has no @",
        "\"me@nowhere.org\" is an address at nowhere.org, which has neither a",
        "has an @",
        "Your handle will be @me@a.org",
        "One of: open",
        "  Site           https://a.org\n  Your handle    @me@a.org  (for ever)\n  E-mail         me@a.org\n",
        "  Who may join   just you\n  Set up safely  no\n",
    ] {
        assert!(output.contains(part), "{part}: {output}");
    }
}

#[tokio::test(start_paused = true)]
async fn e_goes_through_the_answers_again_and_enter_keeps_each() {
    let answers = "a.org\na.org\nme@a.org\nme\nopen\nyes\ne\n\n\nyou\n\n\n\n";
    let (given, decision, output) = asked(answers, Options::default(), false).await;
    let wanted = "domain = 'a.org'\nemail = 'me@a.org'\nowner = 'you'\nregistrations = 'open'\nharden = 'yes'";
    assert_eq!((given.options, decision), (options(wanted), Decision::GoOn));
    assert!(output.contains("Who may join? open / approved / closed / just-me [open]: "), "as where nothing is asked: {output}");
    for part in ["social.example.org [a.org]: ", "sign in) [me@a.org]: ", "such as alice [me]: ", "just-me [open]: ", "too? yes/no [yes]: "]
    {
        assert!(output.contains(part), "{part}: {output}");
    }
    assert_eq!(output.matches("Type it again").count(), 1, "an unchanged name need not be confirmed again");
}

#[tokio::test(start_paused = true)]
async fn q_and_the_end_of_input_at_the_last_question_change_nothing() {
    for last in ["q\n", "what?\nq\n", ""] {
        let answers = format!("a.org\na.org\nme@a.org\nme\nopen\nyes\n{last}");
        assert_eq!(asked(&answers, Options::default(), false).await.1, Decision::End, "{last:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_given_is_not_asked() {
    let given = options("domain = 'a.org'\nemail = 'e'\nowner = 'o'\nregistrations = 'open'\nharden = 'yes'");
    let (after, decision, output) = asked("", given.clone(), false).await;
    assert_eq!((after.options, decision, output), (given, Decision::GoOn, String::new()));
}

#[tokio::test(start_paused = true)]
async fn linode_has_a_name_for_every_machine_and_an_end_of_input_ends_the_questions() {
    let (given, decision, output) = asked("\n\n\nyes\nme@a.org\n", Options::default(), true).await;
    assert_eq!(output.matches("it can never be changed").count(), 2, "Enter alone does not take it: {output}");
    let options = given.options;
    assert_eq!((options.domain, options.email.as_deref(), options.owner, decision), (None, Some("me@a.org"), None, Decision::GoOn));
    assert!(!output.contains("token"), "a name that belongs to Linode needs no records: {output}");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_tried_where_it_is_of_use_and_never_shown() {
    let host = world();
    host.machine().linode.with_zone("fedi-test.org", &[]);
    let (good, bad) = ("a".repeat(64), "b".repeat(64));
    let given = "email = 'me@a.org'\nowner = 'me'\nregistrations = 'open'\nharden = 'yes'";
    let answers = format!("fedi-test.org\nfedi-test.org\n{bad}\n{} x\n{good}\n\n", &good[..9]);
    let (after, decision, output) = asked_of(&host, &answers, options(given), false).await;
    assert_eq!((after.token.map(|token| token.expose_secret().to_owned()), decision), (Some(good.clone()), Decision::GoOn));
    for part in [
        "fedi-test.org is served by Linode's name servers",
        "Linode does not accept the API token",
        "The token contains a space",
        "It works: the zone fedi-test.org is in this account.",
        "  DNS records    made at Linode with your token\n",
    ] {
        assert!(output.contains(part), "{part}: {output}");
    }
    assert!(!output.contains(&good) && !output.contains(&bad) && !output.contains(&good[..9]), "{output}");

    host.machine().linode.scopes = "domains:read_only".into();
    let answers = format!("fedi-test.org\nfedi-test.org\n{good}\n\n\n");
    let (after, _, output) = asked_of(&host, &answers, options(given), false).await;
    assert!(after.token.is_none() && output.contains("may only read") && output.contains("you make them"), "{output}");
}

#[tokio::test(start_paused = true)]
async fn subdomain_and_handle_domain_are_part_of_what_is_read_back() {
    let given = "domain = 'a.org'\nsubdomain = 'social'\nhandle_domain = 'b.org'\nemail = 'me@a.org'\nharden = 'yes'";
    let (_, _, output) = asked("me\n\n\n", options(given), false).await;
    assert!(output.contains("https://social.a.org\n  Your handle    @me@b.org  (for ever)\n"), "{output}");
}
