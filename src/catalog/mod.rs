//! Which recipe provides what: versions, preferences, priorities, appends.
//!
//! The way through: [`files`] finds the recipes and their appends in the layers, parsing turns each into a
//! [`RecipeRecord`], [`Catalog`] indexes the records, [`targets`] reads what the user wants, and [`Resolver`] follows it
//! to everything that has to be built.

mod close_matches;
pub mod deps;
pub mod extract;
pub mod files;
mod index;
mod items;
pub mod layers;
pub mod message;
pub mod preferences;
mod providers;
pub mod record;
mod resolve_error;
mod resolver;
mod show_versions;
pub mod targets;
pub mod tree;
pub mod versions;
mod virtual_file;
mod world;

pub use close_matches::close_matches;
pub use files::{Append, DanglingAppends, FilesMessage, RecipeFiles};
pub use index::{Catalog, RecipeId};
pub use layers::{Layer, LayerError, Layers};
pub use message::Message;
pub use preferences::{Assumed, Preferences, PreferredProviders};
pub use providers::{BestVersion, Eligible};
pub use record::RecipeRecord;
pub use resolve_error::{MalformedDependency, ResolveError};
pub use resolver::{ExtraDepends, ResolvePolicy, Resolver, skip_reasons};
pub use show_versions::{RequiredVersionMissing, VersionRow, version_rows};
pub use targets::ResolvedTarget;
pub use tree::{OsTree, Tree};
pub use virtual_file::VirtualFile;
