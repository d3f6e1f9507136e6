//! What would go, what is asked, what is told.

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
    let dump = Some("/var/backups/tootstrap/x".into());
    let deletes = |dump| Some(Deletion { site: "a.org".into(), dump });
    let asked = |deletion: &Option<Deletion>, typed: &str| {
        let mut told = Vec::new();
        let said = ask("a.org", deletion.as_ref(), &mut typed.as_bytes(), &mut told).expect("a dialogue");
        (said, String::from_utf8(told).expect("text"))
    };
    for (deletion, typed, goes_on, part) in [
        (None, "a.org\n", true, "data stay"),
        (None, "", false, "data stay"),
        (None, "yes\n", false, "data stay"),
        (deletes(dump.clone()), "a.org\n", false, "is kept in\n  /var/backups/tootstrap/x"),
        (deletes(dump), "delete a.org\n", true, "custom emoji"),
        (deletes(None), "delete a.org\n", false, "NO DUMP"),
        (deletes(None), "delete a.org without a dump\n", true, "NO DUMP"),
    ] {
        let (said, told) = asked(&deletion, typed);
        assert_eq!(said, goes_on, "{typed:?}");
        assert!(told.contains("tootctl self-destruct") && told.contains(part), "{told}");
        assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
    }
}

#[test]
fn without_a_terminal_the_domain_is_given() {
    let uninstall = |yes: &str| Uninstall { delete_data: true, yes: Some(yes.into()), ..Uninstall::default() };
    assert!(uninstall("a.org").confirmed("a.org").is_ok());
    let refused = uninstall("b.org").confirmed("a.org").expect_err("another domain");
    assert_eq!((refused.exit, refused.error.to_string().as_str()), (Exit::Refused, "that is not the domain of this server"));
}

#[test]
fn only_ports_that_were_opened_are_closed_and_a_proxy_keeps_its_own() {
    let mut past = vec![
        deed("firewall/ufw", "open 22/tcp"),
        deed("firewall/ufw", "open 80/tcp"),
        deed("firewall/ufw", "open 443/udp, before the rules"),
    ];
    assert_eq!(removal(&given("owner = 'a'"), &past, None).ports, ["80/tcp", "443/udp"]);
    assert!(removal(&given("behind_proxy = true"), &past, None).ports.is_empty());
    // Removed once, it is not ours when it is there again.
    past.push(deed("remove/ports", "close 80/tcp"));
    assert_eq!(removal(&given("owner = 'a'"), &past, None).ports, ["443/udp"]);
}

#[test]
fn only_what_was_made_and_still_stands_goes() {
    let of = |past: &[made::Deed]| {
        let removal = removal(&given("[images]\nredis = 'mirror/redis:7'"), past, None);
        (removal.images, removal.swap)
    };
    assert_eq!(of(&[]), (Vec::new(), false), "a swap file and images that were here before stay");
    let mut past = vec![
        deed("base/swap", "make and use a swap file of 2048 MB, /swapfile"),
        deed("docker/image-redis", "pull image mirror/redis:7"),
        deed("docker/image-caddy", "pull image caddy:2-alpine"),
    ];
    assert_eq!(of(&past), (vec!["caddy:2-alpine".into(), "mirror/redis:7".into()], true));
    past.push(deed("remove/swap", "stop using /swapfile and remove it"));
    past.push(deed("remove/images", "remove image caddy:2-alpine"));
    assert_eq!(of(&past), (vec!["mirror/redis:7".into()], false));
}

#[tokio::test]
async fn only_the_dump_of_this_run_is_named() {
    let host = FakeHost::debian();
    let earlier = "/var/backups/tootstrap/2026-11-27T000000Z";
    host.machine().place(format!("{earlier}/complete"), Kind::File, "x\n", 0o600);
    let dump = "/var/backups/tootstrap/2026-11-28T000000Z";
    let deletion = |dump: Option<&str>| Some(Deletion { site: "a.org".into(), dump: dump.map(Into::into) });
    let with = |data| removal(&given("owner = 'a'"), &[], data);
    let told = kept(&with(deletion(Some(dump))), &host).await;
    assert!(told.contains("has kept no dump") && !told.contains(earlier), "{told}");
    host.machine().place(format!("{dump}/complete"), Kind::File, "x\n", 0o600);
    let told = kept(&with(deletion(Some(dump))), &host).await;
    assert!(told.contains(&format!("sudo cat {dump}/README.txt")) && told.contains("for ever"), "{told}");
    for nothing_to_keep in [None, deletion(None)] {
        assert_eq!(kept(&with(nothing_to_keep), &host).await, "");
    }
}

#[tokio::test]
async fn what_is_left_is_named_with_the_reason() {
    let host = FakeHost::debian();
    host.machine().place("/opt/mastodon", Kind::Directory, "", 0o755);
    host.machine().place("/opt/mastodon/custom.env", Kind::File, "A=b\n", 0o644);
    let given = given("sudo_user = 'ada'\n[resolved]\nsite = 'a.org'");
    let past = [
        deed("base/packages", "install docker-ce"),
        deed("host/packages", "install ufw"),
        deed("ssh/policy", "x"),
        deed("dns/zone", "create"),
    ];
    let told = left(&removal(&given, &past, None), &given, &past, &host).await.expect("text");
    for part in
        ["/etc/tootstrap", "ada may be the only way in", "by now: docker-ce ufw", "custom.env", "of a.org at Linode", "guard the machine"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told =
        left(&removal(&given, &past, Some(Deletion { site: "a.org".into(), dump: None })), &given, &past, &host).await.expect("text");
    assert!(!told.contains("/etc/tootstrap") && told.contains("custom.env"), "{told}");
}
