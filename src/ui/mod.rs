//! How the program talks: messages, progress and the last words. The floor below sends data, this one prints.

pub mod console;
pub mod diagnostic;
pub mod fancy;
pub mod interrupt;
pub mod lend;
pub mod plain;
pub mod progress;
pub mod summary;
pub mod terminal;

pub use console::{Console, ConsoleOptions};
pub use diagnostic::Style;
pub use progress::Progress;
pub use summary::Summary;
