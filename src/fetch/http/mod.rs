//! Files from HTTP servers: one client with one pool of connections, and transfers that survive bad networks.

mod client;
mod proxy;
mod tls;
mod transfer;

pub use client::{Client, Credentials, Request, Response};
pub use proxy::Proxies;
pub use transfer::{Download, Limits, Transfer, Wanted};
