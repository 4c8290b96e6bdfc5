//! A server: a thread that takes connections and one for each client.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Address;
use super::backfill::Backfill;
use super::channel::{Channel, Handle, Socket};
use super::database::Database;
use super::error::ServerError;
use super::event::{Event, Journal};
use super::listener::Listener;
use super::permission::{Permission, Permissions};
use super::session::{Session, Shared, greeting_limit};
use super::token;

/// What a server is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 lets the system choose one.
    pub address: Address,
    /// The database's file, made if need be.
    pub database: PathBuf,
    /// Whether what was answered survives a sudden end of the machine.
    pub durable: bool,
    /// A server to ask for what this one does not know.
    pub upstream: Option<Address>,
    /// Whether nothing may be changed by clients.
    pub read_only: bool,
    /// What clients may do that have not said who they are.
    pub anonymous: Permissions,
    /// An account with all permissions to make, or to give this token.
    pub admin: Option<(String, String)>,
    /// Whether other servers may listen at the same port.
    pub reuse_port: bool,
}

impl Options {
    /// A server as BitBake's is by default.
    pub fn new(address: Address, database: impl Into<PathBuf>) -> Options {
        Options {
            address,
            database: database.into(),
            durable: true,
            upstream: None,
            read_only: false,
            anonymous: Permissions::anonymous_default(),
            admin: None,
            reuse_port: false,
        }
    }
}

/// A running server. It ends when it is dropped.
pub struct Server {
    address: Address,
    shared: Arc<Shared>,
    wake: UnixStream,
    threads: Vec<JoinHandle<()>>,
}

/// The conversations that are going on.
type Clients = Arc<Mutex<HashMap<u64, Handle>>>;

impl Server {
    /// Opens the database, begins to listen and serves clients on threads of its own.
    ///
    /// # Errors
    ///
    /// The database or the address cannot be had, or the options do not go together.
    pub fn start(options: Options, journal: Journal) -> Result<Server, ServerError> {
        if options.read_only && options.upstream.is_some() {
            return Err(ServerError::ReadOnlyUpstream);
        }
        if let Some(permission) = options.anonymous.unfit_for_anonymous() {
            return Err(ServerError::Anonymous(permission));
        }
        let (database, upgraded) = Database::open(&options.database, options.durable)?;
        if upgraded {
            journal(&Event::Upgraded);
        }
        if let Some((name, password)) = &options.admin {
            let sealed = token::seal(password)?;
            let all: Permissions = [Permission::All].into_iter().collect();
            if !database.add_user(name, &all, &sealed)? {
                database.set_permissions(name, &all)?;
                database.set_token(name, &sealed)?;
            }
            journal(&Event::AdminReady(name.clone()));
        }
        let (listener, address) = Listener::bind(&options.address, options.reuse_port)?;
        let shared = Arc::new(Shared {
            database,
            anonymous: options.anonymous,
            read_only: options.read_only,
            upstream: options.upstream.clone(),
            backfill: Backfill::default(),
            stats: Mutex::default(),
            tokens: Mutex::default(),
            journal,
        });
        let (wake, woken) = UnixStream::pair()?;
        let mut server = Server { address, shared: shared.clone(), wake, threads: Vec::new() };
        if let Some(upstream) = options.upstream {
            let shared = shared.clone();
            server.threads.push(named("hashserv-fill", move || shared.backfill.run(&shared, upstream))?);
        }
        server.threads.push(named("hashserv", move || accept_clients(&listener, woken, &shared))?);
        Ok(server)
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Hangs up on all clients and ends.
    pub fn stop(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server whose thread is gone needs no waking.
        let _ = self.wake.write_all(b".");
        self.shared.backfill.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn named(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_string()).spawn(work)
}

/// Takes connections until woken, then ends them all.
fn accept_clients(listener: &Listener, mut woken: UnixStream, shared: &Arc<Shared>) {
    let clients = Clients::default();
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut number = 0;
    loop {
        let mut ready =
            [PollFd::new(listener.as_fd(), PollFlags::POLLIN), PollFd::new(woken.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => {
                shared.note(&Event::AcceptFailed(error.to_string()));
                break;
            }
        }
        if ready[1].any().unwrap_or(true) {
            let _ = woken.read(&mut [0]);
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        let accepted = listener.accept().and_then(|socket| match socket {
            Some(socket) => {
                number += 1;
                begin(socket, listener.is_web(), number, shared, &clients).map(Some)
            }
            None => Ok(None),
        });
        match accepted {
            Ok(thread) => threads.extend(thread),
            Err(error) => {
                shared.note(&Event::AcceptFailed(error.to_string()));
                // Out of descriptors or threads: some will be free again.
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
    for handle in clients.lock().unwrap_or_else(PoisonError::into_inner).values() {
        handle.hang_up();
    }
    for thread in threads {
        let _ = thread.join();
    }
}

fn begin(
    socket: Socket,
    web: bool,
    number: u64,
    shared: &Arc<Shared>,
    clients: &Clients,
) -> io::Result<JoinHandle<()>> {
    clients.lock().unwrap_or_else(PoisonError::into_inner).insert(number, socket.handle()?);
    let (own_shared, own_clients) = (shared.clone(), clients.clone());
    let thread = named(&format!("hashserv-{number}"), move || {
        talk(socket, web, number, &own_shared, &own_clients);
        own_clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    });
    if thread.is_err() {
        clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }
    thread
}

fn talk(socket: Socket, web: bool, number: u64, shared: &Arc<Shared>, clients: &Clients) {
    let limited = socket.set_limit(Some(greeting_limit()));
    let channel =
        limited.and_then(|()| if web { Channel::accept_web(socket) } else { Ok(Channel::lines(socket)) });
    match channel {
        Ok(mut channel) => {
            let lift = || match clients.lock().unwrap_or_else(PoisonError::into_inner).get(&number) {
                Some(handle) => handle.lift_limit(),
                None => Ok(()),
            };
            Session::new(shared.clone(), number).serve(&mut channel, lift);
            // The client may have left already.
            let _ = channel.flush();
        }
        Err(error) => shared.note(&Event::Failed { client: number, reason: error.to_string() }),
    }
}
