//! Processes that read metadata, and talking to them.
//!
//! The program itself owns the terminal and the caches. What evaluates metadata is a *host*: `python3` with the engine loaded, or the
//! program once more where no Python is needed. The host reads the configuration and then only forks; each *parse worker* forked from
//! it reads recipes and answers with records. All of them are single-threaded.

mod cache;
mod channel;
mod client;
mod dump;
mod lint;
mod metadata;
mod project;
mod protocol;
mod serve;

pub use cache::{Hash, ParseCache, fingerprint};
pub use channel::{Channel, SOCKETS};
pub use client::{Client, HostError, Kind, ask, find_python_side};
pub use lint::{Finding, lint};
pub use metadata::{LoadError, Metadata, Summary, Tree, World, find_files, load};
pub use project::{Listener, Parsed, Project, Settings, Starter, Wanted};
pub use protocol::{Answer, ConfigRecord, Failure, Message, Question, Role, Said, Variable};
pub use serve::{Duty, Fork, Roles, fork_plain, plain_run, send_message, serve, set_sink};
