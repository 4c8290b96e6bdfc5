//! Images of containers: from a registry to one archive of an image layout, each step by digest.
//!
//! Source: OCI distribution specification 1.1.

mod image;
mod registry;

pub use image::{Request, Resolved, fetch, resolve, tags, verify};
