//! HTTP over the system's roots. One client serves all requests, so connections are kept.

use std::collections::HashMap;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::super::{Body, BodySink, HostError, Method, Request, Response, Result};
use super::lines::lock;

/// Limit for a connection, with its TLS handshake.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Clients by what they are for; they are built at the first use, when `ca-certificates` is there.
#[derive(Default)]
pub(super) struct Web {
    clients: Mutex<HashMap<Use, Client>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Use {
    follow: bool,
    only_v4: bool,
    only_http1: bool,
    connect_to: Option<SocketAddr>,
    socket: Option<PathBuf>,
}

impl Web {
    /// One exchange. Where the connection failed it is tried once more over IPv4 alone: a machine may have an IPv6 address that leads nowhere.
    pub(super) async fn exchange(&self, request: &Request) -> Result<Response> {
        let Request { follow, connect_to, only_http1, .. } = *request;
        let first = Use { follow, connect_to, socket: request.socket.clone(), only_v4: false, only_http1 };
        let elsewhere = first.connect_to.is_some() || first.socket.is_some();
        match self.try_once(first.clone(), request).await {
            Err(error) if error.is_connect() && !elsewhere && !untrusted(&error) => {
                let again = self.try_once(Use { only_v4: true, ..first }, request).await;
                again.map_err(|error| describe(&error, request))
            }
            other => other.map_err(|error| describe(&error, request)),
        }
    }

    /// One exchange whose answer may take as long as it takes: the body of a success goes to `body` as it comes, and the request's limit holds
    /// for each silence.
    pub(super) async fn stream(&self, request: &Request, body: BodySink<'_>) -> Result<Response> {
        let Request { follow, connect_to, only_http1, timeout: limit, .. } = *request;
        let purpose = Use { follow, connect_to, socket: request.socket.clone(), only_v4: false, only_http1 };
        let outgoing = self.outgoing(purpose, request).map_err(|error| describe(&error, request))?;
        let mut incoming = within(limit, outgoing.send(), request).await?;
        let mut answer = head(&incoming);
        while let Some(piece) = within(limit, incoming.chunk(), request).await? {
            if !answer.success() {
                answer.body.extend_from_slice(&piece);
            } else if body(&piece).is_break() {
                break;
            }
        }
        Ok(answer)
    }

    async fn try_once(&self, purpose: Use, request: &Request) -> reqwest::Result<Response> {
        let incoming = self.outgoing(purpose, request)?.timeout(request.timeout).send().await?;
        let head = head(&incoming);
        Ok(Response { body: incoming.bytes().await?.to_vec(), ..head })
    }

    /// The request as it will be sent, without a limit.
    fn outgoing(&self, purpose: Use, request: &Request) -> reqwest::Result<RequestBuilder> {
        let mut outgoing = self.client(purpose, &request.url)?.request(method(request.method), &request.url);
        for (name, value) in &request.headers {
            outgoing = outgoing.header(name, value);
        }
        for (name, value) in &request.secret_headers {
            outgoing = outgoing.header(*name, Sensitive(value));
        }
        if let Some(token) = &request.bearer {
            outgoing = outgoing.bearer_auth(token.expose_secret());
        }
        outgoing = match &request.body {
            None => outgoing,
            Some(Body::Json(body)) => outgoing.json(body),
            Some(Body::Text(media_type, text)) => outgoing.header(CONTENT_TYPE, *media_type).body(text.clone()),
        };
        Ok(outgoing)
    }

    /// A client that connects elsewhere belongs to one name and is not kept.
    fn client(&self, purpose: Use, url: &str) -> reqwest::Result<Client> {
        if let Some(client) = lock(&self.clients).get(&purpose) {
            return Ok(client.clone());
        }
        let mut builder = builder(&purpose);
        if let (Some(address), Some(host)) = (purpose.connect_to, host_of(url)) {
            return builder.no_proxy().resolve(&host, address).build();
        }
        if let Some(path) = &purpose.socket {
            // No TLS is spoken there, so no roots are needed; and whoever listens may begin anew at any time, which a kept connection would
            // not survive.
            builder = builder.no_proxy().tls_certs_only([]).pool_max_idle_per_host(0).unix_socket(path.clone());
        }
        if purpose.only_v4 {
            builder = builder.local_address(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        }
        let client = builder.build()?;
        lock(&self.clients).insert(purpose, client.clone());
        Ok(client)
    }
}

/// Status and header fields.
fn head(incoming: &reqwest::Response) -> Response {
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned());
    let headers = incoming.headers().iter().map(field).collect();
    Response { status: incoming.status().as_u16(), headers, body: Vec::new() }
}

/// A value that is never shown.
struct Sensitive<'a>(&'a SecretString);

impl TryFrom<Sensitive<'_>> for HeaderValue {
    type Error = InvalidHeaderValue;

    fn try_from(Sensitive(value): Sensitive<'_>) -> std::result::Result<Self, InvalidHeaderValue> {
        let mut value = Self::from_str(value.expose_secret())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

async fn within<T>(limit: Duration, waiting: impl Future<Output = reqwest::Result<T>>, request: &Request) -> Result<T> {
    let silent = |_| HostError::Http {
        url: request.url.clone(),
        reason: format!("nothing came for {} s", limit.as_secs()),
        perhaps_done: true,
        untrusted: false,
    };
    timeout(limit, waiting).await.map_err(silent)?.map_err(|error| describe(&error, request))
}

fn builder(purpose: &Use) -> ClientBuilder {
    // Already installed is fine.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let redirects = if purpose.follow { Policy::limited(10) } else { Policy::none() };
    let agent = concat!("tootstrap/", env!("CARGO_PKG_VERSION"));
    let builder = Client::builder().user_agent(agent).redirect(redirects).connect_timeout(CONNECT_LIMIT);
    if purpose.only_http1 { builder.http1_only() } else { builder }
}

fn host_of(url: &str) -> Option<String> {
    reqwest::Url::parse(url).ok()?.host_str().map(str::to_owned)
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
    }
}

fn describe(error: &reqwest::Error, request: &Request) -> HostError {
    HostError::Http {
        url: request.url.clone(),
        reason: reason(error),
        perhaps_done: !error.is_connect() && !error.is_builder(),
        untrusted: untrusted(error),
    }
}

/// The innermost cause says most; what surrounds it only repeats the address.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".into();
    }
    let innermost = causes(error).last().map_or_else(|| error.to_string(), ToString::to_string);
    if untrusted(error) { format!("its certificate is not trusted ({innermost})") } else { innermost }
}

fn untrusted(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
}

/// Every cause. An `io::Error` does not name the error that it wraps as its source, so that is looked at as well.
fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let inner = |cause: &'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> {
        let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| cause.source())
    };
    std::iter::successors(error.source(), move |cause| inner(*cause))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;

    /// Serves one answer to every connection and gives what it was asked.
    async fn serve(answer: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let asked = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = vec![0; 4096];
                let count = stream.read(&mut buffer).await.unwrap_or(0);
                lock(&asked).push(String::from_utf8_lossy(&buffer[..count]).into_owned());
                let _closed = stream.write_all(answer.as_bytes()).await;
            }
        });
        (address, seen)
    }

    #[tokio::test]
    async fn any_status_is_an_answer_and_redirects_stay_where_they_are() {
        let (address, seen) = serve("HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").await;
        let request = Request::new(Method::Get, format!("http://{address}/a")).bearer("secret".into()).header("X-Filter", "{}");
        let response = Web::default().exchange(&request).await.unwrap();
        assert_eq!((response.status, response.header("location"), response.text().as_str()), (301, Some("/x"), "hi"));
        let asked = lock(&seen).join("");
        assert!(asked.contains("authorization: Bearer secret\r\n") && asked.contains("x-filter: {}\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn a_text_is_sent_as_what_it_is_and_a_host_may_be_without_name() {
        let (address, seen) = serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        let request = Request::new(Method::Post, format!("http://{address}/adapt")).text("text/caddyfile", "a site").header("Host", "");
        assert_eq!(Web::default().exchange(&request).await.unwrap().status, 200);
        let asked = lock(&seen).join("");
        assert!(asked.contains("host: \r\n") && asked.contains("content-type: text/caddyfile\r\n"), "{asked}");
        assert!(asked.ends_with("\r\n\r\na site"), "{asked}");
    }

    #[tokio::test]
    async fn another_address_can_be_used_for_a_name() {
        let (address, seen) = serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        let request = Request::new(Method::Head, "http://social.example.org/").connect_to(address);
        assert_eq!(Web::default().exchange(&request).await.unwrap().status, 200);
        assert!(lock(&seen)[0].contains("host: social.example.org\r\n"));
    }

    #[tokio::test]
    async fn a_websocket_is_asked_for_as_a_browser_does() {
        let (address, seen) = serve("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        let request = Request::new(Method::Get, format!("http://{address}/api/v1/streaming")).websocket();
        assert_eq!(Web::default().exchange(&request).await.unwrap().status, 401);
        let asked = lock(&seen).join("").to_ascii_lowercase();
        assert!(asked.contains("connection: upgrade\r\n") && asked.contains("upgrade: websocket\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn a_refused_connection_did_nothing_and_a_silent_server_perhaps_did() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let silent = Request::new(Method::Post, &url).timeout(Duration::from_millis(200));
        let Err(HostError::Http { perhaps_done, reason, .. }) = Web::default().exchange(&silent).await else {
            panic!("no answer can come")
        };
        assert_eq!((perhaps_done, reason.as_str()), (true, "timed out"));

        drop(listener);
        let Err(HostError::Http { perhaps_done, reason, .. }) = Web::default().exchange(&silent).await else { panic!("nobody listens") };
        assert!(!perhaps_done);
        assert!(reason.contains("refused"), "{reason}");
    }

    /// Answers with these pieces, 150 ms after each other, and says whether the caller has gone before the last one.
    async fn serve_slowly(pieces: &'static [&'static str]) -> (SocketAddr, tokio::task::JoinHandle<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _asked = stream.read(&mut [0; 4096]).await;
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                if timeout(Duration::from_millis(150), stream.read(&mut [0])).await.is_ok() {
                    return true;
                }
            }
            false
        });
        (address, serving)
    }

    #[tokio::test]
    async fn a_long_answer_comes_in_pieces_and_only_silence_is_limited() {
        let (address, _) = serve_slowly(&["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "ab", "cd", "ef"]).await;
        let request = Request::new(Method::Post, format!("http://{address}/")).timeout(Duration::from_millis(400));
        let mut pieces = Vec::new();
        let mut keep = |piece: &[u8]| {
            pieces.push(String::from_utf8(piece.to_vec()).unwrap());
            ControlFlow::Continue(())
        };
        assert_eq!(Web::default().stream(&request, &mut keep).await.unwrap().status, 200);
        assert_eq!(pieces, ["ab", "cd", "ef"]);

        let (address, gone) = serve_slowly(&["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab", "", "", "", "", "cdef"]).await;
        let request = Request { url: format!("http://{address}/"), ..request };
        let error = Web::default().stream(&request, &mut |_| ControlFlow::Continue(())).await.unwrap_err();
        assert!(error.to_string().ends_with("nothing came for 0 s"), "{error}");
        assert!(gone.await.unwrap(), "the connection was closed");

        let (address, gone) = serve_slowly(&["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab", "cd", "ef"]).await;
        let request = Request { url: format!("http://{address}/"), ..request };
        assert!(Web::default().stream(&request, &mut |_| ControlFlow::Break(())).await.is_ok());
        assert!(gone.await.unwrap(), "whoever has heard enough hangs up");
    }

    #[tokio::test]
    async fn what_is_no_success_is_not_streamed_and_secret_fields_are_sent() {
        let (address, seen) = serve("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
        let request = Request::new(Method::Post, format!("http://{address}/")).secret_header("X-Registry-Auth", "c2VjcmV0".into());
        let answer = Web::default().stream(&request, &mut |_| panic!("nothing succeeded")).await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (404, "no"));
        assert!(lock(&seen)[0].contains("x-registry-auth: c2VjcmV0\r\n"));
        assert!(!format!("{request:?} {request}").contains("c2Vj"));
    }

    /// An address that leads nowhere: a listener whose queue is full neither accepts nor refuses.
    async fn black_hole() -> TcpListener {
        let socket = TcpSocket::new_v6().unwrap();
        socket.bind("[::1]:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        while let Ok(accepted) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            accepted.unwrap();
        }
        listener
    }

    #[tokio::test]
    async fn where_ipv6_leads_nowhere_ipv4_is_used() {
        let full = black_hole().await;
        let nowhere = full.local_addr().unwrap();
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, nowhere.port())).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = v4.accept().await {
                let _asked = stream.read(&mut [0; 4096]).await;
                let _closed = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nv4").await;
            }
        });
        let web = Web::default();
        let purpose = Use::default();
        let both = [nowhere, (Ipv4Addr::LOCALHOST, nowhere.port()).into()];
        let client = builder(&purpose).no_proxy().resolve_to_addrs("both.example.org", &both).build().unwrap();
        lock(&web.clients).insert(purpose, client);
        let request = Request::new(Method::Get, format!("http://both.example.org:{}/", nowhere.port()));
        assert_eq!(web.exchange(&request).await.unwrap().text(), "v4");
    }

    #[tokio::test]
    async fn what_speaks_no_tls_is_not_called_untrusted() {
        let (address, _) = serve("nonsense").await;
        let request = Request::new(Method::Get, format!("https://localhost:{}/", address.port()));
        let Err(HostError::Http { untrusted, .. }) = Web::default().exchange(&request).await else { panic!("no TLS there") };
        assert!(!untrusted);
    }
}
