//! The HTTP client: an asynchronous engine on a thread of its own, with a plain blocking face.
//!
//! Hashing and writing stay on the caller's thread; a bounded channel between the two keeps a fast server from
//! filling the memory. Redirects are not followed here, so that nothing is sent anywhere unseen.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;

use super::proxy::Proxies;
use super::tls;
use crate::fetch::error::FetchError;

/// What proves to a host who asks. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// User and password.
    Basic(String, String),
    /// A token.
    Bearer(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credentials::Basic(..) => "Basic(***)",
            Credentials::Bearer(..) => "Bearer(***)",
        })
    }
}

impl From<(String, String)> for Credentials {
    fn from((user, password): (String, String)) -> Self {
        Credentials::Basic(user, password)
    }
}

impl Credentials {
    fn header(&self) -> Result<HeaderValue, String> {
        let text = match self {
            Credentials::Basic(user, password) => {
                format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
            }
            Credentials::Bearer(token) => format!("Bearer {token}"),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// One request (GET, or HEAD).
#[derive(Clone, Debug)]
pub struct Request {
    /// The URL, without user and parameters.
    pub url: String,
    /// Whether only the head of the answer is wanted.
    pub head_only: bool,
    /// Further header lines.
    pub headers: Vec<(&'static str, String)>,
    /// What proves to this very host who asks.
    pub credentials: Option<Credentials>,
    /// How long nothing may arrive.
    pub stall: Duration,
}

/// The head of an answer, and its body piece by piece.
pub struct Response {
    /// The status code.
    pub status: u16,
    headers: HeaderMap,
    /// The length of the body that follows, if told.
    pub content_length: Option<u64>,
    pieces: mpsc::Receiver<Result<Piece, String>>,
}

enum Piece {
    Head(u16, HeaderMap, Option<u64>),
    Data(Data),
}

/// One piece of a body, as it came from the network.
pub type Data = Box<dyn AsRef<[u8]> + Send>;

impl Response {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A header's values, joined as a list.
    pub fn header_list(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The next piece of the body, `None` at its end.
    ///
    /// # Errors
    /// The reason, if the body ends before it should or nothing arrives for too long.
    pub fn next_piece(&mut self) -> Result<Option<Data>, String> {
        match self.pieces.blocking_recv() {
            Some(Ok(Piece::Data(data))) => Ok(Some(data)),
            Some(Ok(Piece::Head(..))) | None => Ok(None),
            Some(Err(reason)) => Err(reason),
        }
    }
}

struct Job {
    request: reqwest::Request,
    stall: Duration,
    pieces: mpsc::Sender<Result<Piece, String>>,
}

/// The client. Its connections are kept and shared by all who use it; its thread ends when it is dropped.
pub struct Client {
    jobs: mpsc::UnboundedSender<Job>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// Starts the engine. Proxies and certificate authorities come from `environment`, never from the process's own.
    ///
    /// # Errors
    /// If TLS can't be set up or the thread can't be started.
    pub fn start(environment: &BTreeMap<String, String>, connect: Duration) -> Result<Self, FetchError> {
        let failed =
            |reason: String| FetchError::plain(format!("The HTTP client could not be started: {reason}"));
        let proxies = Proxies::from_environment(environment);
        let proxy = reqwest::Proxy::custom(move |url| {
            let host = url.host_str().unwrap_or_default();
            let proxy = proxies.for_url(url.scheme(), host, url.port_or_known_default());
            proxy.and_then(|proxy| reqwest::Url::parse(proxy).ok())
        });
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::configuration(environment).map_err(failed)?)
            .user_agent(concat!("rbake/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .proxy(proxy)
            .connect_timeout(connect)
            .build()
            .map_err(|error| failed(describe(&error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let (jobs, mut queue) = mpsc::unbounded_channel::<Job>();
        std::thread::Builder::new()
            .name("http".into())
            .spawn(move || {
                runtime.block_on(async {
                    while let Some(job) = queue.recv().await {
                        tokio::spawn(run(client.clone(), job));
                    }
                });
            })
            .map_err(|error| failed(error.to_string()))?;
        Ok(Client { jobs })
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// The reason, if there is no answer.
    pub fn send(&self, request: &Request) -> Result<Response, String> {
        let url = reqwest::Url::parse(&request.url).map_err(|error| error.to_string())?;
        let method = if request.head_only { reqwest::Method::HEAD } else { reqwest::Method::GET };
        let mut built = reqwest::Request::new(method, url);
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
            built.headers_mut().insert(HeaderName::from_static(name), value);
        }
        if let Some(credentials) = &request.credentials {
            built.headers_mut().insert(reqwest::header::AUTHORIZATION, credentials.header()?);
        }
        let (sender, mut pieces) = mpsc::channel(16);
        let job = Job { request: built, stall: request.stall, pieces: sender };
        self.jobs.send(job).map_err(|_| "the HTTP client has ended".to_owned())?;
        match pieces.blocking_recv() {
            Some(Ok(Piece::Head(status, headers, content_length))) => {
                Ok(Response { status, headers, content_length, pieces })
            }
            Some(Err(reason)) => Err(reason),
            _ => Err("the HTTP client has ended".into()),
        }
    }
}

/// Runs one request. When nobody takes the pieces any more, the connection is given up.
async fn run(client: reqwest::Client, job: Job) {
    let Job { request, stall, pieces } = job;
    let stalled = || format!("nothing arrived for {} seconds", stall.as_secs_f32());
    let mut response = match tokio::time::timeout(stall, client.execute(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return drop(pieces.send(Err(describe(&error))).await),
        Err(_) => return drop(pieces.send(Err(stalled())).await),
    };
    let length = response
        .headers()
        .get(reqwest::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let head = Piece::Head(response.status().as_u16(), response.headers().clone(), length);
    if pieces.send(Ok(head)).await.is_err() {
        return;
    }
    loop {
        let piece = match tokio::time::timeout(stall, response.chunk()).await {
            Ok(Ok(Some(data))) => Ok(Piece::Data(Box::new(data))),
            Ok(Ok(None)) => return,
            Ok(Err(error)) => Err(describe(&error)),
            Err(_) => Err(stalled()),
        };
        let last = piece.is_err();
        if pieces.send(piece).await.is_err() || last {
            return;
        }
    }
}

/// An error with its causes, without the URL: it is told elsewhere, and may hold a password.
fn describe(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        texts.push(inner.to_string());
        cause = inner.source();
    }
    match texts.pop() {
        Some(last) if error.is_connect() => format!("can't connect: {last}"),
        Some(last) => last,
        None if error.is_timeout() => "timed out".into(),
        None => "the request failed".into(),
    }
}

/// Base 64 with padding (RFC 4648, section 4).
pub(crate) fn base64(data: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let bits =
            (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or_default()));
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = LETTERS.get((bits >> shift & 63) as usize).copied().unwrap_or(b'=');
            text.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10.
    #[test]
    fn base64_examples() {
        for (data, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(base64(data.as_bytes()), expected);
        }
    }

    #[test]
    fn credentials_are_not_printed() {
        let basic = Credentials::from(("user".to_owned(), "secret".to_owned()));
        let value = basic.header().unwrap();
        assert_eq!(value.to_str().unwrap(), "Basic dXNlcjpzZWNyZXQ=");
        assert!(!format!("{value:?}").contains("dXNl") && !format!("{basic:?}").contains("secret"));
        let bearer = Credentials::Bearer("token".into());
        assert_eq!(bearer.header().unwrap().to_str().unwrap(), "Bearer token");
        assert!(!format!("{bearer:?}").contains("token"));
    }
}
