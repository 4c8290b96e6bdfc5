//! What can go wrong while reading or changing variables.

use super::repr_str;
use std::any::Any;
use std::fmt;
use std::rc::Rc;

/// The original exception object of the Python side, kept so that it can be raised again unchanged.
#[derive(Clone)]
pub struct Foreign(pub Rc<dyn Any>);

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Foreign")
    }
}

/// An error of the datastore.
#[derive(Clone, Debug)]
pub enum DataError {
    /// A value could not be expanded; carries the chain of variables that led there.
    Expansion(Box<ExpansionError>),
    /// Metadata asked for the recipe to be skipped (`bb.parse.SkipRecipe`).
    Skip(String),
    /// The message was already shown (`bb.BBHandledException`).
    Handled,
    /// A statement of a metadata file can't be read or carried out (`bb.parse.ParseError`).
    Parse {
        /// The file.
        file: String,
        /// Line, from 1; 0 if none.
        line: u32,
        /// What is wrong.
        message: String,
    },
    /// Python code has to run, and there is no interpreter: the caller starts one and begins again.
    NeedsPython(String),
    /// Python code of a function is no Python.
    Syntax(Box<CodeError>),
    /// Any other exception.
    Raised {
        /// Class name, as `type(e).__name__`.
        class: String,
        /// `str(e)`.
        message: String,
        /// For a SyntaxError its `msg`, without the place.
        syntax: Option<String>,
        /// The exception object, if it came from Python.
        source: Option<Foreign>,
    },
}

impl DataError {
    /// An exception of the engine itself.
    pub fn raised(class: &str, message: impl Into<String>) -> Self {
        DataError::Raised { class: class.into(), message: message.into(), syntax: None, source: None }
    }

    /// Class name and text as Python would print them.
    pub fn class_and_text(&self) -> (String, String) {
        match self {
            DataError::Expansion(error) => ("ExpansionError".into(), error.to_string()),
            DataError::Skip(reason) => ("SkipRecipe".into(), reason.clone()),
            DataError::Handled => ("BBHandledException".into(), String::new()),
            DataError::Parse { file, line: 0, message } => {
                ("ParseError".into(), format!("ParseError in {file}: {message}"))
            }
            DataError::Parse { file, line, message } => {
                ("ParseError".into(), format!("ParseError at {file}:{line}: {message}"))
            }
            DataError::NeedsPython(what) => ("NeedsPython".into(), what.clone()),
            DataError::Syntax(error) => {
                let name = error.file.rsplit('/').next().unwrap_or_default();
                (error.class.clone(), format!("{} ({name}, line {})", error.message, error.line))
            }
            DataError::Raised { class, message, .. } => (class.clone(), message.clone()),
        }
    }
}

/// A mistake in Python code, at its place in the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeError {
    /// `SyntaxError` or a subclass of it.
    pub class: String,
    /// The interpreter's message, without the place.
    pub message: String,
    /// The metadata file.
    pub file: String,
    /// Line in it.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: usize,
    /// The line's text, without its end.
    pub text: String,
}

impl CodeError {
    /// As Python's `repr` shows the exception.
    pub fn repr(&self) -> String {
        let Self { class, message, file, line, column, text } = self;
        let rest: String = text.chars().skip(column - 1).collect();
        let word = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').count();
        // An indentation that fits nothing has no end.
        let end = match *column > text.chars().count() {
            true if class == "IndentationError" => "-1".to_owned(),
            true => column.to_string(),
            false => (column + word.max(1)).to_string(),
        };
        format!(
            "{class}({}, ({}, {line}, {column}, {}, {line}, {end}))",
            repr_str(message),
            repr_str(file),
            repr_str(&format!("{text}\n"))
        )
    }

    /// As the interpreter reports it: the place, the line with a mark under the mistake, and the message.
    pub fn report(&self) -> String {
        let Self { class, message, file, line, column, text } = self;
        let shown = text.trim_start();
        let indent = text.chars().count() - shown.chars().count();
        let mark = " ".repeat(column.saturating_sub(indent + 1));
        format!("  File \"{file}\", line {line}\n    {shown}\n    {mark}^\n{class}: {message}")
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, text) = self.class_and_text();
        match self {
            DataError::Expansion(error) => error.fmt(f),
            _ if text.is_empty() => f.write_str(&class),
            _ => write!(f, "{class}: {text}"),
        }
    }
}

impl std::error::Error for DataError {}

/// A value that could not be expanded.
#[derive(Clone, Debug)]
pub struct ExpansionError {
    /// The variable whose value it was, if it has a name.
    pub variable: Option<String>,
    /// The text at the moment of failure.
    pub expression: Option<String>,
    /// Class name of the cause.
    pub cause_class: String,
    /// Text of the cause.
    pub cause: String,
    /// The exception object, if the cause came from Python.
    pub source: Option<Foreign>,
    /// The variables that were being expanded, innermost first.
    pub chain: Vec<String>,
}

impl ExpansionError {
    /// As Python's `repr` shows the exception.
    pub fn repr(&self) -> String {
        let shown = |text: &Option<String>| text.as_deref().map_or("None".to_owned(), repr_str);
        let (variable, expression) = (shown(&self.variable), shown(&self.expression));
        // The text of a KeyError is its key as Python shows it.
        let cause = if self.cause_class == "KeyError" { self.cause.clone() } else { repr_str(&self.cause) };
        format!("ExpansionError({variable}, {expression}, {}({cause}))", self.cause_class)
    }

    /// Wraps `cause`, which ended the expansion of `expression` for `variable`.
    pub fn new(variable: Option<&str>, expression: &str, cause: DataError) -> Self {
        let (cause_class, text) = cause.class_and_text();
        let source = match cause {
            DataError::Raised { source, .. } => source,
            _ => None,
        };
        let variable = variable.filter(|name| !name.is_empty()).map(str::to_owned);
        ExpansionError {
            chain: vec![variable.clone().unwrap_or_else(|| expression.to_owned())],
            variable,
            expression: Some(expression.to_owned()).filter(|text| !text.is_empty()),
            cause_class,
            cause: text,
            source,
        }
    }

    /// Notes that `variable` was being expanded around it.
    pub fn add_variable(&mut self, variable: Option<&str>) {
        if let Some(name) = variable.filter(|name| !name.is_empty()) {
            self.chain.push(name.to_owned());
        }
    }

    /// The message without the chain.
    pub fn headline(&self) -> String {
        let Self { cause_class, cause, .. } = self;
        match (&self.variable, &self.expression) {
            (Some(variable), Some(expression)) => format!(
                "Failure expanding variable {variable}, expression was {expression} which triggered exception {cause_class}: {cause}"
            ),
            (Some(variable), None) => {
                format!("Failure expanding variable {variable}: {cause_class}: {cause}")
            }
            (None, expression) => format!(
                "Failure expanding expression {} which triggered exception {cause_class}: {cause}",
                expression.as_deref().unwrap_or_default()
            ),
        }
    }
}

impl fmt::Display for ExpansionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\nThe variable dependency chain for the failure is: {}",
            self.headline(),
            self.chain.join(" -> ")
        )
    }
}
