//! Floor 4: statements to finished recipes. Files, includes, classes, layers, variants and the parse cache.

pub mod basehash;
mod config;
mod depends;
mod evaluate;
mod events;
mod finalise;
mod fragments;
mod inherit;
mod lint;
pub mod names;
mod read;
mod run;
pub mod scanners;
mod sign;
pub mod signatures;
mod tasks;

pub use config::{Configuration, Request, find_config, read_configuration};
pub use depends::{FileDepends, Stamp, recorded};
pub use evaluate::{Mode, handle};
pub use finalise::{StoredTable, finalise, virtual_name};
pub use lint::{LintFacts, Linter, Suspect, SuspectKind};
pub use read::{RecipeFile, read_recipe};
pub use run::{Run, absolute, dirname, io_error, join, stamp_of};
pub use sign::Signed;
pub use signatures::hex;
pub use tasks::{TABLE_FLAGS, TaskTable, add_task, delete_task, task_table};
