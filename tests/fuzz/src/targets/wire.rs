//! Bytes from the network and from commands, before they are text.

use tootstrap::host::system::fuzzing;

pub fn run(data: &[u8]) {
    if let Some(answer) = fuzzing::dns_answer(data) {
        for record in answer.answers.iter().chain(&answer.authority).chain(&answer.additional) {
            assert!(!record.name.contains(char::is_control), "{record:?}");
        }
    }
    if let Some(reply) = fuzzing::relay_answer(data) {
        assert!((200..600).contains(&reply.code) && (1..=64).contains(&reply.lines.len()), "{reply:?}");
        assert!(reply.lines.iter().all(|line| line.chars().count() <= 300), "{reply:?}");
    }
    let text = String::from_utf8_lossy(data);
    assert!(!fuzzing::resolvers(&text).is_empty());
    let (passwd, group) = text.split_once("%%").unwrap_or((&text, ""));
    assert!(fuzzing::accounts(passwd, group).len() <= passwd.lines().count());
    let lines = fuzzing::lines(data);
    assert!(lines.iter().all(|line| !line.is_empty() && !line.contains(['\n', '\r'])));
}
