//! What can go wrong between a client, a server and its database.

use std::io;

use thiserror::Error;

use super::address::{Address, BadAddress};
use super::permission::Permission;

/// A request to a server failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nothing answers at the address, or it does not speak.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// The server kept silent for longer than the time limit.
    #[error("Timed out waiting for data")]
    Timeout,
    /// The server hung up.
    #[error("Connection closed")]
    Closed,
    /// The connection broke.
    #[error("{0}")]
    Io(io::Error),
    /// What came is no message of the protocol.
    #[error("Bad message {0:?}")]
    Protocol(String),
    /// The server refuses the request, in its words.
    #[error("{0}")]
    Refused(String),
}

impl ClientError {
    /// Whether a new connection may help: the request itself was not refused.
    pub fn is_connection(&self) -> bool {
        !matches!(self, ClientError::Refused(_))
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Timeout,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                ClientError::Closed
            }
            io::ErrorKind::InvalidData => ClientError::Protocol(error.to_string()),
            _ => ClientError::Io(error),
        }
    }
}

/// The database cannot be read or written.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// SQLite says why.
    #[error("hash equivalence database: {0}")]
    Sql(#[from] rusqlite::Error),
    /// A value in a request that no column can hold.
    #[error("{0} must be a text")]
    Unfit(String),
}

/// A server cannot start.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The address makes no sense.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Bind {
        /// Where.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// A server is answering at this socket already.
    #[error("{0} is in use by another server")]
    InUse(Address),
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A read-only server would have to store what its upstream server answers.
    #[error("Read-only hashserv cannot pull from an upstream server")]
    ReadOnlyUpstream,
    /// Nobody who has not said who he is may do this.
    #[error("Permission(s) {0} are not allowed for anonymous users")]
    Anonymous(Permission),
    /// The system gives no thread, socket or random number.
    #[error("cannot start the hash equivalence server: {0}")]
    System(#[from] io::Error),
}
