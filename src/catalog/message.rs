//! What looking for providers has to say, in the words users and tools know.

use std::fmt;

use crate::lang::diagnostic::Severity;
use crate::lang::repr;

/// Something worth telling while providers are chosen. `Display` gives BitBake's text without its `ERROR: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// REQUIRED_VERSION and PREFERRED_VERSION are both set for a recipe.
    RequiredAndPreferred { pn: String, item: String, required: String },
    /// No recipe has the version that PREFERRED_VERSION names; the newest is taken.
    PreferredUnavailable { version: String, pn: String, item: String },
    /// The versions there are, after one of the other messages.
    VersionsAvailable { pn: String, versions: Vec<String> },
    /// No recipe has the version that REQUIRED_VERSION names: nothing provides the item.
    RequiredUnavailable { version: String, pn: String, item: String },
    /// A preference decided.
    Selected { pn: String, item: String, because: Because },
    /// Several recipes provide the item and no preference says which.
    MultipleProviders { item: String, candidates: Vec<String>, runtime: bool },
    /// PREFERRED_PROVIDER entries of two build-time names want different providers of one package.
    ConflictingRuntime { item: String, providers: Vec<String>, entries: Vec<String> },
    /// Nothing provides the item.
    NoProvider(NoProvider),
    /// A recipe or item cannot be built because something it needs is missing.
    Unbuildable { target: String, chain: Vec<String>, runtime: bool },
    /// A target given by the user cannot be built.
    RequiredTarget { target: String, chain: Vec<String> },
    /// A word of PREFERRED_PROVIDERS without exactly one colon.
    MalformedPreference(String),
    /// Two words of PREFERRED_PROVIDERS for one item.
    ConflictingPreferences { item: String, new: String, old: String },
    /// A word of PACKAGES_DYNAMIC that is no regular expression.
    BadPackagesDynamic(String),
    /// A target that ASSUME_PROVIDED lists.
    AssumedTarget(String),
    /// Someone builds `universe`.
    Universe,
}

/// Which setting made a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// PREFERRED_PROVIDER_item or PREFERRED_PROVIDERS.
    PreferredProvider,
    /// PREFERRED_RPROVIDER_item.
    PreferredRuntimeProvider,
    /// The named PREFERRED_PROVIDER entry, for a runtime item.
    Entry(String),
}

/// Nothing provides an item: who needs it and why nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProvider {
    /// What is missing.
    pub item: String,
    /// It is missing at run time (RPROVIDES).
    pub runtime: bool,
    /// Files of the recipes that need it.
    pub dependees: Vec<String>,
    /// Recipes that would provide it but were skipped, or that none is eligible.
    pub reasons: Vec<String>,
    /// Names that resemble it; said only where there are no reasons.
    pub close_matches: Vec<String>,
}

impl fmt::Display for NoProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = if self.runtime { "R" } else { "" };
        write!(f, "Nothing {r}PROVIDES '{}'", self.item)?;
        if !self.dependees.is_empty() {
            write!(f, " (but {} {r}DEPENDS on or otherwise requires it)", self.dependees.join(", "))?;
        }
        if self.reasons.is_empty() && !self.close_matches.is_empty() {
            let mut names: Vec<&str> = self.close_matches.iter().map(String::as_str).collect();
            names.sort_unstable();
            names.dedup();
            write!(f, ". Close matches:\n  {}", names.join("\n  "))?;
        }
        for reason in &self.reasons {
            write!(f, "\n{reason}")?;
        }
        Ok(())
    }
}

impl Message {
    /// How grave it is. In a `universe` build the user interface shows a missing provider as a warning only.
    pub fn severity(&self) -> Severity {
        match self {
            Message::RequiredAndPreferred { .. }
            | Message::PreferredUnavailable { .. }
            | Message::VersionsAvailable { .. }
            | Message::AssumedTarget(_) => Severity::Warning,
            Message::RequiredUnavailable { .. }
            | Message::ConflictingRuntime { .. }
            | Message::NoProvider(_)
            | Message::RequiredTarget { .. }
            | Message::MalformedPreference(_)
            | Message::BadPackagesDynamic(_)
            | Message::ConflictingPreferences { .. } => Severity::Error,
            Message::Unbuildable { runtime: true, .. }
            | Message::MultipleProviders { .. }
            | Message::Universe => Severity::Note,
            Message::Unbuildable { runtime: false, .. } | Message::Selected { .. } => Severity::Verbose,
        }
    }
}

/// ` (for item x)`, nothing without an item.
struct ForItem<'a>(&'a str);

impl fmt::Display for ForItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " (for item {})", self.0) }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::RequiredAndPreferred { pn, item, required } => write!(
                f,
                "REQUIRED_VERSION and PREFERRED_VERSION for package {pn}{} are both set using REQUIRED_VERSION {required}",
                ForItem(item)
            ),
            Message::PreferredUnavailable { version, pn, item } => {
                write!(f, "preferred version {version} of {pn} not available{}", ForItem(item))
            }
            Message::VersionsAvailable { pn, versions } => {
                write!(f, "versions of {pn} available: {}", versions.join(" "))
            }
            Message::RequiredUnavailable { version, pn, item } => {
                write!(f, "required version {version} of {pn} not available{}", ForItem(item))
            }
            Message::Selected { pn, item, because } => match because {
                Because::PreferredProvider => {
                    write!(f, "selecting {pn} to satisfy {item} due to PREFERRED_PROVIDERS")
                }
                Because::PreferredRuntimeProvider => {
                    write!(f, "selecting {pn} to satisfy {item} due to PREFERRED_RPROVIDER")
                }
                Because::Entry(entry) => write!(f, "selecting {pn} to satisfy runtime {item} due to {entry}"),
            },
            Message::MultipleProviders { item, candidates, runtime } => write!(
                f,
                "Multiple providers are available for {}{item} ({})\nConsider defining a PREFERRED_{}PROVIDER entry to match {item}",
                if *runtime { "runtime " } else { "" },
                candidates.join(", "),
                if *runtime { "R" } else { "" },
            ),
            Message::ConflictingRuntime { item, providers, entries } => write!(
                f,
                "Trying to resolve runtime dependency {item} resulted in conflicting PREFERRED_PROVIDER entries being found.\n\
                 The providers found were: {}\n\
                 The PREFERRED_PROVIDER entries resulting in this conflict were: {}. You could set PREFERRED_RPROVIDER_{item}",
                repr::list(providers),
                repr::list(entries),
            ),
            Message::NoProvider(missing) => missing.fmt(f),
            Message::Unbuildable { target, chain, runtime } => {
                let subject = if *runtime { "Runtime target" } else { "Target" };
                write!(f, "{subject} '{target}' is unbuildable, removing...\n{}", Chain(chain))
            }
            Message::RequiredTarget { target, chain } => {
                write!(f, "Required build target '{target}' has no buildable providers.\n{}", Chain(chain))
            }
            Message::MalformedPreference(word) => {
                write!(f, "Malformed option in PREFERRED_PROVIDERS variable: {word}")
            }
            Message::ConflictingPreferences { item, new, old } => {
                write!(f, "conflicting preferences for {item}: both {new} and {old} specified")
            }
            Message::BadPackagesDynamic(pattern) => {
                write!(f, "Error parsing regular expression '{pattern}'")
            }
            Message::AssumedTarget(target) => {
                write!(f, "Explicit target \"{target}\" is in ASSUME_PROVIDED, ignoring")
            }
            Message::Universe => {
                f.write_str("The \"universe\" target is only intended for testing and may produce errors.")
            }
        }
    }
}

/// The line that names everything from the target down to what is missing.
struct Chain<'a>(&'a [String]);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Missing or unbuildable dependency chain was: {}", repr::list(self.0))
    }
}
