//! Likely typos, once all recipes are known: of the words that single recipes suspect, those that mean something nowhere.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use rustc_hash::FxHashSet;

use super::metadata::Metadata;
use super::protocol::ConfigRecord;
use crate::catalog::{Preferences, VirtualFile};
use crate::recipe::{Suspect, SuspectKind};

/// A likely typo.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding(pub Suspect);

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Suspect { kind, name, word, meant, .. } = &self.0;
        match kind {
            SuspectKind::Override => {
                write!(f, "{name}: nothing sets the override `{word}`; did you mean `{meant}`?")
            }
            SuspectKind::Flag => {
                write!(f, "{name}[{word}]: nothing reads the flag `{word}`; did you mean `{meant}`?")
            }
            SuspectKind::Task => write!(f, "no recipe has a task `{word}`; did you mean `{meant}`?"),
        }
    }
}

/// The likely typos in all metadata, by file and line. With `only_read`, those in recipes that this run has read.
pub fn lint(metadata: &Metadata, only_read: bool) -> Vec<Finding> {
    let configurations = || metadata.worlds.iter().map(|world| &world.tree.preferences);
    let records = || metadata.worlds.iter().flat_map(|world| world.catalog.records());
    let read = |file: &str| metadata.read.contains(VirtualFile::parse(file).path);
    let mut suspects: BTreeSet<&Suspect> =
        configurations().flat_map(|configuration| &configuration.lint.suspects).collect();
    suspects.extend(
        records().filter(|record| !only_read || read(&record.file)).flat_map(|record| &record.lint.suspects),
    );
    if suspects.is_empty() {
        return Vec::new();
    }
    let mut known: FxHashSet<(SuspectKind, &str)> = FxHashSet::default();
    known.extend(
        configurations()
            .flat_map(|one| &one.lint.overrides)
            .map(|word| (SuspectKind::Override, word.as_str())),
    );
    for record in records() {
        let overrides =
            record.lint.overrides.iter().chain(record.packages.iter().map(|package| &package.name));
        known.extend(overrides.map(|word| (SuspectKind::Override, word.as_str())));
        known.extend(record.tasks.iter().map(|task| (SuspectKind::Task, task.name.as_str())));
    }
    suspects.retain(|suspect| !known.contains(&(suspect.kind, suspect.word.as_str())));
    let mut open: FxHashSet<(SuspectKind, &str)> =
        suspects.iter().map(|suspect| (suspect.kind, suspect.word.as_str())).collect();
    for dir in configurations().flat_map(directories).collect::<BTreeSet<_>>() {
        absolve(Path::new(&dir), &mut open);
    }
    let open: FxHashSet<(SuspectKind, String)> =
        open.into_iter().map(|(kind, word)| (kind, word.to_owned())).collect();
    let left = suspects.into_iter().filter(|suspect| open.contains(&(suspect.kind, suspect.word.clone())));
    left.map(|suspect| Finding(suspect.clone())).collect()
}

/// Where metadata lies: the layers, else the places on BBPATH.
fn directories(configuration: &ConfigRecord) -> Vec<String> {
    let layers = configuration.get_var("BBLAYERS").unwrap_or_default().into_owned();
    let mut found: Vec<String> = layers.split_whitespace().map(str::to_owned).collect();
    if found.is_empty() {
        let path = configuration.get_var("BBPATH").unwrap_or_default();
        found.extend(path.split(':').filter(|dir| !dir.is_empty()).map(str::to_owned));
    }
    found
}

/// Directories that hold no metadata, and may be large.
const SKIPPED: [&str; 4] = ["tmp", "cache", "downloads", "sstate-cache"];

/// Strikes out the words that some file speaks of in another way than the suspected one: as a value, in code, or as a file's name.
fn absolve(dir: &Path, open: &mut FxHashSet<(SuspectKind, &str)>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if open.is_empty() {
            return;
        }
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name) {
                absolve(&entry.path(), open);
            }
            continue;
        }
        let Some((stem, ending)) = name.rsplit_once('.') else { continue };
        if !matches!(ending, "bb" | "bbappend" | "bbclass" | "inc" | "conf" | "py") {
            continue;
        }
        open.retain(|(_, word)| *word != stem);
        let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
        open.retain(|(kind, word)| !speaks_of(&text, *kind, word));
    }
}

/// Whether a file holds the word other than where it is suspected.
fn speaks_of(text: &str, kind: SuspectKind, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    memchr::memmem::find_iter(text.as_bytes(), word.as_bytes()).any(|at| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        if before.ends_with(part) || after.starts_with(part) {
            return false;
        }
        let before = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
        let after = after.split('\n').next().unwrap_or_default();
        if before.starts_with('#') {
            return false;
        }
        let suspected = match kind {
            SuspectKind::Override => before.ends_with(':') && !before.contains(['"', '\'']) && is_head(after),
            SuspectKind::Flag => {
                before.ends_with(['[', '.']) && !before.contains(['"', '\'']) && after.starts_with(']')
            }
            SuspectKind::Task => before.starts_with("addtask ") || before.starts_with("deltask "),
        };
        !suspected
    })
}

/// Whether this is how the head of an assignment or function goes on behind an override.
fn is_head(rest: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || "-_+.:${}/~".contains(c);
    let rest = rest.trim_start_matches(name);
    let rest = match rest.strip_prefix('[') {
        Some(flag) => flag.split_once(']').map_or("", |(_, rest)| rest),
        None => rest,
    };
    let rest = rest.trim_start();
    rest.starts_with('(') || rest.trim_start_matches(['?', ':', '+', '.']).starts_with('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_uses_count() {
        use SuspectKind::{Flag, Override, Task};
        for (text, kind, word, expected) in [
            ("A:apend = \"1\"\nB:apend:x += \"1\"\n", Override, "apend", false),
            ("do_x:apend () {\n", Override, "apend", false),
            ("# apend\n", Override, "apend", false),
            ("MACHINEOVERRIDES =. \"x86-x32:\"\n", Override, "x86-x32", true),
            ("O = \"a:\\\n  b:x32\"\n", Override, "x32", true),
            ("A:x32b = \"1\"\nA:ax32 = \"1\"\n", Override, "x32", false),
            ("do_x[depneds] = \"a:do_b\"\n", Flag, "depneds", false),
            ("SRC_URI[n.sha256sm] = \"1\"\n", Flag, "sha256sm", false),
            ("  d.getVarFlag(t, 'depneds')\n", Flag, "depneds", true),
            ("addtask x after do_complie\n", Task, "do_complie", false),
            ("do_complie() {\n", Task, "do_complie", true),
        ] {
            assert_eq!(speaks_of(text, kind, word), expected, "{text}");
        }
    }
}
