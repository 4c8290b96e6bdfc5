//! Shared state: results of tasks packed into archives by hash, to be restored instead of made again.
//!
//! A wing: it takes files, folders and numbers, and knows no recipe. The class `sstate` of meta-core uses it through
//! `rbake-sstate`; file names and layout are those of BitBake's metadata, so that a cache can be shared.

mod error;
mod member;
mod name;
mod pack;
mod prune;
mod restore;

pub use error::{SstateError, Unsafe};
pub use name::{Extension, object_name};
pub use pack::{Packed, pack};
pub use prune::{Limits, Pruned, prune};
pub use restore::{Limit, check, restore};
