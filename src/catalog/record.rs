//! What the engine remembers of one finished recipe: the record that parsing leaves behind and the parse cache stores.

use serde::{Deserialize, Serialize};

use crate::recipe::LintFacts;

/// One recipe, or one variant of it, as everything after parsing sees it.
///
/// Texts are expanded values at the end of finalisation. Dependency lists have lost their `(>= 1.0)` parts. A skipped
/// recipe keeps `pn`, `provides`, `rprovides` and the names of its packages, so that messages can explain why nothing
/// provides an item; its other fields are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipeRecord {
    /// Virtual file name, unique in a build: the recipe's path, with `virtual:CLASS:` before it for a variant and
    /// `mc:NAME:` before that in a multiconfig. [`crate::catalog::VirtualFile`] takes it apart.
    pub file: String,
    /// Collection (BBFILE_COLLECTIONS word) whose BBFILE_PATTERN matches the file, "" if none does.
    pub layer: String,
    /// Priority of that collection, 0 without one. Higher wins.
    pub priority: i32,
    /// PN, the recipe's name.
    pub pn: String,
    /// PE, PV and PR.
    pub version: RecipeVersion,
    /// DEFAULT_PREFERENCE, 0 if unset. Among recipes of equal priority the greatest wins, before the version counts.
    pub default_preference: i64,
    /// PROVIDES as written; `pn` is always provided, whether listed or not.
    pub provides: Vec<String>,
    /// RPROVIDES without a package name.
    pub rprovides: Vec<String>,
    /// PACKAGES with what each needs and provides; a recipe without PACKAGES has one, named like itself.
    pub packages: Vec<PackageRecord>,
    /// PACKAGES_DYNAMIC: regular expressions over package names that may come into being.
    pub packages_dynamic: Vec<String>,
    /// DEPENDS.
    pub depends: Vec<String>,
    /// RDEPENDS without a package name.
    pub rdepends: Vec<String>,
    /// RRECOMMENDS without a package name.
    pub rrecommends: Vec<String>,
    /// The tasks in the order in which the recipe defined them.
    pub tasks: Vec<TaskRecord>,
    /// STAMP, the path and start of the name of every stamp.
    pub stamp: String,
    /// STAMPCLEAN, the glob of stamps that a new stamp replaces.
    pub stampclean: String,
    /// Classes inherited, each as BitBake's `__inherit_cache` lists it (relative name or path).
    pub inherits: Vec<String>,
    /// What fakeroot tasks of this recipe need.
    pub fakeroot: FakerootRecord,
    /// EXCLUDE_FROM_WORLD is true: `world` leaves the recipe out.
    pub not_world: bool,
    /// Why the recipe must not be built; `None` if it may.
    pub skipped: Option<String>,
    /// Variants of the same file (BBCLASSEXTEND), "" for the recipe itself.
    pub variants: Vec<String>,
    /// The bbappends that were applied, in order.
    pub appends: Vec<String>,
    /// Every file read or looked for while parsing, and what it was then. The record holds as long as none changes.
    pub file_depends: Vec<FileDepend>,
    /// BB_DONT_CACHE: the record must not be kept for the next run.
    pub nocache: bool,
    /// BB_HASHFILENAME, the words that tell sstate where a task's result lies.
    pub hashfilename: String,
    /// `calculate_extra_depends`: the text of a Python function body that adds to `depends`; "" if there is none.
    pub extra_depends: String,
    /// What its files may have misspelt; the recipe itself carries what the others found, too.
    pub lint: LintFacts,
}

impl RecipeRecord {
    /// The task called `name` (with its `do_`), if the recipe has it.
    pub fn task(&self, name: &str) -> Option<&TaskRecord> {
        self.tasks.iter().find(|task| task.name == name)
    }

    /// All names the recipe provides at build time: `pn` first, then PROVIDES without repetition.
    pub fn all_provides(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.pn.as_str()).chain(
            self.provides
                .iter()
                .enumerate()
                .filter(|(i, name)| **name != self.pn && !self.provides[..*i].contains(name))
                .map(|(_, name)| name.as_str()),
        )
    }

    /// Everything the recipe needs at run time: RDEPENDS of all packages, then RRECOMMENDS of all packages, each once.
    pub fn all_runtime_depends(&self) -> Vec<&str> {
        let mut seen = rustc_hash::FxHashSet::default();
        let needed = self.packages.iter().flat_map(|package| self.rdepends.iter().chain(&package.rdepends));
        let wanted =
            self.packages.iter().flat_map(|package| self.rrecommends.iter().chain(&package.rrecommends));
        needed.chain(wanted).map(String::as_str).filter(|name| seen.insert(*name)).collect()
    }
}

/// PE, PV and PR as the recipe wrote them. "" where unset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecipeVersion {
    /// PE, the epoch: a number or nothing.
    pub pe: String,
    /// PV.
    pub pv: String,
    /// PR, such as `r0`.
    pub pr: String,
}

/// One package of a recipe: what `RPROVIDES:pkg`, `RDEPENDS:pkg` and `RRECOMMENDS:pkg` say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRecord {
    /// Its name, a word of PACKAGES.
    pub name: String,
    /// `RPROVIDES:pkg`.
    pub rprovides: Vec<String>,
    /// `RDEPENDS:pkg`.
    pub rdepends: Vec<String>,
    /// `RRECOMMENDS:pkg`.
    pub rrecommends: Vec<String>,
}

/// One task of a recipe: its flags as the graph, the queue and the signatures need them.
///
/// Flags that hold words keep them as one text, because messages about a malformed word quote the whole flag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Name with its `do_`.
    pub name: String,
    /// Tasks of the same recipe that run before it (`addtask … after`); some may not exist.
    pub parents: Vec<String>,
    /// `[depends]`: words `recipe:task`.
    pub depends: Option<String>,
    /// `[rdepends]`: words `package:task`.
    pub rdepends: Option<String>,
    /// `[mcdepends]`: words `mc:FROM:TO:recipe:task`.
    pub mcdepends: Option<String>,
    /// `[deptask]`: tasks to wait for in every DEPENDS.
    pub deptask: Option<String>,
    /// `[rdeptask]`: tasks to wait for in every RDEPENDS and RRECOMMENDS.
    pub rdeptask: Option<String>,
    /// `[recrdeptask]`: the same for everything reachable.
    pub recrdeptask: Option<String>,
    /// `[recideptask]`: tasks whose own dependencies `recrdeptask` follows too.
    pub recideptask: Option<String>,
    /// `[nostamp]` is set: the task is never up to date.
    pub nostamp: bool,
    /// `[noexec]` is set: the task only leaves a stamp.
    pub noexec: bool,
    /// `[fakeroot]` is set.
    pub fakeroot: bool,
    /// `[umask]`.
    pub umask: Option<String>,
    /// `[stamp-extra-info]`, appended to the stamp's name.
    pub stamp_extra_info: Option<String>,
    /// `[file-checksums]`: words `PATH:True` or `PATH:False`; their contents go into the task hash.
    pub file_checksums: Option<String>,
    /// Hash of the task's own text and of all variables it uses; empty if the signature handler makes none.
    pub basehash: String,
}

/// FAKEROOTENV, FAKEROOTDIRS, FAKEROOTLOGS and FAKEROOTNOENV. "" where unset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FakerootRecord {
    /// FAKEROOTENV: words `NAME=value` for the environment of fakeroot tasks.
    pub env: String,
    /// FAKEROOTDIRS: directories to make before a fakeroot task.
    pub dirs: String,
    /// FAKEROOTLOGS: logs to show when fakeroot itself fails.
    pub logs: String,
    /// FAKEROOTNOENV: words for the environment of all other tasks.
    pub noenv: String,
}

/// A file that parsing depended on, and what it was at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDepend {
    /// Absolute path.
    pub path: String,
    /// `None` if the file did not exist; it may then never come into being unnoticed.
    pub fingerprint: Option<Fingerprint>,
}

/// What tells whether a file changed, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Modification time in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Size in bytes.
    pub size: u64,
    /// Inode number: a file moved over another one shows even with equal time and size.
    pub inode: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn own_name_is_provided_first_and_once() {
        let record =
            RecipeRecord { pn: "a".into(), provides: words("virtual/x a b b"), ..RecipeRecord::default() };
        assert_eq!(record.all_provides().collect::<Vec<_>>(), ["a", "virtual/x", "b"]);
    }

    #[test]
    fn runtime_depends_join_plain_and_package_lists() {
        let package = |name: &str, rdepends: &str, rrecommends: &str| PackageRecord {
            name: name.into(),
            rprovides: Vec::new(),
            rdepends: words(rdepends),
            rrecommends: words(rrecommends),
        };
        let record = RecipeRecord {
            rdepends: words("base"),
            packages: vec![package("a", "lib", "doc"), package("a-dev", "a lib", "")],
            ..RecipeRecord::default()
        };
        assert_eq!(record.all_runtime_depends(), ["base", "lib", "a", "doc"]);
    }

    #[test]
    fn a_record_survives_the_cache() {
        let record = RecipeRecord {
            file: "mc:one:virtual:native:/l/a_1.bb".into(),
            tasks: vec![TaskRecord {
                name: "do_x".into(),
                umask: Some("022".into()),
                ..TaskRecord::default()
            }],
            skipped: Some("no".into()),
            file_depends: vec![
                FileDepend {
                    path: "/l/a_1.bb".into(),
                    fingerprint: Some(Fingerprint { mtime_ns: -1, size: 3, inode: 9 }),
                },
                FileDepend { path: "/l/gone.inc".into(), fingerprint: None },
            ],
            ..RecipeRecord::default()
        };
        let bytes = postcard::to_stdvec(&record).unwrap();
        assert_eq!(postcard::from_bytes::<RecipeRecord>(&bytes).unwrap(), record);
    }
}
