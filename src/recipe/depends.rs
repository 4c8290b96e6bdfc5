//! The files a recipe was made from, and those that were looked for and not found.

use std::any::Any;
use std::rc::Rc;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::run::Run;
use crate::data::{Object, Store, Value};

/// What identifies a file's content without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Time of last change, in nanoseconds since 1970.
    pub mtime_ns: i128,
    /// Length in bytes.
    pub size: u64,
    /// Inode number.
    pub inode: u64,
}

/// The value of `__depends`: files in order of first use, each with its stamp, or None where there was no file.
#[derive(Clone, Default, Debug)]
pub struct FileDepends {
    files: Vec<(Rc<str>, Option<Stamp>)>,
    known: FxHashSet<(Rc<str>, Option<Stamp>)>,
}

impl FileDepends {
    /// The files in order.
    pub fn files(&self) -> &[(Rc<str>, Option<Stamp>)] {
        &self.files
    }

    fn add(&mut self, file: &str, stamp: Option<Stamp>) {
        let entry = (Rc::from(file), stamp);
        if self.known.insert(entry.clone()) {
            self.files.push(entry);
        }
    }
}

impl Object for FileDepends {
    fn text(&self) -> String {
        let items = self.files.iter().map(|(file, stamp)| {
            let stamp = match stamp {
                Some(s) => format!("({}, {}, {})", s.mtime_ns, s.size, s.inode),
                None => "0".into(),
            };
            format!("({}, {stamp})", crate::data::repr_str(file))
        });
        format!("[{}]", items.collect::<Vec<_>>().join(", "))
    }

    fn truth(&self) -> bool {
        !self.files.is_empty()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// The files recorded under `name` (`__depends` or `__base_depends`).
pub fn recorded(store: &Store, name: &str) -> Vec<(Rc<str>, Option<Stamp>)> {
    let content = store.find(name).and_then(|var| var.content.clone());
    match content {
        Some(Value::Object(object)) => {
            object.as_any().downcast_ref::<FileDepends>().map(|d| d.files.clone()).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

impl Run {
    /// Records that the current file depends on `file`, be it there or not (`bb.parse.mark_dependency`).
    pub fn mark_dependency(&self, store: &Store, file: &str) {
        let absolute;
        let file = match file.strip_prefix("./") {
            Some(rest) => {
                absolute = format!("{}/{rest}", self.cwd());
                &absolute
            }
            None => file,
        };
        let stamp = self.stamp(file);
        store.with_object("__depends", |depends: &mut FileDepends| depends.add(file, stamp));
    }

    /// True if the file, as it is now, is recorded already.
    pub fn is_dependency(&self, store: &Store, file: &str) -> bool {
        let entry = (Rc::from(file), self.stamp(file));
        store.with_object("__depends", |depends: &mut FileDepends| depends.known.contains(&entry))
    }

    /// The value of BBINCLUDED: every file read or looked for, configuration first.
    pub fn included(&self, store: &Store) -> String {
        let mut files = recorded(store, "__base_depends");
        files.extend(recorded(store, "__depends"));
        let absolute = |file: &Rc<str>| self.absolute(file);
        files.iter().map(|(file, _)| absolute(file)).collect::<Vec<_>>().join(" ")
    }
}
