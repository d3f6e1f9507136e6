//! How a part of an input reads as an HTTP answer, a DNS answer, a list of accounts.

use tootstrap::host::{Account, Answer, Question, Record, RecordType, Response};

/// `STATUS`, header lines, an empty line, the body. `None`: no answer came.
pub fn response(part: &[u8]) -> Option<Response> {
    let (head, body) = match part.windows(2).position(|window| window == b"\n\n") {
        Some(end) => (&part[..end], &part[end + 2..]),
        None => (part, [].as_slice()),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next()?.trim().parse().ok()?;
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Some(Response { status, headers: lines.filter_map(header).collect(), body: body.to_vec() })
}

/// Blocks between empty lines. The first line of a block is `NAME TYPE` or `*`, then flags: `nx`, `aa`, `fail`, `silent`. Each further line
/// is a record: `an|au|ad NAME TYPE DATA`. A question is answered by the block of its name and type, or by one of those with `*`.
/// `None`: no answer came.
pub fn dns(part: &str, question: &Question) -> Option<Answer> {
    let asked = format!("{} {:?}", question.name, question.kind).to_ascii_lowercase();
    let blocks: Vec<_> = part.split("\n\n").collect();
    let exact = blocks.iter().find(|block| block.lines().next().is_some_and(|line| line.to_ascii_lowercase().starts_with(&asked)));
    let open: Vec<_> = blocks.iter().filter(|block| block.starts_with('*')).collect();
    let number = asked.bytes().map(usize::from).sum::<usize>();
    let block = exact.or_else(|| open.get(number % open.len().max(1)).copied())?;
    let mut lines = block.lines();
    let flags: Vec<_> = lines.next()?.split(' ').collect();
    let has = |flag: &str| flags.contains(&flag);
    let mut answer = Answer {
        no_such_name: has("nx"),
        failure: has("fail").then(|| "SERVFAIL".to_owned()),
        authoritative: has("aa"),
        ..Answer::default()
    };
    for line in lines {
        let mut words = line.splitn(4, ' ');
        let (Some(section), Some(name), Some(kind)) = (words.next(), words.next(), words.next().and_then(kind)) else { continue };
        let record = Record { name: name.into(), kind, ttl: 300, data: words.next().unwrap_or_default().into() };
        match section {
            "an" => answer.answers.push(record),
            "au" => answer.authority.push(record),
            _ => answer.additional.push(record),
        }
    }
    (!has("silent")).then_some(answer)
}

fn kind(text: &str) -> Option<RecordType> {
    Some(match text {
        "A" => RecordType::A,
        "AAAA" => RecordType::Aaaa,
        "CNAME" => RecordType::Cname,
        "MX" => RecordType::Mx,
        "NS" => RecordType::Ns,
        "SOA" => RecordType::Soa,
        "DS" => RecordType::Ds,
        "CAA" => RecordType::Caa,
        "TXT" => RecordType::Txt,
        _ => return None,
    })
}

/// `NAME UID HOME SHELL GROUP…`, one a line.
pub fn accounts(text: &str) -> Vec<Account> {
    let account = |line: &str| {
        let mut words = line.split(' ');
        let (name, uid) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let (home, shell) = (words.next()?.into(), words.next()?.into());
        Some(Account { name, uid, gid: uid, home, shell, groups: words.map(str::to_owned).collect() })
    };
    text.lines().filter_map(account).collect()
}
