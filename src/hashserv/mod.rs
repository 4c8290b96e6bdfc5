//! The hash equivalence server and its clients: which tasks gave the same output, asked and told over BitBake's protocol.
//!
//! A task's hash says what went into it. Two tasks whose outputs are equal bear one *unihash*, and what depends on them need not
//! run again. The server keeps this in an SQLite file of BitBake's layout, so that either program can serve the other's file, and
//! speaks protocol `OEHASHEQUIV 1.1` over Unix sockets, TCP and websockets. A wing: it knows no recipe.

mod address;
mod backfill;
mod channel;
mod client;
mod database;
mod equivalence;
mod error;
mod event;
mod listener;
mod permission;
mod request;
mod rows;
mod schema;
mod server;
mod session;
mod stats;
mod stream;
mod token;

pub use address::{Address, BadAddress};
pub use client::{Client, Credentials, Report};
pub use equivalence::{Asked, Equivalence};
pub use error::{ClientError, DatabaseError, ServerError};
pub use event::{Event, Importance, Journal};
pub use permission::{BadPermission, Permission, Permissions};
pub use server::{Options, Server};
pub use token::is_unihash;

/// Name of the protocol.
pub const PROTOCOL: &str = "OEHASHEQUIV";

/// Version of the protocol.
pub const VERSION: &str = "1.1";
