//! DNS questions to a given server, over UDP and, where the answer is too long for that, TCP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{self, Name, RData};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::super::{Answer, HostError, Question, Record, RecordType, Result};

/// Limit for one try.
const LIMIT: Duration = Duration::from_secs(3);

/// How often a server is asked.
const TRIES: usize = 2;

/// Size of answers that pass everywhere unfragmented (DNS flag day 2020).
const PAYLOAD: u16 = 1232;

const PORT: u16 = 53;

/// The C library's own list of name servers.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Where systemd-resolved writes down whom it asks itself (systemd-resolved.service(8)).
pub(super) const BEHIND_RESOLVED: &str = "/run/systemd/resolve/resolv.conf";

/// systemd-resolved's own name server.
const STUB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53));

/// The name servers of `resolv.conf`, in order; without any it is this machine, as for the C library.
///
/// systemd-resolved's stub is asked after those `behind` it: it answers from `/etc/hosts`, where this machine's own name is a loopback
/// address, and in Debian 11 it refuses names of one label (who serves `org`?), whereas the world's view is asked for here.
pub(super) fn resolvers(resolv_conf: &str, behind: &str) -> Vec<IpAddr> {
    let mut found = servers(resolv_conf);
    if let Some(stub) = found.iter().position(|server| *server == STUB) {
        found.splice(stub..stub, servers(behind));
    }
    if found.is_empty() { vec![Ipv4Addr::LOCALHOST.into()] } else { found }
}

fn servers(resolv_conf: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver") { words.next()?.parse().ok() } else { None }
    };
    resolv_conf.lines().filter_map(server).collect()
}

/// Asks the question's server, or else these resolvers until one can tell.
pub(super) async fn ask(question: &Question, resolvers: &[IpAddr]) -> Result<Answer> {
    if let Some(server) = question.server {
        return ask_server(question, SocketAddr::new(server, PORT)).await;
    }
    let mut last = None;
    for &resolver in resolvers {
        let answer = ask_server(question, SocketAddr::new(resolver, PORT)).await;
        if matches!(&answer, Ok(answer) if answer.failure.is_none()) {
            return answer;
        }
        last = Some(answer);
    }
    last.unwrap_or_else(|| Err(no_answer(question, "the resolver", "none is configured")))
}

fn no_answer(question: &Question, server: &str, reason: &str) -> HostError {
    HostError::Dns { name: question.name.clone(), server: server.to_owned(), reason: reason.to_owned() }
}

async fn ask_server(question: &Question, server: SocketAddr) -> Result<Answer> {
    let mut reason = String::new();
    for _ in 0..TRIES {
        match timeout(LIMIT, exchange(question, server)).await {
            Ok(Ok(answer)) => return Ok(read(&answer)),
            Ok(Err(error)) => reason = error.to_string(),
            Err(_) => reason = "no reply".into(),
        }
    }
    Err(no_answer(question, &server.ip().to_string(), &reason))
}

async fn exchange(question: &Question, server: SocketAddr) -> std::io::Result<Message> {
    let asked = message(question).map_err(std::io::Error::other)?;
    let bytes = asked.to_vec().map_err(std::io::Error::other)?;
    let answer = over_udp(&asked, &bytes, server).await?;
    if answer.metadata.truncation { over_tcp(&asked, &bytes, server).await } else { Ok(answer) }
}

fn message(question: &Question) -> std::result::Result<Message, hickory_proto::ProtoError> {
    let mut name = Name::from_ascii(&question.name)?;
    name.set_fqdn(true);
    // A random id, and the kernel's random port.
    let mut message = Message::query();
    message.add_query(Query::query(name, wire_type(question.kind)));
    message.metadata.recursion_desired = question.server.is_none();
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    message.set_edns(edns);
    Ok(message)
}

async fn over_udp(asked: &Message, bytes: &[u8], server: SocketAddr) -> std::io::Result<Message> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; 4096];
    loop {
        let count = socket.recv(&mut buffer).await?;
        // Anything else is a forgery or late: the true answer may still come.
        if let Ok(answer) = Message::from_vec(&buffer[..count])
            && answers(&answer, asked)
        {
            return Ok(answer);
        }
    }
}

async fn over_tcp(asked: &Message, bytes: &[u8], server: SocketAddr) -> std::io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let mut buffer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut buffer).await?;
    let answer = Message::from_vec(&buffer).map_err(std::io::Error::other)?;
    if answers(&answer, asked) { Ok(answer) } else { Err(std::io::Error::other("an answer to another question")) }
}

fn answers(answer: &Message, asked: &Message) -> bool {
    let same_question = answer.queries == asked.queries || answer.queries.is_empty();
    answer.metadata.id == asked.metadata.id && answer.metadata.message_type == hickory_proto::op::MessageType::Response && same_question
}

pub(super) fn read(message: &Message) -> Answer {
    let code = message.metadata.response_code;
    let failed = !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
    let records = |section: &[rr::Record]| section.iter().filter_map(record).collect();
    Answer {
        no_such_name: code == ResponseCode::NXDomain,
        failure: failed.then(|| failure(code)),
        authoritative: message.metadata.authoritative,
        answers: records(&message.answers),
        authority: records(&message.authorities),
        additional: records(&message.additionals),
    }
}

/// The names that dig shows.
fn failure(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::Refused => "REFUSED".into(),
        ResponseCode::FormErr => "FORMERR".into(),
        ResponseCode::NotImp => "NOTIMP".into(),
        other => other.to_str().to_owned(),
    }
}

/// `None`: a type that nobody here asks for.
fn record(record: &rr::Record) -> Option<Record> {
    let kind = match record.record_type() {
        rr::RecordType::A => RecordType::A,
        rr::RecordType::AAAA => RecordType::Aaaa,
        rr::RecordType::CNAME => RecordType::Cname,
        rr::RecordType::MX => RecordType::Mx,
        rr::RecordType::NS => RecordType::Ns,
        rr::RecordType::SOA => RecordType::Soa,
        rr::RecordType::DS => RecordType::Ds,
        rr::RecordType::CAA => RecordType::Caa,
        rr::RecordType::TXT => RecordType::Txt,
        _ => return None,
    };
    Some(Record { name: plain(&record.name), kind, ttl: record.ttl, data: data(&record.data) })
}

fn data(data: &RData) -> String {
    match data {
        RData::CNAME(name) => plain(name),
        RData::NS(name) => plain(name),
        RData::MX(mx) => format!("{} {}", mx.preference, plain(&mx.exchange)),
        RData::SOA(soa) => format!("{} {} {}", plain(&soa.mname), plain(&soa.rname), soa.serial),
        // The strings of one record are one text (RFC 7208 §3.3).
        RData::TXT(txt) => String::from_utf8_lossy(&txt.txt_data.concat()).into_owned(),
        RData::Unknown { rdata, .. } => rdata.to_string(),
        other => other.to_string(),
    }
}

fn plain(name: &Name) -> String {
    name.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

fn wire_type(kind: RecordType) -> rr::RecordType {
    match kind {
        RecordType::A => rr::RecordType::A,
        RecordType::Aaaa => rr::RecordType::AAAA,
        RecordType::Cname => rr::RecordType::CNAME,
        RecordType::Mx => rr::RecordType::MX,
        RecordType::Ns => rr::RecordType::NS,
        RecordType::Soa => rr::RecordType::SOA,
        RecordType::Ds => rr::RecordType::DS,
        RecordType::Caa => rr::RecordType::CAA,
        RecordType::Txt => rr::RecordType::TXT,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn question(kind: RecordType) -> Question {
        Question { server: Some(Ipv4Addr::LOCALHOST.into()), name: "social.example.org".into(), kind }
    }

    /// A name server on a loopback port whose answers are made by `answer`; the first datagram that it sends has a wrong id.
    async fn serve(answer: fn(&mut Message, tcp: bool)) -> SocketAddr {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let respond = move |bytes: &[u8], tcp: bool| {
            let mut message = Message::from_vec(bytes).unwrap().into_response();
            answer(&mut message, tcp);
            message
        };
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok((count, from)) = udp.recv_from(&mut buffer).await {
                let mut message = respond(&buffer[..count], false);
                let right = message.to_vec().unwrap();
                message.metadata.id = message.metadata.id.wrapping_add(1);
                for bytes in [message.to_vec().unwrap(), right] {
                    udp.send_to(&bytes, from).await.unwrap();
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let mut buffer = vec![0; stream.read_u16().await.unwrap().into()];
                stream.read_exact(&mut buffer).await.unwrap();
                let bytes = respond(&buffer, true).to_vec().unwrap();
                stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
                stream.write_all(&bytes).await.unwrap();
            }
        });
        address
    }

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    #[tokio::test]
    async fn an_answer_is_plain_text_in_lower_case() {
        let server = serve(|message, _| {
            message.metadata.authoritative = true;
            message.add_answer(rr::Record::from_rdata(
                name("Social.Example.ORG."),
                300,
                RData::CNAME(rr::rdata::CNAME(name("Web.Example.org."))),
            ));
            message.add_answer(rr::Record::from_rdata(name("web.example.org."), 30, RData::A(Ipv4Addr::new(203, 0, 113, 10).into())));
        });
        let answer = ask_server(&question(RecordType::A), server.await).await.unwrap();
        assert!(answer.authoritative);
        let found: Vec<_> = answer.answers.iter().map(|record| (record.name.as_str(), record.ttl, record.data.as_str())).collect();
        assert_eq!(found, [("social.example.org", 300, "web.example.org"), ("web.example.org", 30, "203.0.113.10")]);
    }

    #[tokio::test]
    async fn a_cut_answer_is_fetched_over_tcp() {
        let server = serve(|message, tcp| {
            message.metadata.truncation = !tcp;
            if tcp {
                message.add_answer(rr::Record::from_rdata(
                    name("example.org."),
                    300,
                    RData::MX(rr::rdata::MX::new(10, name("mail.example.org."))),
                ));
            }
        });
        let answer = ask_server(&question(RecordType::Mx), server.await).await.unwrap();
        assert_eq!(answer.answers[0].data, "10 mail.example.org");
    }

    #[tokio::test]
    async fn failures_have_their_usual_names() {
        let server = serve(|message, _| message.metadata.response_code = ResponseCode::NXDomain);
        assert!(ask_server(&question(RecordType::A), server.await).await.unwrap().no_such_name);
        let server = serve(|message, _| message.metadata.response_code = ResponseCode::Refused);
        assert_eq!(ask_server(&question(RecordType::A), server.await).await.unwrap().failure.as_deref(), Some("REFUSED"));
    }

    #[tokio::test]
    async fn nobody_there_is_an_error_that_names_the_server() {
        let free = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = ask_server(&question(RecordType::A), free).await.unwrap_err().to_string();
        assert!(error.starts_with("no DNS answer for social.example.org from 127.0.0.1"), "{error}");
    }

    #[test]
    fn resolvers_stand_in_order() {
        let list = |resolv_conf, behind| resolvers(resolv_conf, behind).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let behind = "nameserver 192.0.2.1\nnameserver 192.0.2.2\n";
        assert_eq!(
            list("# x\nsearch a\nnameserver 203.0.113.1\nnameserver\nnameserver ::1\nnameserver fe80::1%eth0\n", behind),
            "203.0.113.1 ::1"
        );
        assert_eq!(list("", behind), "127.0.0.1");
        assert_eq!(list("nameserver 127.0.0.53\noptions edns0 trust-ad\n", behind), "192.0.2.1 192.0.2.2 127.0.0.53");
        assert_eq!(list("nameserver 127.0.0.53\n", ""), "127.0.0.53");
    }
}
