//! One end of a conversation: lines and JSON messages over a stream, or over a websocket.
//!
//! What is said is kept until the next answer has to be waited for, so that many questions and answers share one system call.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use tungstenite::{Message, WebSocket};

use super::address::Address;
use super::error::ClientError;

/// Messages of this many bytes or more are sent in several lines: BitBake reads no longer ones.
const CHUNK: usize = 32 * 1024 - 1;

/// The longest line that is taken, in bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// The longest message that is taken, in bytes.
const LONGEST_MESSAGE: usize = 64 << 20;

/// A connected socket.
pub(super) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Socket {
    /// Connects to a server; `limit` applies to the connecting and to each later wait for the server.
    pub fn connect(address: &Address, limit: Duration) -> Result<Socket, ClientError> {
        let failed = |source| ClientError::Connect { address: address.clone(), source };
        match address {
            Address::Unix(path) => {
                let stream = short_path(path, |path| UnixStream::connect(path)).map_err(failed)?;
                stream.set_read_timeout(Some(limit)).map_err(failed)?;
                stream.set_write_timeout(Some(limit)).map_err(failed)?;
                Ok(Socket::Unix(stream))
            }
            Address::Tcp { host, port } => Ok(Socket::Tcp(connect_tcp(host, *port, limit).map_err(failed)?)),
            Address::Web { secure, host, port, .. } => {
                let stream = connect_tcp(host, *port, limit).map_err(failed)?;
                if !secure {
                    return Ok(Socket::Tcp(stream));
                }
                let name = ServerName::try_from(host.clone())
                    .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
                let session = ClientConnection::new(Arc::new(trust()), name)
                    .map_err(|error| failed(io::Error::other(error)))?;
                Ok(Socket::Secure(Box::new(StreamOwned::new(session, stream))))
            }
        }
    }

    /// Sets the time limit for each wait, or lifts it.
    pub fn set_limit(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Socket::Unix(stream) => stream.set_read_timeout(limit),
            Socket::Tcp(stream) => stream.set_read_timeout(limit),
            Socket::Secure(stream) => stream.sock.set_read_timeout(limit),
        }
    }

    /// Another handle, with which a conversation can be ended from outside.
    pub fn handle(&self) -> io::Result<Handle> {
        match self {
            Socket::Unix(stream) => Ok(Handle::Unix(stream.try_clone()?)),
            Socket::Tcp(stream) => Ok(Handle::Tcp(stream.try_clone()?)),
            Socket::Secure(stream) => Ok(Handle::Tcp(stream.sock.try_clone()?)),
        }
    }
}

/// Ends a conversation that another thread is waiting in.
pub(super) enum Handle {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Handle {
    /// Hangs up. A connection that is gone already is as good.
    pub fn hang_up(&self) {
        let _ = match self {
            Handle::Unix(stream) => stream.shutdown(Shutdown::Both),
            Handle::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    /// Lets the conversation wait as long as it likes: the limit belongs to the socket, not to the handle.
    pub fn lift_limit(&self) -> io::Result<()> {
        match self {
            Handle::Unix(stream) => stream.set_read_timeout(None),
            Handle::Tcp(stream) => stream.set_read_timeout(None),
        }
    }
}

fn connect_tcp(host: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let host = if host.is_empty() { "localhost" } else { host };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for place in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&place, limit) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(limit))?;
                stream.set_write_timeout(Some(limit))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The certificates that this machine trusts; SSL_CERT_FILE and SSL_CERT_DIR name others.
fn trust() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::DEFAULT_VERSIONS;
    match ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions) {
        Ok(builder) => builder,
        // Every provider serves the default versions; should one not, its own choice is taken.
        Err(_) => return ClientConfig::builder().with_root_certificates(roots).with_no_client_auth(),
    }
    .with_root_certificates(roots)
    .with_no_client_auth()
}

/// Does something with a socket's path that may be longer than the 107 bytes a socket address holds.
///
/// The directory is opened, and the socket named through it, so that the working directory need not change: other threads live in it.
pub(super) fn short_path<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() < 100 {
        return act(path);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let directory = File::open(parent)?;
    act(&PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name))
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => stream.read(buffer),
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => stream.write(bytes),
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Unix(stream) => stream.flush(),
            Socket::Tcp(stream) => stream.flush(),
            Socket::Secure(stream) => stream.flush(),
        }
    }
}

/// A conversation.
pub(super) enum Channel {
    /// Lines on a stream.
    Lines {
        /// What is read.
        reader: BufReader<Socket>,
        /// What has been said but not sent.
        unsent: Vec<u8>,
    },
    /// Messages of a websocket.
    Web(Box<WebSocket<Socket>>),
}

impl Channel {
    /// Begins to talk over a plain stream.
    pub fn lines(socket: Socket) -> Channel {
        Channel::Lines { reader: BufReader::with_capacity(64 * 1024, socket), unsent: Vec::new() }
    }

    /// Takes a client's websocket handshake.
    pub fn accept_web(socket: Socket) -> io::Result<Channel> {
        match tungstenite::accept(socket) {
            Ok(web) => Ok(Channel::Web(Box::new(web))),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string())),
        }
    }

    /// Connects and, for a websocket, shakes hands.
    pub fn connect(address: &Address, limit: Duration) -> Result<Channel, ClientError> {
        let socket = Socket::connect(address, limit)?;
        if !matches!(address, Address::Web { .. }) {
            return Ok(Channel::lines(socket));
        }
        match tungstenite::client(address.to_string(), socket) {
            Ok((web, _)) => Ok(Channel::Web(Box::new(web))),
            Err(error) => Err(ClientError::Connect {
                address: address.clone(),
                source: io::Error::other(error.to_string()),
            }),
        }
    }

    /// Says a line.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        match self {
            Channel::Lines { reader, unsent } => {
                unsent.extend_from_slice(line.as_bytes());
                unsent.push(b'\n');
                // Nobody is helped by answers that pile up here.
                if unsent.len() >= 64 * 1024 { send(reader.get_mut(), unsent) } else { Ok(()) }
            }
            Channel::Web(web) => web.write(Message::text(line)).map_err(web_error),
        }
    }

    /// Says a message.
    pub fn say_message(&mut self, message: &Value) -> io::Result<()> {
        let text = message.to_string();
        if matches!(self, Channel::Web(_)) || text.len() < CHUNK {
            return self.say(&text);
        }
        self.say(r#"{"chunk-stream": null}"#)?;
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(cut(rest));
            self.say(chunk)?;
            rest = after;
        }
        self.say("")
    }

    /// Sends what was said.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Channel::Lines { reader, unsent } => send(reader.get_mut(), unsent),
            Channel::Web(web) => web.flush().map_err(web_error),
        }
    }

    /// The next line without its end; `None` when the other side has hung up.
    pub fn hear(&mut self) -> io::Result<Option<String>> {
        match self {
            Channel::Lines { reader, unsent } => {
                if !reader.buffer().contains(&b'\n') {
                    send(reader.get_mut(), unsent)?;
                }
                let mut line = Vec::new();
                reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
                if line.is_empty() {
                    return Ok(None);
                }
                if line.pop() != Some(b'\n') {
                    return Err(invalid("a line without an end"));
                }
                let line = String::from_utf8(line).map_err(|_| invalid("a line that is no UTF-8"))?;
                Ok(Some(line))
            }
            Channel::Web(web) => loop {
                web.flush().map_err(web_error)?;
                match web.read() {
                    Ok(Message::Text(text)) => return Ok(Some(text.to_string())),
                    Ok(Message::Close(_)) => return Ok(None),
                    Ok(Message::Binary(_)) => return Err(invalid("a message that is no text")),
                    Ok(_) => {}
                    Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => {
                        return Ok(None);
                    }
                    Err(error) => return Err(web_error(error)),
                }
            },
        }
    }

    /// The next message.
    pub fn hear_message(&mut self) -> io::Result<Option<Value>> {
        let Some(line) = self.hear()? else { return Ok(None) };
        let message: Value = serde_json::from_str(&line).map_err(|_| invalid("a line that is no JSON"))?;
        if message.get("chunk-stream").is_none() {
            return Ok(Some(message));
        }
        let mut text = String::new();
        loop {
            match self.hear()? {
                None => return Ok(None),
                Some(line) if line.is_empty() => break,
                Some(line) => text.push_str(&line),
            }
            if text.len() > LONGEST_MESSAGE {
                return Err(invalid("a message that is too long"));
            }
        }
        serde_json::from_str(&text).map(Some).map_err(|_| invalid("a message in chunks that is no JSON"))
    }
}

fn send(socket: &mut Socket, unsent: &mut Vec<u8>) -> io::Result<()> {
    if unsent.is_empty() {
        return Ok(());
    }
    let result = socket.write_all(unsent).and_then(|()| socket.flush());
    unsent.clear();
    result
}

/// How much of a text goes into one line. BitBake strips the end of each line it reads, so none may end in a blank.
fn cut(text: &str) -> usize {
    if text.len() <= CHUNK {
        return text.len();
    }
    let ends = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= CHUNK);
    let fit = |at: &usize| !text.get(..*at).is_some_and(|head| head.ends_with(char::is_whitespace));
    let ends: Vec<usize> = ends.skip(1).collect();
    ends.iter().rev().find(|at| fit(at)).or(ends.last()).copied().unwrap_or(text.len())
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn web_error(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
            io::ErrorKind::UnexpectedEof.into()
        }
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Channel, Channel) {
        let (a, b) = UnixStream::pair().unwrap();
        (Channel::lines(Socket::Unix(a)), Channel::lines(Socket::Unix(b)))
    }

    fn through(message: &Value) -> Value {
        let (mut one, mut other) = pair();
        let copy = message.clone();
        let speaker = std::thread::spawn(move || {
            one.say_message(&copy).unwrap();
            one.flush().unwrap();
        });
        let heard = other.hear_message().unwrap().unwrap();
        speaker.join().unwrap();
        heard
    }

    #[test]
    fn messages_of_every_length_arrive_whole() {
        for length in [0, 1, CHUNK - 3, CHUNK - 2, CHUNK - 1, CHUNK, 5 * CHUNK] {
            let message = Value::String("é".repeat(length));
            assert_eq!(through(&message), message, "{length}");
        }
    }

    #[test]
    fn no_line_of_a_long_message_ends_in_a_blank() {
        let (mut one, mut other) = pair();
        let message = Value::String("word ".repeat(30_000));
        let copy = message.clone();
        let speaker = std::thread::spawn(move || {
            one.say_message(&copy).unwrap();
            one.flush().unwrap();
        });
        assert_eq!(other.hear().unwrap().unwrap(), r#"{"chunk-stream": null}"#);
        let mut text = String::new();
        loop {
            let line = other.hear().unwrap().unwrap();
            if line.is_empty() {
                break;
            }
            assert!(line.len() <= CHUNK && line.trim_end() == line);
            text += &line;
        }
        speaker.join().unwrap();
        assert_eq!(text, message.to_string());
    }

    #[test]
    fn long_paths_of_sockets_work() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("socket");
        let listener = short_path(&path, |path| std::os::unix::net::UnixListener::bind(path)).unwrap();
        assert!(path.exists());
        assert!(Socket::connect(&Address::Unix(path), Duration::from_secs(1)).is_ok());
        drop(listener);
    }
}
