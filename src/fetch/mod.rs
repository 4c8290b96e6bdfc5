//! Fetching what recipes are built from, and unpacking it. Plain values in, files and typed errors out.
//!
//! Source: BitBake manual, chapter "File Download Support".

pub mod apt;
mod checksum;
mod error;
mod event;
mod http;
mod lock;
mod mirror;
mod network;
pub mod oci;
mod pool;
pub mod rpm;
mod scheme;
mod session;
mod stamp;
mod unpack;
mod url;

pub use checksum::{Checksums, Stated, Strict};
pub use error::FetchError;
pub use event::{FetchEvent, Listener};
pub use http::{Client, Credentials, Download, Limits, Proxies, Request, Response, Transfer, Wanted};
pub use lock::LockFile;
pub use mirror::{LocalFile, Rule, candidates, rules};
pub use network::Network;
pub use pool::{Partial, Pool};
pub use scheme::{Scheme, download_name, local_file, repository_name};
pub use session::{Job, Session};
pub use stamp::{StampSums, read_stamp, write_stamp};
pub use unpack::{
    Destination, Extract, Limits as UnpackLimits, Modes, Options as UnpackOptions, extract, unpack,
    unpack_image, unpack_source,
};
pub use url::{Decoded, Params, Url, quote, redact, unquote};
