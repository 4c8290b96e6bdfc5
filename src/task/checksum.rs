//! Checksums of the files in a task's `[file-checksums]` (BitBake manual, "Variable Flags").

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use md5::{Digest, Md5};
use rustc_hash::FxHashMap;

use crate::lang::fnmatch;
use crate::recipe::hex;

/// A file that counts, and its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChecksum {
    /// Its path; `/./` marks where a directory that was named ends.
    pub path: String,
    /// MD5 in hexadecimal.
    pub sum: String,
}

impl FileChecksum {
    /// The part of the path that doesn't depend on where the layer is, by which checksums are sorted.
    pub fn clean_path(&self) -> String {
        match self.path.split("/./").nth(1) {
            Some(inner) => format!("./{inner}"),
            None => self.path.rsplit('/').next().unwrap_or_default().to_owned(),
        }
    }
}

/// Finds checksums; those of single files are remembered. Files are taken not to change meanwhile.
#[derive(Default)]
pub struct Checksums {
    known: Mutex<FxHashMap<String, Option<String>>>,
}

impl Checksums {
    /// The checksums of a list `PATH:True PATH:False …`, sorted by checksum. What is marked False, or in a directory whose name is
    /// among `excluded`, is left out; `warn` hears of files that can't be read.
    ///
    /// # Errors
    /// The root directory is in the list.
    pub fn of_list(
        &self,
        list: &str,
        excluded: &[String],
        warn: &mut dyn FnMut(&str),
    ) -> Result<Vec<FileChecksum>, String> {
        let mut found = Vec::new();
        for entry in entries(list) {
            let Some((path, state)) = entry.rsplit_once(':') else { continue };
            if path.is_empty() || state == "False" {
                continue;
            }
            let paths = if path.contains('*') { glob(path) } else { vec![path.to_owned()] };
            for path in paths {
                if !Path::new(&path).is_dir() {
                    self.add(&path, &path, &mut found, warn);
                } else if !Path::new(&path).is_symlink() {
                    let top = path.trim_end_matches('/');
                    if top.is_empty() {
                        return Err("Refusing to checksum /".to_owned());
                    }
                    self.add_tree(top, top, excluded, &mut found, warn);
                }
            }
        }
        found.sort_by(|a, b| a.sum.cmp(&b.sum));
        Ok(found)
    }

    fn add(&self, path: &str, shown: &str, found: &mut Vec<FileChecksum>, warn: &mut dyn FnMut(&str)) {
        match self.of_file(path) {
            Some(sum) => found.push(FileChecksum { path: shown.to_owned(), sum }),
            None => warn(shown),
        }
    }

    fn add_tree(
        &self,
        dir: &str,
        top: &str,
        excluded: &[String],
        found: &mut Vec<FileChecksum>,
        warn: &mut dyn FnMut(&str),
    ) {
        let mut names: BTreeMap<String, bool> = BTreeMap::new();
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            // A link to a directory is neither walked nor read.
            let is_dir = entry.path().is_dir();
            if !is_dir || !kind.is_symlink() {
                names.insert(entry.file_name().to_string_lossy().into_owned(), is_dir);
            }
        }
        for (name, is_dir) in names {
            let path = format!("{dir}/{name}");
            if !is_dir {
                let shown = format!("{top}/.{}", &path[top.len()..]);
                self.add(&path, &shown, found, warn);
            } else if !excluded.contains(&name) {
                self.add_tree(&path, top, excluded, found, warn);
            }
        }
    }

    fn of_file(&self, path: &str) -> Option<String> {
        if let Ok(known) = self.known.lock()
            && let Some(sum) = known.get(path)
        {
            return sum.clone();
        }
        let sum = fs::read(path).ok().map(|bytes| hex(&Md5::digest(bytes)));
        if let Ok(mut known) = self.known.lock() {
            known.insert(path.to_owned(), sum.clone());
        }
        sum
    }
}

/// The entries of a list: each ends in `:True` or `:False`, since paths may hold blanks.
fn entries(list: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, c) in list.char_indices() {
        let part = &list[start..at];
        if c.is_whitespace() && (part.ends_with(":True") || part.ends_with(":False")) {
            found.push(part.trim());
            start = at;
        }
    }
    found.push(list[start..].trim());
    found.retain(|part| !part.is_empty());
    found
}

/// The files that a path with wildcards stands for, sorted.
fn glob(pattern: &str) -> Vec<String> {
    let mut paths = vec![String::new()];
    for part in pattern.split('/').skip(usize::from(pattern.starts_with('/'))) {
        let mut next = Vec::new();
        for dir in &paths {
            if !part.contains(['*', '?', '[']) {
                let path = format!("{dir}/{part}");
                if Path::new(&path).exists() {
                    next.push(path);
                }
                continue;
            }
            let mut names: Vec<String> = fs::read_dir(format!("{dir}/"))
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|name| {
                    (!name.starts_with('.') || part.starts_with('.')) && fnmatch::matches(part, name)
                })
                .collect();
            names.sort();
            next.extend(names.into_iter().map(|name| format!("{dir}/{name}")));
        }
        paths = next;
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_behind_their_states() {
        assert_eq!(entries("/a b:True /c:False\n/d:True"), ["/a b:True", "/c:False", "/d:True"]);
        assert_eq!(entries("  "), [""; 0]);
    }

    #[test]
    fn files_directories_and_wildcards() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().to_str().unwrap();
        for (name, text) in [("a", "1"), ("tree/x", "2"), ("tree/.git/y", "3"), ("tree/sub/z", "1")] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let list = format!("{top}/a:True {top}/no:False {top}/tree:True {top}/tr*/x:True {top}/gone:True");
        let mut missing = Vec::new();
        let found = Checksums::default()
            .of_list(&list, &[".git".into()], &mut |path| missing.push(path.to_owned()))
            .unwrap();
        // MD5 of "1" and of "2".
        let (one, two) = ("c4ca4238a0b923820dcc509a6f75849b", "c81e728d9d4c2f636f067f89cc14862c");
        let mut found: Vec<(String, String)> =
            found.into_iter().map(|file| (file.path.replace(top, ""), file.sum)).collect();
        found.sort();
        let expected = [("/a", one), ("/tree/./sub/z", one), ("/tree/./x", two), ("/tree/x", two)];
        assert_eq!(found, expected.map(|(path, sum)| (path.to_owned(), sum.to_owned())));
        assert_eq!(missing, [format!("{top}/gone")]);
    }

    #[test]
    fn what_counts_of_a_path() {
        let clean = |path: &str| FileChecksum { path: path.into(), sum: String::new() }.clean_path();
        assert_eq!(
            (clean("/l/files/a.patch"), clean("/l/tree/./sub/z")),
            ("a.patch".into(), "./sub/z".into())
        );
    }
}
