//! Floor 6: which tasks a build consists of, their hashes and stamps, and the queue's decisions. Pure: no processes here.

pub mod checksum;
mod csr;
pub mod dot;
pub mod graph;
pub mod hash;
mod loops;
mod prepare;
pub mod queue;
mod rundeps;
pub mod stamp;

pub use graph::{GraphError, GraphRecipe, Task, TaskGraph, TaskId};
pub use hash::{Generator, HashError, TaskHash, TaskHashes, Unihashes};
pub use prepare::{Wanted, prepare};
