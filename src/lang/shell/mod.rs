//! The shell scanner: which commands a piece of shell text calls.
//!
//! The commands decide which other functions a task depends on, and so its hash. Therefore the scanner finds what
//! BitBake's finds, including what that one overlooks: redirection targets, here-documents and `${x:-$(cmd)}` are not
//! scanned, a word beginning with `$` is no command, and only the first words of a command are looked at. The grammar
//! is POSIX sh without arithmetic; what it refuses is listed in `diagnosis`.

mod diagnosis;
mod error;
mod lexer;
mod parser;
mod reference;
mod scanner;
mod token;
mod unexpected;
mod word;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use error::{ShellErrorKind, ShellSyntaxError};

/// What a piece of shell text calls and defines. Names are as written, quotes included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellScan {
    /// The commands called, without the functions defined in the same text.
    pub execs: BTreeSet<String>,
    /// The commands called.
    pub all_execs: BTreeSet<String>,
    /// The functions defined.
    pub funcdefs: BTreeSet<String>,
}

/// Finds the commands that `code` calls, in all control structures, function bodies and command substitutions, and in
/// the arguments of `eval`. `code` is shell text after BitBake's expansion.
///
/// Takes time in proportion to the text's length and stack in proportion to nothing: compound commands may nest 250
/// deep, substitutions 150, beyond that the text is refused.
///
/// # Errors
/// Text that BitBake's grammar does not accept, with its place and what to write instead.
pub fn scan(code: &str) -> Result<ShellScan, ShellSyntaxError> {
    scanner::scan(code)
}
