//! Which recipe provides what: versions, preferences, priorities, appends.

pub mod record;
mod virtual_file;

pub use record::RecipeRecord;
pub use virtual_file::VirtualFile;
