//! The parse cache: what reading the metadata gave last time, and everything it depended on.
//!
//! One file per build directory. It is written to a temporary name, synced and renamed, so that a reader sees the old one or the new
//! one; a file that doesn't hash to its own checksum is treated as missing.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::protocol::ConfigRecord;
use crate::catalog::RecipeRecord;
use crate::catalog::record::{FileDepend, Fingerprint};
use crate::recipe::{RecipeFile, stamp_of};

/// Changes whenever the file's layout does.
const FORMAT: &[u8; 16] = b"rbake parse 0003";

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// A file that something was read from, or that was looked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct File {
    path: String,
    /// None if there was no such file.
    fingerprint: Option<Fingerprint>,
    /// The content's hash, to recognise a file that was only touched.
    content: Option<Hash>,
}

/// A recipe's records and the files they depend on, by place in the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    recipe: RecipeFile,
    priority: i32,
    records: Vec<RecipeRecord>,
    depends: Vec<u32>,
}

#[derive(Default, Serialize, Deserialize)]
struct Content {
    key: Hash,
    needs_python: bool,
    configuration: Vec<ConfigRecord>,
    configuration_depends: Vec<u32>,
    files: Vec<File>,
    entries: Vec<Entry>,
}

/// The cache of one build directory.
pub struct ParseCache {
    path: PathBuf,
    content: Content,
    /// Whether each file of the table is as it was; found out when first asked.
    unchanged: Vec<Option<bool>>,
    by_recipe: FxHashMap<(String, String), usize>,
}

impl ParseCache {
    /// Opens the cache in `dir`. `key` stands for everything but files that the metadata's meaning depends on: the environment, the
    /// options, the program itself. With another key, or if the file is damaged, the cache is empty.
    pub fn open(dir: &Path, key: Hash) -> Self {
        let path = dir.join("rbake-parse.cache");
        let mut content = read(&path).unwrap_or_default();
        if content.key != key {
            let needs_python = content.needs_python;
            content = Content { key, needs_python, ..Content::default() };
        }
        let unchanged = vec![None; content.files.len()];
        let by_recipe = content
            .entries
            .iter()
            .enumerate()
            .map(|(at, entry)| ((entry.recipe.mc.clone(), entry.recipe.path.clone()), at))
            .collect();
        ParseCache { path, content, unchanged, by_recipe }
    }

    /// True if the metadata needed Python last time.
    pub fn needs_python(&self) -> bool {
        self.content.needs_python
    }

    /// How many recipe files it holds.
    pub fn len(&self) -> usize {
        self.content.entries.len()
    }

    /// True if it holds none.
    pub fn is_empty(&self) -> bool {
        self.content.entries.is_empty()
    }

    /// The configuration, if none of its files changed.
    pub fn configuration(&mut self) -> Option<&[ConfigRecord]> {
        if self.content.configuration.is_empty() {
            return None;
        }
        let depends = std::mem::take(&mut self.content.configuration_depends);
        let valid = depends.iter().all(|file| self.is_unchanged(*file));
        self.content.configuration_depends = depends;
        valid.then_some(&*self.content.configuration)
    }

    /// The hashes of the configurations that the cached recipes were read with.
    pub fn configuration_hashes(&self) -> Vec<String> {
        self.content.configuration.iter().map(|record| record.hash.clone()).collect()
    }

    /// A recipe's records, if nothing they depend on changed.
    pub fn recipe(&mut self, recipe: &RecipeFile, priority: i32) -> Option<&[RecipeRecord]> {
        let at = *self.by_recipe.get(&(recipe.mc.clone(), recipe.path.clone()))?;
        let entry = &mut self.content.entries[at];
        if entry.recipe != *recipe || entry.priority != priority {
            return None;
        }
        let depends = std::mem::take(&mut entry.depends);
        let valid = depends.iter().all(|file| self.is_unchanged(*file));
        let entry = &mut self.content.entries[at];
        entry.depends = depends;
        valid.then_some(&*entry.records)
    }

    fn is_unchanged(&mut self, file: u32) -> bool {
        let at = file as usize;
        if let Some(known) = self.unchanged[at] {
            return known;
        }
        let file = &mut self.content.files[at];
        let now = fingerprint(&file.path);
        let mut same = now == file.fingerprint;
        if !same
            && let (Some(now), Some(content)) = (now, file.content)
            && content_hash(&file.path) == Some(content)
        {
            file.fingerprint = Some(now);
            same = true;
        }
        self.unchanged[at] = Some(same);
        same
    }

    /// Writes a new cache in place of this one.
    ///
    /// # Errors
    /// The folder can't be made or written to; the old file stays.
    pub fn replace(
        &self,
        needs_python: bool,
        configuration: &[ConfigRecord],
        recipes: &[(RecipeFile, i32, Vec<RecipeRecord>, Vec<FileDepend>)],
    ) -> io::Result<()> {
        let mut table = Table::new(&self.content.files);
        let mut content = Content { key: self.content.key, needs_python, ..Content::default() };
        for record in configuration {
            content.configuration_depends.extend(record.depends.iter().map(|depend| table.add(depend)));
            content.configuration.push(ConfigRecord { depends: Vec::new(), ..record.clone() });
        }
        for (recipe, priority, records, depends) in recipes {
            content.entries.push(Entry {
                recipe: recipe.clone(),
                priority: *priority,
                records: records.clone(),
                depends: depends.iter().map(|depend| table.add(depend)).collect(),
            });
        }
        content.files = table.files;
        write(&self.path, &content)
    }

    /// The files that a cached recipe depends on, for a new cache that keeps it.
    pub fn depends(&self, recipe: &RecipeFile) -> Vec<FileDepend> {
        let Some(at) = self.by_recipe.get(&(recipe.mc.clone(), recipe.path.clone())) else {
            return Vec::new();
        };
        self.content.entries[*at].depends.iter().map(|file| self.depend(*file)).collect()
    }

    /// The configuration's files.
    pub fn configuration_depends(&self) -> Vec<FileDepend> {
        self.content.configuration_depends.iter().map(|file| self.depend(*file)).collect()
    }

    fn depend(&self, file: u32) -> FileDepend {
        let file = &self.content.files[file as usize];
        FileDepend { path: file.path.clone(), fingerprint: file.fingerprint }
    }
}

/// The table of files of a cache being written.
struct Table {
    files: Vec<File>,
    places: FxHashMap<(String, Option<Fingerprint>), u32>,
    /// Content hashes known from the cache before.
    hashes: FxHashMap<(String, Fingerprint), Hash>,
}

impl Table {
    fn new(old: &[File]) -> Self {
        let hash = |file: &File| Some(((file.path.clone(), file.fingerprint?), file.content?));
        Table {
            files: Vec::new(),
            places: FxHashMap::default(),
            hashes: old.iter().filter_map(hash).collect(),
        }
    }

    fn add(&mut self, depend: &FileDepend) -> u32 {
        let key = (depend.path.clone(), depend.fingerprint);
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let content = depend.fingerprint.and_then(|stamp| {
            let known = self.hashes.get(&(depend.path.clone(), stamp)).copied();
            // A file that changed since it was read has no hash: it will count as changed next time.
            known.or_else(|| content_hash(&depend.path).filter(|_| fingerprint(&depend.path) == Some(stamp)))
        });
        let place = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(File { path: depend.path.clone(), fingerprint: depend.fingerprint, content });
        self.places.insert(key, place);
        place
    }
}

/// What tells whether a file changed, as it is now.
pub fn fingerprint(path: &str) -> Option<Fingerprint> {
    let stamp = stamp_of(path)?;
    Some(Fingerprint { mtime_ns: stamp.mtime_ns as i64, size: stamp.size, inode: stamp.inode })
}

/// The hash of a file's content; None for folders and what can't be read.
fn content_hash(path: &str) -> Option<Hash> {
    let meta = fs::metadata(path).ok()?;
    if !meta.is_file() {
        return None;
    }
    Some(Sha256::digest(fs::read(path).ok()?).into())
}

fn read(path: &Path) -> Option<Content> {
    let bytes = fs::read(path).ok()?;
    let body = bytes.strip_prefix(FORMAT)?;
    let (sum, body) = body.split_at_checked(32)?;
    if Sha256::digest(body).as_slice() != sum {
        return None;
    }
    let content: Content = postcard::from_bytes(body).ok()?;
    let in_table = |place: &u32| (*place as usize) < content.files.len();
    let sound = content.configuration_depends.iter().all(in_table)
        && content.entries.iter().all(|entry| entry.depends.iter().all(in_table));
    sound.then_some(content)
}

fn write(path: &Path, content: &Content) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::other("no folder"))?;
    fs::create_dir_all(dir)?;
    let body = postcard::to_stdvec(content).map_err(io::Error::other)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let result = (|| {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(FORMAT)?;
        file.write_all(&Sha256::digest(&body))?;
        file.write_all(&body)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}
