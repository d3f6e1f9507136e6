//! The readers of bytes that no [`Probe`](crate::host::Probe) shows, for the fuzz targets.

use hickory_proto::op::Message;

use super::{accounts, dns, lines, smtp};
use crate::host::{Account, Answer, Reply};

/// A datagram from a name server. `None`: it is none.
pub fn dns_answer(bytes: &[u8]) -> Option<Answer> {
    Message::from_vec(bytes).ok().map(|message| dns::read(&message))
}

/// The name servers of `resolv.conf`.
pub fn resolvers(resolv_conf: &str) -> Vec<std::net::IpAddr> {
    dns::resolvers(resolv_conf, resolv_conf)
}

/// The accounts of `/etc/passwd` and `/etc/group`.
pub fn accounts(passwd: &str, group: &str) -> Vec<Account> {
    accounts::all(passwd, group)
}

/// The last lines that a command printed, read in small pieces.
pub fn lines(printed: &[u8]) -> Vec<String> {
    let lines = lines::Lines::default();
    let mut splitter = lines::Splitter::new(lines.clone(), std::sync::Arc::default());
    printed.chunks(7).for_each(|piece| splitter.feed(piece));
    drop(splitter);
    lines.last()
}

/// An answer of a mail relay. `None`: it is none.
pub fn relay_answer(mut bytes: &[u8]) -> Option<Reply> {
    tokio::runtime::Builder::new_current_thread().build().ok()?.block_on(smtp::read(&mut bytes)).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// What `tests/fuzz/src/targets/wire.rs` asserts a million times.
    fn holds(data: &[u8]) {
        if let Some(answer) = dns_answer(data) {
            let all = answer.answers.iter().chain(&answer.authority).chain(&answer.additional);
            assert!(all.into_iter().all(|record| !record.name.contains(char::is_control)));
        }
        if let Some(reply) = relay_answer(data) {
            assert!((200..600).contains(&reply.code) && reply.lines.iter().all(|line| line.chars().count() <= 300));
        }
        let text = String::from_utf8_lossy(data);
        assert!(!resolvers(&text).is_empty());
        let (passwd, group) = text.split_once("%%").unwrap_or((&text, ""));
        assert!(accounts(passwd, group).len() <= passwd.lines().count());
        assert!(lines(data).iter().all(|line| !line.is_empty() && !line.contains(['\n', '\r'])));
    }

    fn known() -> Vec<Vec<u8>> {
        let of = |kind: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(kind).join("wire");
        let files = ["seeds", "regressions"].into_iter().flat_map(|kind| std::fs::read_dir(of(kind)).into_iter().flatten());
        files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    #[test]
    fn known_bytes_hold() {
        assert!(known().len() >= 8);
        for data in known() {
            holds(&data);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_hold(data in prop::collection::vec(any::<u8>(), 0..300)) {
            holds(&data);
        }

        #[test]
        fn changed_bytes_hold(data in prop::sample::select(known()), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut data = data;
            let at = at.index(data.len());
            data[at] = byte;
            holds(&data);
            holds(&data[..at]);
        }
    }
}
