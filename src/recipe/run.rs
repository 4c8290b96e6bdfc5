//! One run of reading metadata: caches of files and statements, the event handlers, the Python side.

use std::cell::{Cell, OnceCell, RefCell};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::depends::Stamp;
use super::sign::Signed;
use super::signatures::Signatures;
use crate::data::{Context, DataError, Host, Level, Store};
use crate::lang::lines::{self, File, FileKind};
use crate::lang::statement::SyntaxError;
use crate::python::interpreter::Handler;
use crate::python::scope::Python;

/// What all files read in one process share. The files are taken not to change meanwhile.
pub struct Run {
    /// The Python side.
    pub python: Rc<Python>,
    /// The context of every store.
    pub context: Rc<Context>,
    statements: RefCell<FxHashMap<Rc<str>, Rc<File>>>,
    /// Those of the configuration's files, then those of the recipe's own that is being read.
    own: RefCell<FxHashMap<Rc<str>, Rc<File>>>,
    stamps: RefCell<FxHashMap<Rc<str>, Option<Stamp>>>,
    pub(super) handlers: RefCell<Vec<Handler>>,
    /// How many files are being read, one inside the other.
    depth: Rc<Cell<usize>>,
    /// How many recipes, classes and include files were evaluated.
    files: Cell<u64>,
    signatures: OnceCell<Box<SignatureHook>>,
    /// Finished recipes that are signed only if somebody asks, by file name with variant.
    unsigned: RefCell<Option<FxHashMap<String, Store>>>,
}

/// More files inside each other than this are taken for a loop. No real layer comes near.
const MAX_FILES: usize = 100;

/// See [`Run::enter_file`].
pub(super) struct Depth(Rc<Cell<usize>>);

impl Drop for Depth {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Works out a finished recipe's hashes: file name with variant, and the store.
pub type SignatureHook = dyn Fn(&str, &Store) -> Result<(), DataError>;

impl Run {
    /// A run around a Python side.
    pub fn new(python: Rc<Python>) -> Rc<Self> {
        let context = Context::new(python.clone());
        Rc::new(Run {
            python,
            context,
            statements: RefCell::default(),
            own: RefCell::default(),
            stamps: RefCell::default(),
            handlers: RefCell::default(),
            depth: Rc::default(),
            files: Cell::default(),
            signatures: OnceCell::new(),
            unsigned: RefCell::default(),
        })
    }

    /// An empty store of this run.
    pub fn store(&self) -> Store {
        Store::new(self.context.clone())
    }

    /// Sets what works out the hashes of finished recipes. Once.
    pub fn set_signatures(&self, hook: Box<SignatureHook>) {
        let _ = self.signatures.set(hook);
    }

    pub(super) fn sign(&self, file: &str, store: &Store) -> Result<(), DataError> {
        let Some(hook) = self.signatures.get() else { return Ok(()) };
        if let Some(unsigned) = &mut *self.unsigned.borrow_mut() {
            unsigned.insert(file.to_owned(), store.copy());
            return Ok(());
        }
        hook(file, store)
    }

    /// From now on recipes are signed only when [`Run::signatures_of`] asks: a task seldom does, and its hash is known.
    pub fn sign_later(&self) {
        self.unsigned.borrow_mut().get_or_insert_default();
    }

    /// The signatures of a finished recipe, `file` with variant and multiconfig, as it was then; None if recipes aren't signed.
    ///
    /// # Errors
    /// It can't be signed.
    pub fn signatures_of(&self, file: &str, store: &Store) -> Result<Option<Rc<Signatures>>, DataError> {
        if let Some(signatures) = Signed::of(store) {
            return Ok(Some(signatures));
        }
        let unsigned = self.unsigned.borrow().as_ref().and_then(|unsigned| unsigned.get(file).cloned());
        let (Some(kept), Some(hook)) = (unsigned, self.signatures.get()) else { return Ok(None) };
        if Signed::of(&kept).is_none() {
            hook(file, &kept)?;
        }
        Ok(Signed::of(&kept))
    }

    /// Counts a file that is being read for as long as the result lives; None if too many are, one inside the other.
    pub(super) fn enter_file(&self) -> Option<Depth> {
        if self.depth.get() >= MAX_FILES {
            return None;
        }
        self.depth.set(self.depth.get() + 1);
        Some(Depth(self.depth.clone()))
    }

    /// The working directory. Metadata may change it.
    pub fn cwd(&self) -> String {
        std::env::current_dir().map(|dir| dir.to_string_lossy().into_owned()).unwrap_or_else(|_| "/".into())
    }

    /// A path made absolute from the working directory.
    pub fn absolute(&self, path: &str) -> String {
        absolute(&self.cwd(), path)
    }

    /// A file's stamp; None if there is no such file. Remembered for the run.
    pub fn stamp(&self, file: &str) -> Option<Stamp> {
        if !file.starts_with('/') {
            return self.stamp(&join(&self.cwd(), file));
        }
        if let Some(stamp) = self.stamps.borrow().get(file) {
            return *stamp;
        }
        let stamp = stamp_of(file);
        self.stamps.borrow_mut().insert(file.into(), stamp);
        stamp
    }

    /// A file's stamp as it is now, remembered instead of the old one.
    pub fn fresh_stamp(&self, file: &str) -> Option<Stamp> {
        if !file.starts_with('/') {
            return self.fresh_stamp(&join(&self.cwd(), file));
        }
        let stamp = stamp_of(file);
        self.stamps.borrow_mut().insert(file.into(), stamp);
        stamp
    }

    /// Forgets what is known of files, for a process that lives on.
    pub fn forget_files(&self) {
        self.stamps.borrow_mut().clear();
        self.statements.borrow_mut().clear();
        self.own.borrow_mut().clear();
    }

    /// Looks for `item` along a colon-separated path: the file found, made absolute, and every place tried.
    pub fn which(&self, path: &str, item: &str) -> (Option<String>, Vec<String>) {
        let mut tried = Vec::new();
        for dir in path.split(':') {
            let candidate = join(dir, item);
            tried.push(candidate.clone());
            if self.stamp(&candidate).is_some() {
                let found = if candidate.starts_with('/') { candidate } else { self.absolute(&candidate) };
                return (Some(found), tried);
            }
        }
        (None, tried)
    }

    /// Classes and include files whose statements are kept, by absolute path.
    pub fn kept_files(&self) -> Vec<String> {
        self.statements.borrow().keys().map(|path| path.to_string()).collect()
    }

    /// Reads the statements of classes and include files ahead, for the processes to be forked from this one. What is wrong with them
    /// is for whoever needs them to find.
    pub fn keep_files(&self, paths: &[String]) {
        for path in paths.iter().filter(|path| keepable(path)) {
            if self.statements.borrow().contains_key(path.as_str()) {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(path) else { continue };
            let base = path.rsplit('/').next().unwrap_or(path);
            let class = base.strip_suffix(".bbclass").unwrap_or_default();
            // Warnings are said while reading, so a file with one is read each time.
            if let Ok(file) = lines::parse(&text, path, class, FileKind::Recipe)
                && file.warnings.is_empty()
            {
                self.statements.borrow_mut().insert(path.as_str().into(), Rc::new(file));
            }
        }
    }

    /// A file's statements. Those of classes and include files are kept: many recipes share them.
    pub(super) fn statements(&self, path: &str, shown: &str, kind: FileKind) -> Result<Rc<File>, DataError> {
        if let Some(file) = self.statements.borrow().get(path) {
            return Ok(file.clone());
        }
        let bytes = std::fs::read(path).map_err(|error| io_error(&error, path))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(at).copied().unwrap_or_default();
            let reason = if error.utf8_error().error_len().is_none() {
                "unexpected end of data"
            } else if matches!(byte, 0x80..=0xc1 | 0xf5..=0xff) {
                "invalid start byte"
            } else {
                "invalid continuation byte"
            };
            DataError::raised(
                "UnicodeDecodeError",
                format!("'utf-8' codec can't decode byte 0x{byte:02x} in position {at}: {reason}"),
            )
        })?;
        let base = shown.rsplit('/').next().unwrap_or(shown);
        let class = base.strip_suffix(".bbclass").unwrap_or_default();
        let parsed = lines::parse(&text, shown, class, kind);
        let warnings = parsed.as_ref().map_or_else(|error| &error.warnings, |file| &file.warnings);
        for warning in warnings {
            self.python.log(Level::Warning, &warning.text);
        }
        let file = parsed.map_err(|error| self.syntax_error(shown, error))?;
        let file = Rc::new(file);
        let keep = if keepable(shown) { &self.statements } else { &self.own };
        keep.borrow_mut().insert(path.into(), file.clone());
        Ok(file)
    }

    /// Forgets the statements of the files that only the last recipe read.
    pub(super) fn begin_recipe(&self) {
        self.own.borrow_mut().clear();
    }

    /// The statements of a file that the recipe at hand, or all recipes, read.
    pub(super) fn known_statements(&self, path: &str) -> Option<Rc<File>> {
        let shared = self.statements.borrow().get(path).cloned();
        shared.or_else(|| self.own.borrow().get(path).cloned())
    }

    /// Counts one more file that is evaluated; gives the number.
    pub(super) fn count_file(&self) -> u64 {
        self.files.set(self.files.get() + 1);
        self.files.get()
    }

    /// How many files were counted.
    pub(super) fn files(&self) -> u64 {
        self.files.get()
    }

    pub(super) fn syntax_error(&self, path: &str, error: SyntaxError) -> DataError {
        if error.fatal {
            self.python.log(Level::Error, &error.message);
            return DataError::Handled;
        }
        DataError::Parse { file: path.into(), line: error.line, message: error.message }
    }
}

/// Many recipes share such a file.
fn keepable(path: &str) -> bool {
    path.ends_with(".bbclass") || path.ends_with(".inc")
}

/// `os.path.join` of two parts.
pub fn join(dir: &str, item: &str) -> String {
    if item.starts_with('/') || dir.is_empty() {
        item.to_owned()
    } else if dir.ends_with('/') {
        format!("{dir}{item}")
    } else {
        format!("{dir}/{item}")
    }
}

/// The folder of a path, as `os.path.dirname` gives it.
pub fn dirname(path: &str) -> &str {
    match path.rfind('/') {
        None => "",
        Some(0) => "/",
        Some(at) => path[..at].trim_end_matches('/'),
    }
}

/// An operating system error as metadata code sees it.
pub fn io_error(error: &std::io::Error, path: &str) -> DataError {
    let class = match error.kind() {
        std::io::ErrorKind::NotFound => "FileNotFoundError",
        std::io::ErrorKind::PermissionDenied => "PermissionError",
        std::io::ErrorKind::IsADirectory => "IsADirectoryError",
        _ => "OSError",
    };
    DataError::raised(class, format!("{error}: '{path}'"))
}

/// The stamp of a file as it is now.
pub fn stamp_of(file: &str) -> Option<Stamp> {
    let meta = std::fs::metadata(file).ok()?;
    Some(Stamp {
        mtime_ns: i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()),
        size: meta.size(),
        inode: meta.ino(),
    })
}

/// `os.path.abspath`: absolute and without `.`, `..` and double slashes, by text alone.
pub fn absolute(cwd: &str, path: &str) -> String {
    let mut out = PathBuf::new();
    for part in Path::new(cwd).join(path).components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out.to_string_lossy().into_owned()
}
