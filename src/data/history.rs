//! Who set what where: the history of variables and the tree of included files.

use std::fmt::Write;
use std::panic::Location;
use std::rc::Rc;

use rustc_hash::FxHashMap;

/// Where a change comes from.
#[derive(Clone, Copy)]
pub enum Origin<'a> {
    /// A statement of a metadata file.
    Statement {
        /// The file.
        file: &'a Rc<str>,
        /// Line, from 1.
        line: u32,
    },
    /// The engine itself.
    Engine {
        /// What it was doing.
        function: &'static str,
        /// The place in the engine's source.
        at: &'static Location<'static>,
    },
    /// Python code, to be asked of the host.
    Caller,
    /// Not to be recorded.
    Hidden,
}

impl Origin<'_> {
    /// A change by the engine while doing `function`.
    #[track_caller]
    pub fn engine(function: &'static str) -> Self {
        Origin::Engine { function, at: Location::caller() }
    }
}

/// One recorded change.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The kind of change, in BitBake's words: `set`, `append`, `:append[foo]`, …
    pub op: Rc<str>,
    /// The file.
    pub file: Rc<str>,
    /// Line, from 1.
    pub line: u32,
    /// The function, if code and not a statement did it.
    pub function: Option<Rc<str>>,
    /// The flag, if it is about one.
    pub flag: Option<Rc<str>>,
    /// The text that was set, added or removed.
    pub detail: Rc<str>,
}

/// The changes of all variables, recorded while tracking is on.
#[derive(Clone, Default)]
pub struct History(Rc<FxHashMap<Rc<str>, Vec<Event>>>);

impl History {
    /// Adds a change of `variable`.
    pub fn record(&mut self, variable: &str, event: Event) {
        let map = Rc::make_mut(&mut self.0);
        match map.get_mut(variable) {
            Some(events) => events.push(event),
            None => {
                map.insert(variable.into(), vec![event]);
            }
        }
    }

    /// Copies the changes of one variable to another, for a rename.
    pub fn rename(&mut self, old: &str, new: &str) {
        if let Some(events) = self.0.get(old).cloned() {
            Rc::make_mut(&mut self.0).entry(new.into()).or_default().extend(events);
        }
    }

    /// The changes of a variable, oldest first.
    pub fn of(&self, variable: &str) -> &[Event] {
        self.0.get(variable).map_or(&[], Vec::as_slice)
    }

    /// Forgets the changes of a variable.
    pub fn forget(&mut self, variable: &str) {
        if self.0.contains_key(variable) {
            Rc::make_mut(&mut self.0).insert(variable.into(), Vec::new());
        }
    }
}

/// One file in the tree of includes.
#[derive(Clone, Debug, Default)]
pub struct Include {
    /// Path as it was asked for.
    pub file: Rc<str>,
    /// The files it included, in order.
    pub children: Vec<Include>,
}

/// The tree of included files, and the place where the next one belongs.
#[derive(Clone, Default)]
pub struct IncludeTree {
    root: Rc<Include>,
    path: Vec<usize>,
}

impl IncludeTree {
    /// Enters a file.
    pub fn enter(&mut self, file: &str) {
        let mut node = Rc::make_mut(&mut self.root);
        for &step in &self.path {
            node = &mut node.children[step];
        }
        node.children.push(Include { file: file.into(), children: Vec::new() });
        self.path.push(node.children.len() - 1);
    }

    /// Leaves the file entered last.
    pub fn leave(&mut self) {
        self.path.pop();
    }

    /// The text `-e` opens with.
    pub fn text(&self) -> String {
        let mut out = String::from("#\n# INCLUDE HISTORY:\n#");
        for child in &self.root.children {
            write_include(&mut out, child, 0);
        }
        out
    }
}

fn write_include(out: &mut String, include: &Include, level: usize) {
    let includes = if include.children.is_empty() { "" } else { " includes:" };
    // Writing to a String can't fail.
    let _ = write!(out, "\n# {}{}{includes}", "  ".repeat(level), include.file);
    for child in &include.children {
        write_include(out, child, level + 1);
    }
}
