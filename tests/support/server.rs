//! An HTTP server on the loopback interface that can misbehave in the ways networks do.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Logged {
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends within the body.
    Cut,
    /// The promised length is larger than what comes.
    TooLong,
    /// The promised length is smaller than the file.
    TooShort,
    /// Some bytes are others.
    WrongBytes,
    /// Nothing comes any more.
    Stall,
    /// 503 with `Retry-After`.
    Busy,
    /// 429 with `Retry-After`.
    TooMany,
    /// The connection ends before the answer.
    Refuse,
}

const FAULTS: [Fault; 8] = [
    Fault::Cut,
    Fault::TooLong,
    Fault::TooShort,
    Fault::WrongBytes,
    Fault::Stall,
    Fault::Busy,
    Fault::TooMany,
    Fault::Refuse,
];

/// What a path leads to.
#[derive(Clone, Debug)]
pub enum Page {
    File(Arc<Vec<u8>>),
    /// Status and `Location`.
    Redirect(u16, String),
    Status(u16),
    /// A body without end or length.
    Endless,
}

struct Shared {
    pages: Mutex<HashMap<String, Page>>,
    planned: Mutex<HashMap<String, Vec<Fault>>>,
    log: Mutex<Vec<Logged>>,
    percent: AtomicU64,
    random: AtomicU64,
    faults: AtomicU64,
    connections: AtomicU64,
    password: Mutex<Option<String>>,
    ended: AtomicBool,
}

pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            pages: Mutex::default(),
            planned: Mutex::default(),
            log: Mutex::default(),
            percent: AtomicU64::new(0),
            random: AtomicU64::new(0x9e37_79b9_7f4a_7c15),
            faults: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            password: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let server = Server { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                shared.connections.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || drop(serve(stream.unwrap(), &shared)));
            }
        });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn file(&self, path: &str, data: impl Into<Vec<u8>>) -> String {
        self.page(path, Page::File(Arc::new(data.into())))
    }

    pub fn page(&self, path: &str, page: Page) -> String {
        self.shared.pages.lock().unwrap().insert(path.to_owned(), page);
        self.url(path)
    }

    /// The next requests for `path` go wrong in these ways, one after another.
    pub fn plan(&self, path: &str, faults: &[Fault]) {
        self.shared.planned.lock().unwrap().insert(path.to_owned(), faults.iter().rev().copied().collect());
    }

    /// So many of a hundred requests go wrong in some way.
    pub fn misbehave(&self, percent: u64) {
        self.shared.percent.store(percent, Ordering::Relaxed);
    }

    pub fn demand_password(&self, user_and_password: &str) {
        *self.shared.password.lock().unwrap() = Some(user_and_password.to_owned());
    }

    pub fn log(&self) -> Vec<Logged> {
        self.shared.log.lock().unwrap().clone()
    }

    pub fn faults(&self) -> u64 {
        self.shared.faults.load(Ordering::Relaxed)
    }

    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// The same sequence every time.
    fn next_random(&self) -> u64 {
        let next = |mut state: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^ (state << 17)
        };
        let old = self.random.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| Some(next(state)));
        next(old.unwrap()) >> 16
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        if let Some(planned) = self.planned.lock().unwrap().get_mut(path)
            && let Some(fault) = planned.pop()
        {
            return Some(fault);
        }
        if self.next_random() % 100 >= self.percent.load(Ordering::Relaxed) {
            return None;
        }
        self.faults.fetch_add(1, Ordering::Relaxed);
        FAULTS.get((self.next_random() % FAULTS.len() as u64) as usize).copied()
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
        let mut words = line.split_ascii_whitespace();
        let (method, path) =
            (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
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
        if !answer(&mut stream, shared, &method, &path, &headers)? {
            let _ = stream.shutdown(Shutdown::Both);
            return Ok(());
        }
    }
}

/// Answers one request; whether the connection goes on.
fn answer(
    stream: &mut TcpStream,
    shared: &Shared,
    method: &str,
    path: &str,
    headers: &BTreeMap<String, String>,
) -> std::io::Result<bool> {
    let plain = |stream: &mut TcpStream, status: u16, more: &str| {
        write!(stream, "HTTP/1.1 {status} X\r\n{more}Content-Length: 0\r\n\r\n").map(|()| true)
    };
    // A proxy is asked for whole URLs.
    let path = path.strip_prefix("http://").map_or(path, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
    if let Some(wanted) = &*shared.password.lock().unwrap()
        && headers.get("authorization") != Some(wanted)
    {
        return plain(stream, 401, "");
    }
    let fault = shared.fault(path);
    match fault {
        Some(Fault::Busy) => return plain(stream, 503, "Retry-After: 0\r\n"),
        Some(Fault::TooMany) => return plain(stream, 429, "Retry-After: 0\r\n"),
        Some(Fault::Refuse) => return Ok(false),
        _ => {}
    }
    let page = shared.pages.lock().unwrap().get(path).cloned();
    let data = match page {
        None => return plain(stream, 404, ""),
        Some(Page::Status(status)) => return plain(stream, status, ""),
        Some(Page::Redirect(status, to)) => return plain(stream, status, &format!("Location: {to}\r\n")),
        Some(Page::Endless) => {
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[0; 65536])?;
            }
        }
        Some(Page::File(data)) => data,
    };
    let tag = format!("\"{:x}-{}\"", data.len(), data.first().copied().unwrap_or_default());
    let start = headers
        .get("range")
        .filter(|_| headers.get("if-range").is_none_or(|version| *version == tag))
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
        .unwrap_or(0);
    if start > 0 && start >= data.len() {
        return plain(stream, 416, &format!("Content-Range: bytes */{}\r\n", data.len()));
    }
    let mut body = data[start..].to_vec();
    let length = match fault {
        Some(Fault::TooLong) => body.len() + 1000,
        // Another end each time: the same one twice would be what the server has.
        Some(Fault::TooShort) => (shared.next_random() as usize) % body.len().max(1),
        _ => body.len(),
    };
    if start > 0 {
        write!(
            stream,
            "HTTP/1.1 206 Part\r\nContent-Range: bytes {start}-{}/{}\r\n",
            data.len() - 1,
            data.len()
        )?;
    } else {
        write!(stream, "HTTP/1.1 200 OK\r\n")?;
    }
    write!(stream, "ETag: {tag}\r\nAccept-Ranges: bytes\r\nContent-Length: {length}\r\n\r\n")?;
    if method == "HEAD" {
        return Ok(true);
    }
    match fault {
        Some(Fault::Cut) => {
            stream.write_all(&body[..body.len() * 2 / 3])?;
            return Ok(false);
        }
        Some(Fault::Stall) => {
            stream.write_all(&body[..body.len() / 3])?;
            stream.flush()?;
            std::thread::sleep(Duration::from_secs(3));
            return Ok(false);
        }
        Some(Fault::WrongBytes) => {
            let at = (shared.next_random() as usize) % body.len().max(1);
            if let Some(byte) = body.get_mut(at) {
                *byte ^= 0x55;
            }
        }
        _ => {}
    }
    stream.write_all(&body[..length.min(body.len())])?;
    Ok(length == body.len())
}
