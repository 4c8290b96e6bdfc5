//! Floor 2: the datastore. Names, values, flags, overrides, expansion, references and history; no files, no recipes.
//!
//! A [`Store`] is what recipes call `d` (BitBake manual, chapter "Syntax and Operators").

mod emit;
mod error;
mod expand;
mod history;
mod host;
mod overrides;
mod read;
mod store;
mod value;
mod var;
mod write;

pub use error::{CodeError, DataError, ExpansionError, Foreign};
pub use expand::Parsed;
pub use history::{Event, History, Include, IncludeTree, Origin};
pub use host::{Code, CodeScan, Context, Host, Level};
pub use overrides::Overrides;
pub use read::Read;
pub use store::{Store, WeakStore, renamed_variables};
pub use value::{Nested, Object, Text, Value, repr_str};
pub use var::{Op, OpKind, Var};
pub use write::{Assignment, rename_message};
