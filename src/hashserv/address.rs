//! Where a server is: `unix://PATH`, `HOST:PORT`, `ws://HOST[:PORT]` or `wss://HOST[:PORT]`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A plain TCP socket.
    Tcp {
        /// Name or number, without the brackets of an IPv6 one; empty for all of this machine.
        host: String,
        /// Port; 0 lets the system choose one.
        port: u16,
    },
    /// A websocket.
    Web {
        /// Whether the connection is encrypted (`wss:`).
        secure: bool,
        /// Name or number.
        host: String,
        /// Port.
        port: u16,
        /// Path on the host, with its slash in front.
        path: String,
    },
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is no address of a hash equivalence server; it is written unix://PATH, HOST:PORT, ws://HOST:PORT or wss://HOST:PORT"
)]
pub struct BadAddress(pub String);

impl Address {
    /// Whether it leads to this machine through the file system.
    pub fn is_unix(&self) -> bool {
        matches!(self, Address::Unix(_))
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.to_string());
        if let Some(path) = text.strip_prefix("unix://") {
            return if path.is_empty() { Err(bad()) } else { Ok(Address::Unix(PathBuf::from(path))) };
        }
        let web = [("ws://", false, 80), ("wss://", true, 443)];
        for (prefix, secure, default_port) in web {
            if let Some(rest) = text.strip_prefix(prefix) {
                let (place, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
                let (host, port) = host_and_port(place, Some(default_port)).ok_or_else(bad)?;
                return Ok(Address::Web { secure, host, port, path: path.to_string() });
            }
        }
        let (host, port) = host_and_port(text, None).ok_or_else(bad)?;
        Ok(Address::Tcp { host, port })
    }
}

fn host_and_port(text: &str, default_port: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            if rest.is_empty() { (host, None) } else { (host, Some(rest.strip_prefix(':')?)) }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok()?,
        None => default_port?,
    };
    Some((host.to_string(), port))
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host_port = |host: &str, port: u16| {
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        };
        match self {
            Address::Unix(path) => write!(out, "unix://{}", path.display()),
            Address::Tcp { host, port } => out.write_str(&host_port(host, *port)),
            Address::Web { secure, host, port, path } => {
                let path = if path == "/" { "" } else { path };
                write!(out, "{}://{}{path}", if *secure { "wss" } else { "ws" }, host_port(host, *port))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_bitbake_reads_them() {
        let tcp = |host: &str, port| Address::Tcp { host: host.into(), port };
        let web = |secure, host: &str, port, path: &str| Address::Web {
            secure,
            host: host.into(),
            port,
            path: path.into(),
        };
        let cases = [
            ("unix:///a/b.sock", Some(Address::Unix("/a/b.sock".into()))),
            ("unix://./hashserve.sock", Some(Address::Unix("./hashserve.sock".into()))),
            ("localhost:8686", Some(tcp("localhost", 8686))),
            (":8686", Some(tcp("", 8686))),
            ("[::1]:8686", Some(tcp("::1", 8686))),
            ("ws://localhost:8686/path", Some(web(false, "localhost", 8686, "/path"))),
            ("wss://host.example/ws", Some(web(true, "host.example", 443, "/ws"))),
            ("ws://[::1]", Some(web(false, "::1", 80, "/"))),
            ("localhost", None),
            ("localhost:port", None),
            ("a:b:1", None),
            ("localhost:99999", None),
            ("[::1", None),
            ("unix://", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Address>().ok(), expected, "{text}");
        }
    }

    #[test]
    fn an_address_reads_back() {
        for text in ["unix:///a/b.sock", "localhost:1", "[::1]:2", "ws://a:3/x", "wss://[::1]:4"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }
}
