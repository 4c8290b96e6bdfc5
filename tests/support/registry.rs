//! A registry of images on the loopback interface, which can demand tokens and misbehave.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rbake::verify::{Algorithm, Digest};

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Logged {
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

/// What a path leads to.
#[derive(Clone, Debug)]
pub enum Page {
    Data(Vec<u8>),
    /// The same, of which only so many bytes come the first time.
    Cut(Vec<u8>, usize),
    Redirect(String),
}

/// What is demanded: `Authorization` has to be the first, else the answer is 401 with the second as `WWW-Authenticate`.
pub type Demand = (String, String);

#[derive(Default)]
struct Shared {
    pages: Mutex<HashMap<String, Page>>,
    demand: Mutex<Option<Demand>>,
    log: Mutex<Vec<Logged>>,
    /// Requests that a token is good for, and those that were served.
    short: Mutex<Option<(usize, usize)>>,
    tags: Mutex<HashMap<String, Vec<String>>>,
    ended: AtomicBool,
}

pub struct Registry {
    address: SocketAddr,
    shared: Arc<Shared>,
}

pub fn sha256(data: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, data).to_string()
}

impl Registry {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let registry = Registry { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || drop(serve(stream.unwrap(), &shared)));
            }
        });
        registry
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn page(&self, path: &str, page: Page) {
        self.shared.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    pub fn forget(&self, path: &str) {
        self.shared.pages.lock().unwrap().remove(path);
    }

    /// Everything below `/v2/` needs this.
    pub fn demand(&self, authorization: &str, challenge: &str) {
        *self.shared.demand.lock().unwrap() = Some((authorization.into(), challenge.into()));
    }

    /// Everything below `/v2/` needs a token from this server's `/token`, which is good for so many requests.
    pub fn tokens_for_requests(&self, count: usize) {
        *self.shared.short.lock().unwrap() = Some((count, 0));
    }

    /// The tags of a repository, given out in pages; without any, the page of that path counts.
    pub fn tags(&self, name: &str, tags: &[String]) {
        self.shared.tags.lock().unwrap().insert(format!("/v2/{name}/tags/list"), tags.to_vec());
    }

    pub fn log(&self) -> Vec<Logged> {
        self.shared.log.lock().unwrap().clone()
    }

    /// Gives a repository a blob; its descriptor.
    pub fn blob(&self, name: &str, kind: &str, data: &[u8]) -> serde_json::Value {
        let digest = sha256(data);
        self.page(&format!("/v2/{name}/blobs/{digest}"), Page::Data(data.to_vec()));
        serde_json::json!({"mediaType": kind, "digest": digest, "size": data.len()})
    }

    /// Gives a repository a manifest under its digest and a tag; its descriptor.
    pub fn manifest(&self, name: &str, tag: &str, document: &serde_json::Value) -> serde_json::Value {
        let data = document.to_string().into_bytes();
        let digest = sha256(&data);
        for reference in [tag, &digest] {
            self.page(&format!("/v2/{name}/manifests/{reference}"), Page::Data(data.clone()));
        }
        serde_json::json!({"mediaType": document["mediaType"], "digest": digest, "size": data.len()})
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split_ascii_whitespace().nth(1).unwrap_or_default().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
                None => break,
            };
        }
        shared.log.lock().unwrap().push(Logged { path: path.clone(), headers: headers.clone() });
        if let Some((count, served)) = &mut *shared.short.lock().unwrap() {
            let token = format!("t{}", *served / *count);
            if path.starts_with("/token?") {
                let body = format!("{{\"access_token\":\"{token}\"}}");
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
                continue;
            }
            if headers.get("authorization") != Some(&format!("Bearer {token}")) {
                let realm = format!("http://{}/token", stream.local_addr()?);
                write!(
                    stream,
                    "HTTP/1.1 401 X\r\nWWW-Authenticate: Bearer realm=\"{realm}\"\r\nContent-Length: 0\r\n\r\n"
                )?;
                continue;
            }
            *served += 1;
        }
        let demand = shared.demand.lock().unwrap().clone();
        if let Some((wanted, challenge)) = demand.filter(|_| path.starts_with("/v2/"))
            && headers.get("authorization") != Some(&wanted)
        {
            write!(stream, "HTTP/1.1 401 X\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        }
        let plain = path.split('?').next().unwrap_or_default();
        let tags = shared.tags.lock().unwrap().get(plain).cloned().unwrap_or_default();
        if !tags.is_empty() {
            let asked = |name: &str| {
                path.split(['?', '&']).find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            };
            let count = asked("n").and_then(|count| count.parse().ok()).unwrap_or(usize::MAX);
            let after = asked("last").unwrap_or_default();
            let listed: Vec<_> = tags.iter().filter(|tag| tag.as_str() > after).take(count).collect();
            let body = serde_json::json!({"tags": listed}).to_string();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
            continue;
        }
        let page = shared.pages.lock().unwrap().get(plain).cloned();
        let (data, cut) = match page {
            None => {
                write!(stream, "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
            Some(Page::Redirect(to)) => {
                write!(stream, "HTTP/1.1 307 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
            Some(Page::Data(data)) => (data, None),
            Some(Page::Cut(data, length)) => {
                shared.pages.lock().unwrap().insert(plain.to_owned(), Page::Data(data.clone()));
                (data, Some(length))
            }
        };
        let start = headers
            .get("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        let body = data.get(start.unwrap_or(0)..).unwrap_or_default();
        match start {
            Some(start) => write!(
                stream,
                "HTTP/1.1 206 X\r\nContent-Range: bytes {start}-{}/{}\r\n",
                data.len() - 1,
                data.len()
            )?,
            None => write!(stream, "HTTP/1.1 200 OK\r\n")?,
        }
        write!(stream, "Content-Length: {}\r\n\r\n", body.len())?;
        stream.write_all(&body[..cut.unwrap_or(body.len()).min(body.len())])?;
        if cut.is_some() {
            return stream.shutdown(std::net::Shutdown::Both);
        }
    }
}
