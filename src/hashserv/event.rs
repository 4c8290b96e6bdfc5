//! What a server tells the one who runs it.

use std::fmt;
use std::sync::Arc;

/// How much an event matters, in the order of a log's levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// For who looks for a fault in the server.
    Debug,
    /// The ordinary course of things.
    Info,
    /// Something is not as it should be; the server goes on.
    Warning,
    /// A client's connection had to be given up.
    Error,
}

/// Something that happened in a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client has connected.
    Connected {
        /// Its number.
        client: u64,
    },
    /// A client's connection has ended.
    Disconnected {
        /// Its number.
        client: u64,
    },
    /// A client sent what is no request, or a request failed inside; its connection was closed.
    Failed {
        /// Its number.
        client: u64,
        /// What happened.
        reason: String,
    },
    /// A client asked for what it may not do.
    Denied {
        /// Its number.
        client: u64,
        /// What it was told.
        reason: String,
    },
    /// A client has shown who it is.
    Authenticated {
        /// Its number.
        client: u64,
        /// The user.
        user: String,
    },
    /// A client takes another user's place.
    Became {
        /// Its number.
        client: u64,
        /// The user.
        user: String,
    },
    /// The upstream server does not answer; its hashes count as unknown.
    UpstreamFailed(String),
    /// The upstream server answered with something that is no hash.
    UpstreamInvalid,
    /// The account named on the command line is ready.
    AdminReady(String),
    /// A database of an older layout was brought up to date.
    Upgraded,
    /// No further connection can be taken for the moment.
    AcceptFailed(String),
}

impl Event {
    /// How much it matters.
    pub fn importance(&self) -> Importance {
        match self {
            Event::Disconnected { .. } => Importance::Debug,
            Event::Failed { .. } | Event::AcceptFailed(_) => Importance::Error,
            Event::UpstreamFailed(_) | Event::UpstreamInvalid => Importance::Warning,
            _ => Importance::Info,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Connected { client } => write!(out, "[Client {client}] connected"),
            Event::Disconnected { client } => write!(out, "[Client {client}] disconnected"),
            Event::Failed { client, reason } => write!(out, "[Client {client}] {reason}"),
            Event::Denied { client, reason } => write!(out, "[Client {client}] denied: {reason}"),
            Event::Authenticated { client, user } => write!(out, "[Client {client}] Authenticated as {user}"),
            Event::Became { client, user } => write!(out, "[Client {client}] Became user {user}"),
            Event::UpstreamFailed(reason) => write!(out, "The upstream server does not answer: {reason}"),
            Event::UpstreamInvalid => out.write_str("Upstream server returned invalid unihash"),
            Event::AdminReady(user) => write!(out, "The account of '{user}' is ready"),
            Event::Upgraded => out.write_str("The database was brought to the present layout"),
            Event::AcceptFailed(reason) => write!(out, "cannot take a connection: {reason}"),
        }
    }
}

/// Where a server's events go; called from the server's threads.
pub type Journal = Arc<dyn Fn(&Event) + Send + Sync>;
