//! The directories that recipes are looked for in, as a trait so that tests need no disk, and wildcards over them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::lang::fnmatch;

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name. Names that are not UTF-8 are left out: no variable could name them.
    pub name: String,
    /// It is a directory, or a symbolic link to one.
    pub is_dir: bool,
    /// It is a symbolic link.
    pub is_link: bool,
}

/// Directories and files, read only.
pub trait Tree {
    /// The entries of a directory in any order; none if it cannot be read. "" is the current directory.
    fn list(&self, dir: &str) -> Rc<[Entry]>;
    /// Whether there is something at the path, be it a dangling link.
    fn exists(&self, path: &str) -> bool;
    /// Whether the path is a directory, links followed.
    fn is_dir(&self, path: &str) -> bool;
    /// The directories listed so far: a new recipe shows as a change in one of these.
    fn listed(&self) -> Vec<String>;
}

/// The machine's file system. Every directory is read at most once, since patterns share most of their way.
#[derive(Debug, Default)]
pub struct OsTree {
    listings: RefCell<FxHashMap<String, Rc<[Entry]>>>,
}

impl OsTree {
    /// A view that has read nothing yet. What is read later is remembered as it was.
    pub fn new() -> OsTree {
        OsTree::default()
    }

    fn read(dir: &str) -> Rc<[Entry]> {
        let dir = if dir.is_empty() { "." } else { dir };
        let Ok(entries) = std::fs::read_dir(dir) else { return Rc::from([]) };
        entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let kind = entry.file_type().ok()?;
                let is_link = kind.is_symlink();
                let is_dir =
                    kind.is_dir() || (is_link && std::fs::metadata(entry.path()).is_ok_and(|m| m.is_dir()));
                Some(Entry { name: entry.file_name().into_string().ok()?, is_dir, is_link })
            })
            .collect()
    }
}

impl Tree for OsTree {
    fn list(&self, dir: &str) -> Rc<[Entry]> {
        if let Some(known) = self.listings.borrow().get(dir) {
            return Rc::clone(known);
        }
        let entries = OsTree::read(dir);
        self.listings.borrow_mut().insert(dir.to_string(), Rc::clone(&entries));
        entries
    }

    fn exists(&self, path: &str) -> bool {
        std::fs::symlink_metadata(path).is_ok()
    }

    fn is_dir(&self, path: &str) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
    }

    fn listed(&self) -> Vec<String> {
        let dirs: BTreeSet<String> = self.listings.borrow().keys().cloned().collect();
        dirs.into_iter().collect()
    }
}

/// The paths that match `pattern`, sorted. Hidden names only match a pattern that starts with a dot itself.
pub fn glob(tree: &dyn Tree, pattern: &str) -> Vec<String> {
    let mut found = glob_unsorted(tree, pattern, false);
    found.sort_unstable();
    found
}

fn glob_unsorted(tree: &dyn Tree, pattern: &str, directories_only: bool) -> Vec<String> {
    let (dir, base) = split(pattern);
    if !fnmatch::has_wildcard(pattern) {
        let there = if base.is_empty() { tree.is_dir(dir) } else { tree.exists(pattern) };
        return Vec::from_iter(there.then(|| pattern.to_string()));
    }
    let dirs = if fnmatch::has_wildcard(dir) && dir != pattern {
        glob_unsorted(tree, dir, true)
    } else {
        vec![dir.to_string()]
    };
    let mut found = Vec::new();
    for dir in dirs {
        if fnmatch::has_wildcard(base) {
            let hidden = base.starts_with('.');
            for entry in tree.list(&dir).iter() {
                if (entry.is_dir || !directories_only)
                    && (hidden || !entry.name.starts_with('.'))
                    && fnmatch::matches(base, &entry.name)
                {
                    found.push(join(&dir, &entry.name));
                }
            }
        } else {
            let path = join(&dir, base);
            if if base.is_empty() { tree.is_dir(&dir) } else { tree.exists(&path) } {
                found.push(path);
            }
        }
    }
    found
}

/// All `.bb` and `.bbappend` files below a directory, sorted; links to directories are not followed.
pub fn recipes_below(tree: &dyn Tree, dir: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_string()];
    while let Some(dir) = open.pop() {
        for entry in tree.list(&dir).iter() {
            let path = join(&dir, &entry.name);
            if entry.is_dir {
                if !entry.is_link && !["SCCS", "CVS", ".svn"].contains(&entry.name.as_str()) {
                    open.push(path);
                }
            } else if entry.name.ends_with(".bb") || entry.name.ends_with(".bbappend") {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    found
}

/// `dir/name`, as Python joins them.
pub(crate) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() || dir.ends_with('/') { format!("{dir}{name}") } else { format!("{dir}/{name}") }
}

/// What is before and after the last slash; the slashes themselves only stay with the root.
fn split(path: &str) -> (&str, &str) {
    let place = path.rfind('/').map_or(0, |place| place + 1);
    let (dir, base) = path.split_at(place);
    let trimmed = dir.trim_end_matches('/');
    (if trimmed.is_empty() { dir } else { trimmed }, base)
}
