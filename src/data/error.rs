//! What can go wrong while reading or changing variables.

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
            DataError::Raised { class, message, .. } => (class.clone(), message.clone()),
        }
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
