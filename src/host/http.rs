//! HTTP requests and answers as plain data.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::de::DeserializeOwned;

/// Request methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Read headers.
    Head,
    /// Create.
    Post,
    /// Replace.
    Put,
    /// Remove.
    Delete,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub enum Body {
    /// JSON.
    Json(serde_json::Value),
    /// Text of this media type.
    Text(&'static str, String),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Absolute URL without credentials.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// Header fields whose values are secret.
    pub secret_headers: Vec<(&'static str, SecretString)>,
    /// Value of `Authorization: Bearer`.
    pub bearer: Option<SecretString>,
    /// What it carries.
    pub body: Option<Body>,
    /// It only reads, though its method does not promise that (RFC 9110, §9.2.1: safe).
    pub safe: bool,
    /// Connect here instead of to the name's address; the certificate is still checked against the name.
    pub connect_to: Option<SocketAddr>,
    /// Connect to this Unix socket; the URL's host is only named to it.
    pub socket: Option<PathBuf>,
    /// For the whole exchange.
    pub timeout: Duration,
    /// Follow redirects (at most ten).
    pub follow: bool,
    /// HTTP/1.1 and nothing newer: only there a connection can be upgraded.
    pub only_http1: bool,
}

impl Request {
    /// A request with a limit of 20 s that does not follow redirects.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            secret_headers: Vec::new(),
            bearer: None,
            body: None,
            safe: matches!(method, Method::Get | Method::Head),
            connect_to: None,
            socket: None,
            timeout: Duration::from_secs(20),
            follow: false,
            only_http1: false,
        }
    }

    /// One more header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// One more header field, whose value is secret.
    #[must_use]
    pub fn secret_header(mut self, name: &'static str, value: SecretString) -> Self {
        self.secret_headers.push((name, value));
        self
    }

    /// Bearer token.
    #[must_use]
    pub fn bearer(mut self, token: SecretString) -> Self {
        self.bearer = Some(token);
        self
    }

    /// Asks for a WebSocket, as a browser does. Whoever refuses it answers as usual.
    #[must_use]
    pub fn websocket(mut self) -> Self {
        self.only_http1 = true;
        // The key is the example of RFC 6455, §1.3: it proves nothing to anybody.
        let fields = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        fields.into_iter().fold(self, |request, (name, value)| request.header(name, value))
    }

    /// JSON body.
    #[must_use]
    pub fn json(mut self, body: serde_json::Value) -> Self {
        self.body = Some(Body::Json(body));
        self
    }

    /// Text of this media type as body.
    #[must_use]
    pub fn text(mut self, media_type: &'static str, text: impl Into<String>) -> Self {
        self.body = Some(Body::Text(media_type, text.into()));
        self
    }

    /// It only reads, whatever its method.
    #[must_use]
    pub fn safe(mut self) -> Self {
        self.safe = true;
        self
    }

    /// Connects to this address whatever the name resolves to.
    #[must_use]
    pub fn connect_to(mut self, address: SocketAddr) -> Self {
        self.connect_to = Some(address);
        self
    }

    /// Connects to this Unix socket.
    #[must_use]
    pub fn socket(mut self, path: &Path) -> Self {
        self.socket = Some(path.to_owned());
        self
    }

    /// Limit for the whole exchange.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// Method and URL, and the socket if there is one.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", format!("{:?}", self.method).to_uppercase(), self.url)?;
        self.socket.as_ref().map_or(Ok(()), |socket| write!(f, " at {}", socket.display()))
    }
}

/// One answer.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header field; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Whether the status is 2xx.
    pub fn success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }

    /// The body as text, lossy.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
