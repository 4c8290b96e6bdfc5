//! The parse cache: what reading the metadata gave last time, and everything it depended on.
//!
//! One file per build directory. It is written to a temporary name, synced and renamed, so that a reader sees the old one or the new
//! one; a file that doesn't hash to its own checksum is treated as missing.

use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::project::Wanted;
use super::protocol::ConfigRecord;
use crate::catalog::RecipeRecord;
use crate::catalog::record::{FileDepend, Fingerprint};
use crate::recipe::{RecipeFile, stamp_of};

/// Changes whenever the file's layout does.
const FORMAT: &[u8; 16] = b"rbake parse 0004";

/// The file's name.
const FILE: &str = "rbake-parse.cache";

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
#[derive(Clone, Debug, Deserialize)]
struct Entry {
    recipe: RecipeFile,
    priority: i32,
    records: Vec<RecipeRecord>,
    depends: Vec<u32>,
}

#[derive(Default, Deserialize)]
struct Content {
    key: Hash,
    needs_python: bool,
    configuration: Vec<ConfigRecord>,
    configuration_depends: Vec<u32>,
    files: Vec<File>,
    entries: Vec<Entry>,
}

/// The cache of one build directory.
#[derive(Default)]
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
        let path = dir.join(FILE);
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

    /// Whether the metadata needed Python last time, from a glance at the file: right unless the file is damaged.
    pub fn probably_needs_python(dir: &Path) -> bool {
        let mut start = [0; FORMAT.len() + 2 * size_of::<Hash>() + 1];
        let read = fs::File::open(dir.join(FILE)).and_then(|mut file| file.read_exact(&mut start));
        // What comes first is the format, the checksum, the key, and then the answer.
        read.is_ok() && start.starts_with(FORMAT) && start.last() == Some(&1)
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
    pub fn configuration_hashes(&self) -> impl Iterator<Item = &String> {
        self.content.configuration.iter().map(|record| &record.hash)
    }

    /// Takes out a recipe's records, if nothing they depend on changed.
    pub fn take(&mut self, recipe: &RecipeFile, priority: i32) -> Option<Parsed> {
        let at = *self.by_recipe.get(&(recipe.mc.clone(), recipe.path.clone()))?;
        let entry = &mut self.content.entries[at];
        if entry.recipe != *recipe || entry.priority != priority {
            return None;
        }
        let depends = std::mem::take(&mut entry.depends);
        if !depends.iter().all(|file| self.is_unchanged(*file)) {
            return None;
        }
        Some(Parsed { records: std::mem::take(&mut self.content.entries[at].records), depends })
    }

    /// The files that cached recipes depend on, to be added to.
    pub fn table(&self) -> FileTable {
        let mut table = FileTable::default();
        for file in &self.content.files {
            table.add(&FileDepend { path: file.path.clone(), fingerprint: file.fingerprint });
        }
        table
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

    /// Writes a new cache in place of this one. The recipes' files are those of `table`.
    ///
    /// # Errors
    /// The folder can't be made or written to; the old file stays.
    pub fn replace(
        &self,
        needs_python: bool,
        configuration: &[ConfigRecord],
        recipes: &[(&Wanted, &Parsed)],
        mut table: FileTable,
    ) -> io::Result<()> {
        let mut records = Vec::with_capacity(configuration.len());
        let mut configuration_depends = Vec::new();
        for record in configuration {
            configuration_depends.extend(record.depends.iter().map(|depend| table.add(depend)));
            records.push(ConfigRecord { depends: Vec::new(), ..record.clone() });
        }
        // Only files that something still depends on are written, so their places change.
        let mut places: Vec<Option<u32>> = vec![None; table.files.len()];
        let mut files = Vec::new();
        let mut move_all = |depends: &[u32]| -> Vec<u32> {
            let place = |old: &u32| {
                *places[*old as usize].get_or_insert_with(|| {
                    files.push(&table.files[*old as usize]);
                    files.len() as u32 - 1
                })
            };
            depends.iter().map(place).collect()
        };
        let configuration_depends = move_all(&configuration_depends);
        let entries: Vec<_> = recipes
            .iter()
            .map(|(wanted, parsed)| {
                (&wanted.recipe, wanted.priority, &parsed.records, move_all(&parsed.depends))
            })
            .collect();
        let mut hashes: FxHashMap<(&str, Fingerprint), Hash> = FxHashMap::default();
        for file in &self.content.files {
            if let (Some(stamp), Some(content)) = (file.fingerprint, file.content) {
                hashes.insert((&file.path, stamp), content);
            }
        }
        let files: Vec<File> = files
            .into_iter()
            .map(|FileDepend { path, fingerprint: stamp }| {
                let content = stamp.and_then(|stamp| {
                    let known = hashes.get(&(path.as_str(), stamp)).copied();
                    // A file that changed since it was read has no hash: it will count as changed next time.
                    known.or_else(|| content_hash(path).filter(|_| fingerprint(path) == Some(stamp)))
                });
                File { path: path.clone(), fingerprint: *stamp, content }
            })
            .collect();
        // The same as a Content, from parts.
        write(&self.path, &(self.content.key, needs_python, records, configuration_depends, files, entries))
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

/// What reading a recipe gave.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Its variants. Their own lists of files are empty.
    pub records: Vec<RecipeRecord>,
    /// What they depend on, by place in the table.
    pub depends: Vec<u32>,
}

impl Parsed {
    /// From the records as a worker sends them.
    pub fn new(mut records: Vec<RecipeRecord>, table: &mut FileTable) -> Self {
        let mut depends: Vec<u32> = Vec::new();
        for record in &mut records {
            let files = std::mem::take(&mut record.file_depends);
            depends.extend(files.iter().map(|depend| table.add(depend)));
        }
        depends.sort_unstable();
        depends.dedup();
        Parsed { records, depends }
    }
}

/// Files as they were when something was read, each once.
#[derive(Default)]
pub struct FileTable {
    files: Vec<FileDepend>,
    places: FxHashMap<(String, Option<Fingerprint>), u32>,
}

impl FileTable {
    fn add(&mut self, depend: &FileDepend) -> u32 {
        // Looked up by a copy of the path: there are few files and many mentions, but a mention is short.
        let key = (depend.path.clone(), depend.fingerprint);
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let place = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(depend.clone());
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

/// A file, and the checksum of what is written to it.
struct Summed {
    file: io::BufWriter<fs::File>,
    sum: Sha256,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::other("no folder"))?;
    fs::create_dir_all(dir)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let result = (|| {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(FORMAT)?;
        file.write_all(&[0; 32])?;
        let mut body = Summed { file: io::BufWriter::new(file), sum: Sha256::new() };
        postcard::to_io(content, &mut body).map_err(io::Error::other)?;
        let mut file = body.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(io::SeekFrom::Start(FORMAT.len() as u64))?;
        file.write_all(&body.sum.finalize())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}
