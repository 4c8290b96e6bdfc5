//! The Python scanner: which variables, functions and `contains` checks a piece of Python refers to.
//!
//! What is found, and what is overlooked, becomes part of the task hashes, so the scanner sees exactly what BitBake's does
//! (BitBake manual, section "Python Functions" and the variable flags `vardeps`, `vardepsexclude`).

mod constant;
mod error;
mod outline;
mod scan;
mod syntax;
mod tokens;
mod walk;

pub use error::{PythonSyntaxError, ScanError};
pub use outline::{Definition, outline};
pub(crate) use scan::is_py_space;
pub use scan::{
    HookError, HookResult, Literal, NoHooks, PythonScan, ScanHooks, Unhandled, scan, scan_expression,
};
pub use syntax::PythonVersion;
pub(crate) use syntax::{parse_expression, parse_module};

#[cfg(test)]
mod tests;
