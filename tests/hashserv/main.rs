//! The hash equivalence server, asked over its protocol.

mod accounts;
mod failures;
mod garbage;
mod hashes;
mod support;
mod wire;
