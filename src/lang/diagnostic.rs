//! What can be said about a place in the metadata: severity, message, position, advice. Plain data; `ui` renders it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How grave a message is, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// For whoever debugs the engine; shown with `-D`.
    Debug,
    /// Shown as a note with `-v`.
    Verbose,
    /// Progress a user wants to see.
    Note,
    /// The answer to what was asked; never prefixed.
    Plain,
    /// Something to look at; the build goes on and may succeed.
    Warning,
    /// The run's exit code will not be zero.
    Error,
}

impl Severity {
    /// The word BitBake prints before the colon, "" for plain output.
    pub fn label(self) -> &'static str {
        match self {
            Severity::Debug => "DEBUG",
            Severity::Verbose | Severity::Note => "NOTE",
            Severity::Plain => "",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        }
    }
}

/// A message about a place in the metadata. It crosses process boundaries, from where recipes are parsed to the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// Class of the message in BitBake's words, such as `ParseError` or `ExpansionError`.
    pub kind: Cow<'static, str>,
    /// One sentence, without position.
    pub message: String,
    /// Path of the file, "" if the message is about none.
    pub file: String,
    /// Line, counted from 1; 0 if it is about the whole file.
    pub line: usize,
    /// First column meant, counted in characters from 1.
    pub column: Option<usize>,
    /// How many characters are meant, from `column` on.
    pub length: Option<usize>,
    /// The text of the line. Where it is missing, whoever renders the message reads it from `file`.
    pub source: Option<String>,
    /// Facts that explain the message.
    pub notes: Vec<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// The words BitBake uses for the same thing, where tools look for them; without its `ERROR: `.
    pub bitbake_text: Option<String>,
}

impl Diagnostic {
    /// An error of `kind` at a line.
    pub fn error(
        kind: &'static str,
        message: impl Into<String>,
        file: impl Into<String>,
        line: usize,
    ) -> Self {
        Diagnostic {
            severity: Severity::Error,
            kind: kind.into(),
            message: message.into(),
            file: file.into(),
            line,
            column: None,
            length: None,
            source: None,
            notes: Vec::new(),
            help: None,
            bitbake_text: None,
        }
    }

    /// A warning of `kind` at a line.
    pub fn warning(
        kind: &'static str,
        message: impl Into<String>,
        file: impl Into<String>,
        line: usize,
    ) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(kind, message, file, line) }
    }

    /// The characters meant: `length` of them from `column`, both counted in characters, the column from 1.
    #[must_use]
    pub fn at(mut self, column: usize, length: usize) -> Self {
        self.column = Some(column);
        self.length = Some(length);
        self
    }

    /// The text of the line.
    #[must_use]
    pub fn source(mut self, line: impl Into<String>) -> Self {
        self.source = Some(line.into());
        self
    }

    /// One more fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// What to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// BitBake's own words, where they differ from `KIND at FILE:LINE: MESSAGE`.
    #[must_use]
    pub fn bitbake(mut self, text: impl Into<String>) -> Self {
        self.bitbake_text = Some(text.into());
        self
    }
}

/// BitBake's form: `KIND at FILE:LINE: MESSAGE`, with as much of it as is known, or its own words for the case.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.bitbake_text {
            return f.write_str(text);
        }
        match (&*self.kind, self.file.as_str(), self.line) {
            ("", "", _) => {}
            ("", file, 0) => write!(f, "{file}: ")?,
            ("", file, line) => write!(f, "{file}:{line}: ")?,
            (kind, "", _) => write!(f, "{kind}: ")?,
            (kind, file, 0) => write!(f, "{kind} in {file}: ")?,
            (kind, file, line) => write!(f, "{kind} at {file}:{line}: ")?,
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitbakes_form_names_what_is_known() {
        let full = Diagnostic::error("ParseError", "unparsed line: 'A = 1'", "/l/x.bb", 1);
        assert_eq!(full.to_string(), "ParseError at /l/x.bb:1: unparsed line: 'A = 1'");
        let file = Diagnostic::error("ParseError", "not a BitBake file", "/tmp", 0);
        assert_eq!(file.to_string(), "ParseError in /tmp: not a BitBake file");
        let own = Diagnostic::warning("", "x", "/l/x.bb", 3).bitbake("as tools know it");
        assert_eq!(own.to_string(), "as tools know it");
        assert!(own.severity < Severity::Error);
    }
}
