//! What can be wrong with a piece of Python: it is not Python, or scanning it would have raised.

use thiserror::Error;

/// A syntax error, in CPython's words where they are known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{class}: {message}")]
pub struct PythonSyntaxError {
    /// `SyntaxError`, or the subclass or other exception that CPython raises: `IndentationError`, `TabError`,
    /// `RecursionError`.
    pub class: &'static str,
    /// CPython's message, for example `invalid syntax`.
    pub message: String,
    /// 1-based line within the scanned text.
    pub line: usize,
    /// 1-based column, counted in characters.
    pub column: usize,
    /// The line that has the error, without its end.
    pub text: String,
}

impl PythonSyntaxError {
    /// Whether a string literal lacks its end. BitBake leaves an inline expression with this error as it is
    /// and raises all others.
    pub fn is_unterminated_string(&self) -> bool {
        self.message.starts_with("unterminated string literal")
    }
}

/// Why a scan gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScanError {
    /// The text is not Python.
    #[error(transparent)]
    Syntax(#[from] PythonSyntaxError),
    /// A call that BitBake's scanner trips over, such as `d.getVar(var="X")`: its arguments are not where the scanner
    /// looks for them. BitBake fails to parse such a recipe.
    #[error("{class}: {message}")]
    Call {
        /// Name of the Python exception, for example `IndexError`.
        class: &'static str,
        /// Text of the Python exception.
        message: String,
        /// Dotted name of the function that is called.
        function: String,
        /// 1-based line of the call within the scanned text.
        line: usize,
    },
}
