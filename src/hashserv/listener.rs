//! Where clients knock: a Unix socket, a TCP port, or a TCP port with websockets on it.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};

use super::Address;
use super::channel::{Socket, short_path};
use super::error::ServerError;

/// A socket that is listened at.
pub(super) enum Listener {
    Unix { listener: UnixListener, path: PathBuf },
    Tcp { listener: TcpListener, web: bool },
}

impl Listener {
    /// Begins to listen. With `reuse_port` several servers may share a port, and the system divides the clients among them.
    pub fn bind(address: &Address, reuse_port: bool) -> Result<(Listener, Address), ServerError> {
        let failed = |source| ServerError::Bind { address: address.clone(), source };
        match address {
            Address::Unix(path) => {
                let path = std::path::absolute(path).map_err(failed)?;
                // The socket of a server that was killed is in the way; that of a living one stays.
                if fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket()) {
                    if short_path(&path, |path| UnixStream::connect(path)).is_ok() {
                        return Err(ServerError::InUse(address.clone()));
                    }
                    fs::remove_file(&path).map_err(failed)?;
                }
                let listener = short_path(&path, |path| UnixListener::bind(path)).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let bound = Address::Unix(path.clone());
                Ok((Listener::Unix { listener, path }, bound))
            }
            Address::Tcp { host, port } => {
                let listener = bind_tcp(host, *port, reuse_port).map_err(failed)?;
                let place = listener.local_addr().map_err(failed)?;
                let bound = Address::Tcp { host: place.ip().to_string(), port: place.port() };
                Ok((Listener::Tcp { listener, web: false }, bound))
            }
            Address::Web { secure: true, .. } => {
                let reason = "this server speaks no TLS; put a proxy in front of it and listen at ws://";
                Err(failed(io::Error::new(io::ErrorKind::Unsupported, reason)))
            }
            Address::Web { host, port, .. } => {
                let listener = bind_tcp(host, *port, reuse_port).map_err(failed)?;
                let place = listener.local_addr().map_err(failed)?;
                let (host, port) = (place.ip().to_string(), place.port());
                let bound = Address::Web { secure: false, host, port, path: "/".into() };
                Ok((Listener::Tcp { listener, web: true }, bound))
            }
        }
    }

    /// The next client, if one is waiting.
    pub fn accept(&self) -> io::Result<Option<Socket>> {
        let socket = match self {
            Listener::Unix { listener, .. } => listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(false)?;
                Ok(Socket::Unix(stream))
            }),
            Listener::Tcp { listener, .. } => listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                // Clients whose machines went away are noticed after two minutes.
                setsockopt(&stream, sockopt::KeepAlive, &true)?;
                setsockopt(&stream, sockopt::TcpKeepIdle, &30)?;
                setsockopt(&stream, sockopt::TcpKeepInterval, &15)?;
                setsockopt(&stream, sockopt::TcpKeepCount, &4)?;
                Ok(Socket::Tcp(stream))
            }),
        };
        match socket {
            Ok(socket) => Ok(Some(socket)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether clients begin with a websocket's handshake.
    pub fn is_web(&self) -> bool {
        matches!(self, Listener::Tcp { web: true, .. })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Unix { listener, .. } => listener.as_fd(),
            Listener::Tcp { listener, .. } => listener.as_fd(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix { path, .. } = self {
            // Nobody can be helped if it is gone already.
            let _ = fs::remove_file(path);
        }
    }
}

fn bind_tcp(host: &str, port: u16, reuse_port: bool) -> io::Result<TcpListener> {
    // An IPv6 socket at `::` takes IPv4 clients too; a machine without IPv6 has only the other.
    let places: Vec<SocketAddr> = match host {
        "" => vec![([0u16; 8], port).into(), ([0u8; 4], port).into()],
        host => (host, port).to_socket_addrs()?.collect(),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for place in places {
        match bind_at(place, reuse_port) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_at(place: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let family = if place.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let made = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&made, sockopt::ReuseAddr, &true)?;
    if reuse_port {
        setsockopt(&made, sockopt::ReusePort, &true)?;
    }
    bind(made.as_raw_fd(), &SockaddrStorage::from(place))?;
    listen(&made, Backlog::MAXCONN)?;
    Ok(TcpListener::from(made))
}
