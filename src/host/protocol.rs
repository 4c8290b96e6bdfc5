//! What the program and its hosts say to each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::RecipeRecord;
use crate::catalog::record::FileDepend;
use crate::data::DataError;
use crate::lang::diagnostic::Severity;
use crate::recipe::{LintFacts, RecipeFile, Request};

/// A question to a host or worker. It answers with any number of messages and one answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Question {
    /// Read the configuration.
    Configure(Request),
    /// Fork the parse workers, one for each socket the host was started with.
    Fork,
    /// Read a recipe and all its variants, and send their records.
    Parse {
        /// The recipe.
        recipe: RecipeFile,
        /// Priority of its layer.
        priority: i32,
    },
    /// Show a store as `-e` does: of a recipe's variant, or of the configuration.
    Environment {
        /// The recipe and the name of the variant.
        recipe: Option<(RecipeFile, String)>,
        /// The multiconfig whose configuration is meant if no recipe is.
        mc: String,
    },
    /// Show one variable.
    Variable(Variable),
    /// Fork a process with another duty. Its end of the connection follows as a file; the host itself answers `Forked`.
    Role(Role),
    /// Send all variables of a recipe's variants as JSON lines.
    Dump {
        /// The recipe.
        recipe: RecipeFile,
    },
}

/// What a process forked from the host is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It forks a child for each task.
    Tasks,
    /// It runs the handlers and functions of metadata whose state spans the whole build.
    Control,
}

/// A question about one variable, as `bitbake-getvar` asks it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The recipe and the name of the variant; the configuration otherwise.
    pub recipe: Option<(RecipeFile, String)>,
    /// A flag of it instead.
    pub flag: Option<String>,
    /// Only the value, without history.
    pub value_only: bool,
    /// The value before expansion.
    pub unexpanded: bool,
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
pub enum Message {
    /// Something to tell the user.
    Said(Said),
    /// The end of the answer.
    Done(Box<Answer>),
}

/// Something to tell the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// How grave it is.
    pub severity: Severity,
    /// The text.
    pub text: String,
    /// It is worth saying once, whichever recipe it came up with; so that recipe's name isn't put in front.
    pub once: bool,
}

/// The end of an answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The configuration was read: one record for each multiconfig.
    Configured(Vec<ConfigRecord>),
    /// The workers exist.
    Forked,
    /// The records of a recipe's variants.
    Parsed(Vec<RecipeRecord>),
    /// A text that was asked for; None if what it is about doesn't exist.
    Text(Option<String>),
    /// It ended with an error.
    Failed(Failure),
}

/// What the rest of the engine needs of a configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ConfigRecord {
    /// The multiconfig.
    pub mc: String,
    /// Final values of the variables that say which recipes there are and which are preferred.
    pub variables: BTreeMap<String, String>,
    /// Every file read or looked for.
    pub depends: Vec<FileDepend>,
    /// Hash of everything that recipes inherit from it.
    pub hash: String,
    /// The directory of the layer whose layer.conf added each word to BBFILE_COLLECTIONS.
    pub collections: Vec<(String, String)>,
    /// What its files may have misspelt, and its overrides.
    pub lint: LintFacts,
}

/// Why something ended early.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Failure {
    /// Class name of the error; `BBHandledException` if the user was told already.
    pub class: String,
    /// Its text.
    pub text: String,
    /// The metadata file it is about, "" if none.
    pub file: String,
    /// Line in it, 0 if none.
    pub line: u32,
    /// Python has to run, and this host has none.
    pub needs_python: bool,
}

impl Failure {
    /// True if the user was told already.
    pub fn handled(&self) -> bool {
        self.class == "BBHandledException"
    }
}

impl From<&DataError> for Failure {
    fn from(error: &DataError) -> Self {
        let (class, mut text) = error.class_and_text();
        if let DataError::Syntax(error) = error {
            text = error.report();
        }
        let (file, line) = match error {
            DataError::Parse { file, line, .. } => (file.clone(), *line),
            DataError::Syntax(error) => (error.file.clone(), error.line),
            _ => (String::new(), 0),
        };
        Failure { class, text, file, line, needs_python: matches!(error, DataError::NeedsPython(_)) }
    }
}
