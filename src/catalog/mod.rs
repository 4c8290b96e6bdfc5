//! Which recipe provides what: versions, preferences, priorities, appends.

pub mod extract;
pub mod record;
pub mod versions;
mod virtual_file;

pub use record::RecipeRecord;
pub use virtual_file::VirtualFile;
