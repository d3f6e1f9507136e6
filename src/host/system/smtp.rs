//! A dialogue with a mail relay, up to the point where a message would follow (RFC 5321, 3207, 4954).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::smtp::{RelayTrouble, Reply, Stage, Trial};

/// Limit for a connection; a firewall that drops packets is told by it (linode.md §5).
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Limit for an answer: Mastodon's own (mastodon.md §2.7).
const REPLY_LIMIT: Duration = Duration::from_secs(20);
/// Bytes in a line: RFC 5321 §4.5.3.1.5 says 512; some relays write more.
const LONGEST_LINE: u64 = 2048;
/// Lines in an answer.
const MOST_LINES: usize = 64;
/// Characters of a line that are kept.
const SHOWN: usize = 300;

type Result<T> = std::result::Result<T, RelayTrouble>;

/// Signs in and asks whether the sender and the recipient are accepted; nothing is sent.
pub(super) async fn attempt(trial: &Trial) -> Result<()> {
    let stream = connect(trial).await?;
    if trial.implicit_tls() {
        let mut talk = Talk::new(secure(trial, stream).await?);
        talk.greeting().await?;
        let offer = talk.hello(trial).await?;
        return talk.sign_in_and_ask(trial, &offer).await;
    }
    let mut talk = Talk::new(stream);
    if let Err(trouble) = talk.greeting().await {
        return Err(if speaks_tls(trial).await { RelayTrouble::SpeaksTls } else { trouble });
    }
    if !talk.hello(trial).await?.offers("STARTTLS", None) {
        return Err(RelayTrouble::NoStartTls);
    }
    talk.command(Stage::Encryption, "STARTTLS").await?;
    let mut talk = Talk::new(secure(trial, talk.bare()?).await?);
    let offer = talk.hello(trial).await?;
    talk.sign_in_and_ask(trial, &offer).await
}

/// Over IPv4 where the relay has it: Docker gives containers no other way out.
async fn connect(trial: &Trial) -> Result<TcpStream> {
    let found = lookup_host((trial.server.as_str(), trial.port)).await.map_err(|_| RelayTrouble::NoSuchName)?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let address = *addresses.first().ok_or(RelayTrouble::NoSuchName)?;
    match timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
        Err(_) => Err(RelayTrouble::Silent),
        Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Err(RelayTrouble::Silent),
        Ok(Err(error)) => Err(RelayTrouble::Unreachable(error.to_string())),
        Ok(Ok(stream)) => Ok(stream),
    }
}

/// The handshake, with the roots that the system trusts.
async fn secure(trial: &Trial, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
    let broken = |reason: String| RelayTrouble::Broken { stage: Stage::Encryption, reason };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| broken(error.to_string()))?
        .with_no_client_auth();
    let name = ServerName::try_from(trial.server.clone()).map_err(|error| broken(error.to_string()))?;
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    match timeout(REPLY_LIMIT, handshake).await {
        Err(_) => Err(broken("no answer to the handshake".into())),
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(rustls::Error::InvalidCertificate(why)) => RelayTrouble::Untrusted(why.to_string()),
            Some(rustls::Error::InvalidMessage(_)) if trial.implicit_tls() => RelayTrouble::NoTls,
            _ => broken(error.to_string()),
        }),
    }
}

/// Whether a port that says nothing waits for the client's first words of TLS.
async fn speaks_tls(trial: &Trial) -> bool {
    let Ok(stream) = connect(trial).await else { return false };
    matches!(secure(trial, stream).await, Ok(_) | Err(RelayTrouble::Untrusted(_)))
}

struct Talk<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The stream itself. What was sent before the handshake must not be taken for a part of what comes after it (RFC 3207 §4.2).
    fn bare(self) -> Result<S> {
        if self.stream.buffer().is_empty() {
            return Ok(self.stream.into_inner());
        }
        Err(RelayTrouble::Broken { stage: Stage::Encryption, reason: "more came before the handshake than was asked for".into() })
    }

    async fn greeting(&mut self) -> Result<()> {
        self.expect(Stage::Greeting).await.map(drop)
    }

    async fn hello(&mut self, trial: &Trial) -> Result<Reply> {
        self.command(Stage::Hello, &format!("EHLO {}", trial.own_name)).await
    }

    async fn sign_in_and_ask(&mut self, trial: &Trial, offer: &Reply) -> Result<()> {
        if !offer.offers("AUTH", Some("PLAIN")) {
            return Err(RelayTrouble::NoLogin);
        }
        let words = SecretString::from(format!("\0{}\0{}", trial.login, trial.password.expose_secret()));
        let line = SecretString::from(format!("AUTH PLAIN {}", BASE64_STANDARD.encode(words.expose_secret())));
        self.command(Stage::Login, line.expose_secret()).await?;
        self.command(Stage::Sender, &format!("MAIL FROM:<{}>", trial.from)).await?;
        self.command(Stage::Recipient, &format!("RCPT TO:<{}>", trial.to)).await?;
        // All that was to be known is known.
        let _gone = self.command(Stage::Recipient, "RSET").await;
        let _gone = self.command(Stage::Recipient, "QUIT").await;
        Ok(())
    }

    async fn command(&mut self, stage: Stage, line: &str) -> Result<Reply> {
        let line = SecretString::from(format!("{line}\r\n"));
        let sent = async {
            self.stream.write_all(line.expose_secret().as_bytes()).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| RelayTrouble::Broken { stage, reason: error.to_string() })?;
        self.expect(stage).await
    }

    /// The answer, if it is a yes: the first digit decides (RFC 5321 §4.2.1), so that 251 is one as well (§4.3.2).
    async fn expect(&mut self, stage: Stage) -> Result<Reply> {
        let reply = match timeout(REPLY_LIMIT, read(&mut self.stream)).await {
            Err(_) => return Err(RelayTrouble::Broken { stage, reason: format!("no answer within {} s", REPLY_LIMIT.as_secs()) }),
            Ok(Err(error)) => return Err(RelayTrouble::Broken { stage, reason: error.to_string() }),
            Ok(Ok(reply)) => reply,
        };
        if reply.code / 100 == 2 { Ok(reply) } else { Err(RelayTrouble::Refused { stage, reply }) }
    }
}

/// One answer, of one line or several.
pub(super) async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Reply> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        (&mut *stream).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Err(io::Error::other(if line.is_empty() { "the relay hung up" } else { "what came is no line of SMTP" }));
        }
        let (code, is_last, text) = parse(&line).ok_or_else(|| io::Error::other("what came is no answer of SMTP"))?;
        lines.push(text);
        if is_last {
            return Ok(Reply { code, lines });
        }
        if lines.len() == MOST_LINES {
            return Err(io::Error::other("the answer has too many lines"));
        }
    }
}

/// `250-text` or `250 text` (RFC 5321 §4.2): the code, whether it is the last line, the text.
fn parse(line: &[u8]) -> Option<(u16, bool, String)> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\r', '\n']);
    let code = text.get(..3).filter(|code| code.bytes().all(|c| c.is_ascii_digit()))?.parse().ok()?;
    let is_last = match text.as_bytes().get(3) {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    (200..600).contains(&code).then(|| (code, is_last, text.chars().skip(4).take(SHOWN).collect()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn trial(port: u16) -> Trial {
        Trial {
            server: "localhost".into(),
            port,
            own_name: "social.example.org".into(),
            login: "me".into(),
            password: "hunter22".into(),
            from: "a@example.org".into(),
            to: "b@example.org".into(),
        }
    }

    /// A relay that says these answers, one to each line it is told, and gives what it was told.
    async fn dialogue(answers: &'static [&'static str]) -> (Result<()>, String) {
        let (ours, theirs) = tokio::io::duplex(4096);
        let relay = tokio::spawn(async move {
            let mut relay = BufReader::new(theirs);
            let mut told = String::new();
            for answer in answers {
                relay.read_line(&mut told).await.unwrap();
                relay.write_all(answer.as_bytes()).await.unwrap();
            }
            told
        });
        let mut talk = Talk::new(ours);
        let ended = async {
            let offer = talk.hello(&trial(587)).await?;
            talk.sign_in_and_ask(&trial(587), &offer).await
        };
        let ended = ended.await;
        drop(talk);
        (ended, relay.await.unwrap())
    }

    #[tokio::test]
    async fn a_dialogue_ends_before_the_message() {
        let answers = &[
            "250-relay\r\n250-AUTH LOGIN PLAIN\r\n250 8BITMIME\r\n",
            "235 ok\r\n",
            "250 ok\r\n",
            "251 User not local; will forward to <b@b.org>\r\n",
            "250 ok\r\n",
            "221 bye\r\n",
        ];
        let (ended, told) = dialogue(answers).await;
        assert_eq!(ended, Ok(()));
        let wanted = "EHLO social.example.org\r\nAUTH PLAIN AG1lAGh1bnRlcjIy\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n\
                      RSET\r\nQUIT\r\n";
        assert_eq!(told, wanted);
    }

    #[tokio::test]
    async fn each_refusal_says_to_what_it_was() {
        const OFFER: &str = "250-relay\r\n250 auth plain\r\n";
        for (answers, stage, shown) in [
            (&[OFFER, "535-5.7.8 no\r\n535 really\r\n"][..], Stage::Login, "535 5.7.8 no really"),
            (&[OFFER, "235 ok\r\n", "553 not yours\r\n"], Stage::Sender, "553 not yours"),
            (&[OFFER, "235 ok\r\n", "250 ok\r\n", "554 5.7.1 Relay access denied\r\n"], Stage::Recipient, "554 5.7.1 Relay access denied"),
            (&["421 busy\r\n"], Stage::Hello, "421 busy"),
            (&[OFFER, "334 go on\r\n"], Stage::Login, "334 go on"),
        ] {
            let Err(RelayTrouble::Refused { stage: found, reply }) = dialogue(answers).await.0 else { panic!("{shown}") };
            assert_eq!((found, reply.to_string().as_str()), (stage, shown));
        }
        assert_eq!(dialogue(&["250-relay\r\n250 AUTH LOGIN XPLAIN\r\n"]).await.0, Err(RelayTrouble::NoLogin));
        let Err(RelayTrouble::Broken { stage: Stage::Login, reason }) = dialogue(&[OFFER, "HTTP/1.1 400 Bad\r\n"]).await.0 else {
            panic!()
        };
        assert!(reason.contains("no answer of SMTP"), "{reason}");
        assert!(matches!(dialogue(&[OFFER]).await.0, Err(RelayTrouble::Broken { stage: Stage::Login, .. })));
    }

    #[tokio::test]
    async fn what_is_no_answer_is_refused_and_what_is_long_is_cut() {
        for bad in ["", "250", "99 x\r\n", "2500\r\n", "250_x\r\n", "700 x\r\n", "é50 x\r\n", "250-x\r\n"] {
            assert!(read(&mut bad.as_bytes()).await.is_err(), "{bad:?}");
        }
        assert!(read(&mut "250-x\r\n".repeat(100).as_bytes()).await.is_err());
        assert!(read(&mut format!("250 {}\r\n", "x".repeat(5000)).as_bytes()).await.is_err());
        let long = read(&mut format!("250 {}\r\n", "é".repeat(900)).as_bytes()).await.unwrap();
        assert_eq!(long.lines[0].chars().count(), SHOWN);
        assert_eq!(read(&mut b"221\r\n".as_slice()).await.unwrap().code, 221);
    }

    #[tokio::test]
    async fn a_port_without_tls_and_one_that_is_closed_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _gone = stream.write_all(b"220 relay ESMTP\r\n").await;
                let mut told = BufReader::new(stream);
                let _gone = told.read_line(&mut String::new()).await;
                let _gone = told.write_all(b"250-relay\r\n250 AUTH PLAIN\r\n").await;
            }
        });
        assert_eq!(attempt(&trial(address.port())).await, Err(RelayTrouble::NoStartTls));
        let stream = TcpStream::connect(address).await.unwrap();
        assert_eq!(secure(&trial(465), stream).await.map(drop), Err(RelayTrouble::NoTls));
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(matches!(attempt(&trial(free.port())).await, Err(RelayTrouble::Unreachable(_))));
        let nowhere = Trial { server: "relay.invalid".into(), ..trial(587) };
        assert_eq!(attempt(&nowhere).await, Err(RelayTrouble::NoSuchName));
    }
}
