//! Why what a build needs could not be resolved.

/// Why resolving ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A target cannot be built; the messages have said why.
    #[error("{0}")]
    NoProvider(String),
    /// A word of a task flag is malformed.
    #[error(transparent)]
    MalformedDependency(#[from] MalformedDependency),
    /// `calculate_extra_depends` of a recipe failed.
    #[error("{file}: {message}")]
    ExtraDepends {
        /// The recipe.
        file: String,
        /// What Python said.
        message: String,
    },
    /// A target names a multiconfig that is not enabled.
    #[error("Multiconfig dependency {target} depends on nonexistent multiconfig configuration named {mc}")]
    UnknownMulticonfig {
        /// The target.
        target: String,
        /// The configuration it names.
        mc: String,
    },
    /// A word of `[mcdepends]` names a multiconfig that is not enabled.
    #[error(
        "Multiconfig dependency {word} depends on nonexistent multiconfig configuration named configuration {mc}"
    )]
    UnknownMulticonfigDependency {
        /// The word.
        word: String,
        /// The configuration it names.
        mc: String,
    },
    /// `mc:*:x` was followed by another target of a multiconfig.
    #[error("multiconfig conflict")]
    WildcardConflict,
}

/// A word in a dependency flag with the wrong number of colons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedDependency {
    /// In `[depends]` or `[rdepends]`.
    #[error(
        "Error for {file}:{task}[{flag}], dependency {word} in '{value}' does not contain exactly one ':' character.\n \
         Task '{flag}' should be specified in the form 'packagename:task'"
    )]
    Task {
        /// The recipe.
        file: String,
        /// The task, with its `do_`.
        task: String,
        /// Name of the flag.
        flag: &'static str,
        /// The malformed word.
        word: String,
        /// The whole flag.
        value: String,
    },
    /// In `[mcdepends]`.
    #[error(
        "Error for {file}:{task}[mcdepends], multiconfig dependency {word} does not contain exactly four  ':' characters.\n \
         Task 'mcdepends' should be specified in the form 'mc:fromMC:toMC:packagename:task'"
    )]
    Multiconfig {
        /// The recipe.
        file: String,
        /// The task, with its `do_`.
        task: String,
        /// The malformed word.
        word: String,
    },
}
