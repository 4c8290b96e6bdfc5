//! Names as numbers: the recipes of a build share most of theirs.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

/// A name's number.
pub type Name = u32;

/// The names that task signatures met so far.
#[derive(Default)]
pub struct Names {
    texts: Vec<Rc<str>>,
    numbers: FxHashMap<Rc<str>, Name>,
    /// BB_BASEHASH_IGNORE_VARS.
    ignored: FxHashSet<String>,
    /// By number: whether it is one of those.
    is_ignored: Vec<bool>,
    /// Flags of variables: the number of `VAR[flag]` by those of both.
    flags: FxHashMap<(Name, Name), Name>,
    /// By number: its place in the graph that is being made, counted from 1, and which graph that was.
    places: Vec<(u32, u32)>,
    graph: u32,
}

impl Names {
    /// No names yet. `ignored`: BB_BASEHASH_IGNORE_VARS.
    pub fn new(ignored: FxHashSet<String>) -> Self {
        Names { ignored, ..Names::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Forgets all names.
    pub fn clear(&mut self) {
        *self = Names::new(std::mem::take(&mut self.ignored));
    }

    /// The number of a name.
    pub fn id(&mut self, name: &str) -> Name {
        if let Some(id) = self.numbers.get(name) {
            return *id;
        }
        let id = self.texts.len() as Name;
        let text: Rc<str> = name.into();
        self.texts.push(text.clone());
        self.is_ignored.push(self.ignored.contains(name));
        self.places.push((0, 0));
        self.numbers.insert(text, id);
        id
    }

    /// The number of `VAR[flag]`.
    pub fn flag(&mut self, variable: Name, flag: &str) -> Name {
        let flag_id = self.id(flag);
        if let Some(id) = self.flags.get(&(variable, flag_id)) {
            return *id;
        }
        let id = self.id(&format!("{}[{flag}]", self.texts[variable as usize]));
        self.flags.insert((variable, flag_id), id);
        id
    }

    /// A name's text.
    pub fn text(&self, name: Name) -> &Rc<str> {
        &self.texts[name as usize]
    }

    /// Whether no hash depends on it.
    pub fn ignores(&self, name: Name) -> bool {
        self.is_ignored[name as usize]
    }

    /// The same, asked by text.
    pub fn is_ignored(&self, name: &str) -> bool {
        self.ignored.contains(name)
    }

    /// Begins another graph, in which no name has a place.
    pub(super) fn begin(&mut self) {
        self.graph += 1;
    }

    /// Its place in the graph; `new` if it had none, and the truth about that.
    pub(super) fn place(&mut self, name: Name, new: u32) -> (u32, bool) {
        let place = &mut self.places[name as usize];
        if place.1 == self.graph {
            return (place.0, false);
        }
        *place = (new, self.graph);
        (new, true)
    }
}
