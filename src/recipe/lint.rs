//! Likely typos that BitBake swallows: overrides nobody sets, flags nobody reads, tasks nobody has.
//!
//! Each is legal, so a word is only suspected if it nearly is a name that means something where it stands. Whoever knows all recipes
//! decides whether the suspected word means something elsewhere.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::depends::recorded;
use super::run::Run;
use crate::data::{DataError, Store};
use crate::lang::statement::{Located, Statement};
use crate::lang::suggest;

/// What kind of name a suspected word should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SuspectKind {
    /// An override, or one of `append`, `prepend` and `remove`.
    Override,
    /// A flag.
    Flag,
    /// A task.
    Task,
}

/// A word that is probably misspelt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Suspect {
    /// The file.
    pub file: String,
    /// Line in it, from 1.
    pub line: u32,
    /// What it should have been.
    pub kind: SuspectKind,
    /// The variable or function that is written to, "" for tasks.
    pub name: String,
    /// As written.
    pub word: String,
    /// What was probably meant.
    pub meant: String,
}

/// What one recipe, or the configuration, adds to the search for typos.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LintFacts {
    /// Words that may be misspelt, in the order of files and lines.
    pub suspects: Vec<Suspect>,
    /// Overrides that it has beyond those of its configuration.
    pub overrides: Vec<String>,
}

const OPERATIONS: [&str; 3] = ["append", "prepend", "remove"];

/// Flags of tasks and functions that BitBake or the classes of OE-core read (BitBake manual, "Variable Flags").
const TASK_FLAGS: [&str; 38] = [
    "cleandirs",
    "depends",
    "deps",
    "deptask",
    "dirs",
    "doc",
    "eventmask",
    "export",
    "exports",
    "fakeroot",
    "file-checksums",
    "filename",
    "func",
    "lineno",
    "lockfiles",
    "manifest_group",
    "mcdepends",
    "network",
    "noexec",
    "nostamp",
    "number_threads",
    "postfuncs",
    "prefuncs",
    "progress",
    "python",
    "rdepends",
    "rdeptask",
    "recideptask",
    "recrdeptask",
    "sstate-inputdirs",
    "sstate-lockfile",
    "sstate-outputdirs",
    "sstate-plaindirs",
    "stamp-extra-info",
    "subimages",
    "task",
    "umask",
    "unexport",
];
/// Flags of any variable, with names that nothing else bears.
const DEPENDENCY_FLAGS: [&str; 4] = ["vardeps", "vardepsexclude", "vardepvalue", "vardepvalueexclude"];
/// Flags of SRC_URI.
const CHECKSUM_FLAGS: [&str; 5] = ["md5sum", "sha1sum", "sha256sum", "sha384sum", "sha512sum"];

/// A word in a file whose meaning depends on who reads the file.
struct Mention {
    kind: SuspectKind,
    line: u32,
    name: Rc<str>,
    word: Rc<str>,
    /// For flags: what was probably meant. Flags mean the same everywhere.
    meant: Option<&'static str>,
}

/// The name that `word` is a slip of.
///
/// More cautious than advice on an error, since here the word may be right: names that differ in a number, or one of which goes on
/// behind the other, and compound names with another word in one place are relatives and no slips.
fn did_you_mean<'c>(word: &str, names: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    suggest::did_you_mean(word, names).filter(|meant| !are_relatives(word, meant))
}

fn are_relatives(word: &str, other: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    if word != other && letters(word) == letters(other) {
        return true;
    }
    let (short, long) = if word.len() < other.len() { (word, other) } else { (other, word) };
    if long
        .strip_prefix(short)
        .is_some_and(|rest| rest.chars().count() > 1 || !rest.chars().all(char::is_alphabetic))
    {
        return true;
    }
    let parts = |text: &str| text.split(['-', '_', '.']).map(str::to_owned).collect::<Vec<_>>();
    let (parts, others) = (parts(word), parts(other));
    parts.len() > 1
        && parts.len() == others.len()
        && parts
            .iter()
            .zip(&others)
            .any(|(part, other)| part != other && suggest::did_you_mean(part, [other.as_str()]).is_none())
}

/// Gathers facts in one process, for one configuration.
#[derive(Default)]
pub struct Linter {
    /// Overrides of the configuration.
    overrides: Vec<String>,
    files: FxHashMap<Rc<str>, Rc<[Mention]>>,
    /// What a word is taken for beside the overrides of the configuration.
    near: FxHashMap<Rc<str>, Option<String>>,
}

impl Linter {
    /// A linter for recipes on top of a configuration.
    ///
    /// # Errors
    /// OVERRIDES can't be expanded.
    pub fn new(configuration: &Store) -> Result<Self, DataError> {
        Ok(Linter { overrides: overrides(configuration)?, ..Linter::default() })
    }

    /// The facts about the configuration's own files. Tasks are left to the recipes.
    pub fn configuration(&mut self, run: &Run, configuration: &Store) -> LintFacts {
        let mut facts = LintFacts { overrides: self.overrides.clone(), ..LintFacts::default() };
        for (path, _) in recorded(configuration, "__base_depends").iter().filter(|(_, stamp)| stamp.is_some())
        {
            for mention in self.mentions(run, path).iter() {
                let meant = match mention.kind {
                    SuspectKind::Override => self.meant(&mention.word),
                    SuspectKind::Flag => mention.meant.map(str::to_owned),
                    SuspectKind::Task => None,
                };
                facts.suspects.extend(meant.map(|meant| suspect(path, mention, meant)));
            }
        }
        facts
    }

    /// The facts about a recipe, given its finished variants.
    ///
    /// # Errors
    /// OVERRIDES or PACKAGES can't be expanded.
    pub fn recipe(&mut self, run: &Run, stores: &[(String, Store)]) -> Result<LintFacts, DataError> {
        let known: FxHashSet<&str> = self.overrides.iter().map(String::as_str).collect();
        let mut own: Vec<String> = Vec::new();
        let mut packages: Vec<String> = Vec::new();
        let mut tasks: Vec<String> = Vec::new();
        for (_, store) in stores {
            own.extend(overrides(store)?.into_iter().filter(|word| !known.contains(word.as_str())));
            packages.extend(store.get_words("PACKAGES")?);
            tasks.extend(store.get_raw("__BBTASKS")?.map(|names| names.strings()).unwrap_or_default());
        }
        for words in [&mut own, &mut packages, &mut tasks] {
            words.sort_unstable();
            words.dedup();
        }
        let right: FxHashSet<Rc<str>> = self
            .overrides
            .iter()
            .chain(&own)
            .chain(&packages)
            .chain(&tasks)
            .map(|word| word.as_str().into())
            .collect();
        let mut facts = LintFacts::default();
        let mut seen = FxHashSet::default();
        for (_, store) in stores {
            for (path, _) in recorded(store, "__depends").into_iter().filter(|(_, stamp)| stamp.is_some()) {
                if !seen.insert(path.clone()) {
                    continue;
                }
                // What the recipe's own files say may be about the recipe's own names.
                let of_class = path.ends_with(".bbclass");
                for mention in self.mentions(run, &path).iter() {
                    let word = &*mention.word;
                    if mention.kind != SuspectKind::Flag && right.contains(word) {
                        continue;
                    }
                    let meant = match mention.kind {
                        SuspectKind::Flag => mention.meant.map(str::to_owned),
                        SuspectKind::Task => {
                            did_you_mean(word, tasks.iter().map(String::as_str)).map(str::to_owned)
                        }
                        SuspectKind::Override => {
                            let names = own.iter().chain(&packages).map(String::as_str);
                            self.meant(&mention.word).or_else(|| {
                                (!of_class).then(|| did_you_mean(word, names).map(str::to_owned)).flatten()
                            })
                        }
                    };
                    facts.suspects.extend(meant.map(|meant| suspect(&path, mention, meant)));
                }
            }
        }
        facts.overrides = own;
        Ok(facts)
    }

    /// What a word was probably meant to be, of the operations and the overrides of the configuration.
    fn meant(&mut self, word: &Rc<str>) -> Option<String> {
        let overrides = &self.overrides;
        let near = self.near.entry(word.clone()).or_insert_with(|| {
            let names = OPERATIONS.into_iter().chain(overrides.iter().map(String::as_str));
            did_you_mean(word, names).map(str::to_owned)
        });
        near.clone()
    }

    fn mentions(&mut self, run: &Run, path: &Rc<str>) -> Rc<[Mention]> {
        if let Some(known) = self.files.get(path) {
            return known.clone();
        }
        let mut found = Vec::new();
        // What couldn't be read was reported where it was needed; other files than metadata never were.
        if let Some(file) = run.known_statements(path) {
            file.statements.iter().for_each(|located| of_statement(located, &mut found));
        }
        let found: Rc<[Mention]> = found.into();
        // A recipe is read by nobody else.
        if !path.ends_with(".bb") {
            self.files.insert(path.clone(), found.clone());
        }
        found
    }
}

fn overrides(store: &Store) -> Result<Vec<String>, DataError> {
    Ok(store.get_str("OVERRIDES")?.split(':').filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

fn suspect(path: &str, mention: &Mention, meant: String) -> Suspect {
    Suspect {
        file: path.to_owned(),
        line: mention.line,
        kind: mention.kind,
        name: mention.name.to_string(),
        word: mention.word.to_string(),
        meant,
    }
}

fn of_statement(located: &Located, found: &mut Vec<Mention>) {
    match &located.statement {
        Statement::Assign { name, flag, .. } => {
            of_name(name, located.first, found);
            if let Some(flag) = flag {
                of_flag(name, flag, located.first, found);
            }
        }
        Statement::UnsetFlag(name, flag) => of_flag(name, flag, located.first, found),
        Statement::Function { name: Some(name), header, .. } => of_name(name, *header, found),
        Statement::AddTask { before, after, .. } => {
            before.iter().chain(after).for_each(|word| of_task(word, located.first, found));
        }
        Statement::DelTask(names) => {
            names.split_whitespace().for_each(|word| of_task(word, located.first, found));
        }
        _ => {}
    }
}

/// The overrides in a name. What only becomes a word by expansion is left alone.
fn of_name(name: &Rc<str>, line: u32, found: &mut Vec<Mention>) {
    if name.contains("${@") {
        return;
    }
    for word in name.split(':').skip(1).filter(|word| !word.is_empty() && !word.contains("${")) {
        if !OPERATIONS.contains(&word) {
            found.push(Mention {
                kind: SuspectKind::Override,
                line,
                name: name.clone(),
                word: word.into(),
                meant: None,
            });
        }
    }
}

fn of_flag(name: &Rc<str>, flag: &Rc<str>, line: u32, found: &mut Vec<Mention>) {
    let meant = if name.starts_with("do_") {
        did_you_mean(flag, TASK_FLAGS.into_iter().chain(DEPENDENCY_FLAGS))
    } else if &**name == "SRC_URI" {
        let checksum = flag.rsplit('.').next().unwrap_or(flag);
        did_you_mean(checksum, CHECKSUM_FLAGS)
    } else {
        did_you_mean(flag, DEPENDENCY_FLAGS)
    };
    if meant.is_some() {
        found.push(Mention { kind: SuspectKind::Flag, line, name: name.clone(), word: flag.clone(), meant });
    }
}

fn of_task(word: &str, line: u32, found: &mut Vec<Mention>) {
    if word.contains("${") {
        return;
    }
    let task = if word.starts_with("do_") { word.into() } else { format!("do_{word}").into() };
    found.push(Mention { kind: SuspectKind::Task, line, name: "".into(), word: task, meant: None });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relatives_are_no_slips() {
        for (word, other) in [
            ("do_image_wicenv", "do_image_wic"),
            ("virtclass-mcextend-mdadm", "virtclass-mcextend-gdbm"),
            ("libkmod2", "libkmod"),
            ("qemux86-65", "qemux86-64"),
            ("class-native", "class-target"),
            ("x86-x32", "x86-64"),
        ] {
            assert_eq!(did_you_mean(word, [other]), None, "{word}");
        }
        for (word, other) in [
            ("aapend", "append"),
            ("qemxu86-64", "qemux86-64"),
            ("class-natvie", "class-native"),
            ("do_complie", "do_compile"),
            ("do_compil", "do_compile"),
            ("appendd", "append"),
            ("sstate-inputdir", "sstate-inputdirs"),
        ] {
            assert_eq!(did_you_mean(word, [other]), Some(other), "{word}");
        }
    }
}
