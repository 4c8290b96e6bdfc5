//! The datastore: layers of variables, copied on write.

use std::any::Any;
use std::cell::{RefCell, RefMut};
use std::rc::{Rc, Weak};

use rustc_hash::{FxHashMap, FxHashSet};

use super::expand::Parsed;
use super::history::{Event, History, IncludeTree, Origin};
use super::host::{Context, Host, Level};
use super::overrides::Overrides;
use super::value::{Object, Value};
use super::var::Var;

/// Variables by name.
pub(super) type Map = FxHashMap<Rc<str>, Rc<Var>>;

/// Variables that copies share; each layer hides what is below it.
pub(super) struct Layer {
    map: Map,
    parent: Option<Rc<Layer>>,
}

/// Past this many layers of its own a store merges them: a read walks all of them.
const MAX_OWN: usize = 3;

/// What recipes call `d`. A handle: clones are the same store, [`Store::copy`] makes another.
#[derive(Clone)]
pub struct Store(pub(super) Rc<Inner>);

pub(super) struct Inner {
    context: Rc<Context>,
    pub(super) state: RefCell<State>,
    /// The Python object that stands for this store, so that there is only one.
    wrapper: RefCell<Option<Box<dyn Any>>>,
}

#[derive(Default)]
pub(super) struct State {
    pub top: Map,
    pub parents: Option<Rc<Layer>>,
    /// The layer that it was made a copy on: what is above is its own.
    base: Option<Rc<Layer>>,
    /// How many of the layers below `top` are its own.
    own: usize,
    /// Expanded values by variable; dropped on every write.
    pub cache: FxHashMap<Rc<str>, Rc<Parsed>>,
    /// Expanded flags by `VAR[flag]`; dropped on every write.
    pub flag_cache: FxHashMap<Rc<str>, Rc<Parsed>>,
    /// The value of OVERRIDES, or None when it must be worked out again.
    pub overrides: Option<Rc<Overrides>>,
    pub in_overrides: bool,
    /// The variables that OVERRIDES depends on.
    pub override_vars: Rc<FxHashSet<Rc<str>>>,
    pub filters: Rc<FxHashMap<Rc<str>, Value>>,
    /// Old names of variables and what became of them.
    pub renames: Rc<FxHashMap<Rc<str>, Rc<str>>>,
    pub tracking: bool,
    pub history: History,
    pub includes: IncludeTree,
}

/// Variables that BitBake itself renamed (BitBake manual, "Release Information").
const RENAMED: [(&str, &str); 9] = [
    ("BB_ENV_WHITELIST", "BB_ENV_PASSTHROUGH"),
    ("BB_ENV_EXTRAWHITE", "BB_ENV_PASSTHROUGH_ADDITIONS"),
    ("BB_HASHBASE_WHITELIST", "BB_BASEHASH_IGNORE_VARS"),
    ("BB_HASHCONFIG_WHITELIST", "BB_HASHCONFIG_IGNORE_VARS"),
    ("BB_HASHTASK_WHITELIST", "BB_TASKHASH_IGNORE_TASKS"),
    ("BB_SETSCENE_ENFORCE_WHITELIST", "BB_SETSCENE_ENFORCE_IGNORE_TASKS"),
    ("MULTI_PROVIDER_WHITELIST", "BB_MULTI_PROVIDER_ALLOWED"),
    ("BB_STAMP_WHITELIST", "is a deprecated variable and support has been removed"),
    ("BB_STAMP_POLICY", "is a deprecated variable and support has been removed"),
];

/// What the engine notes down while a recipe is read, some of it in the middle of an expansion. No text refers to them.
const NOTES: [&str; 7] = [
    "__siggen",
    "_task_deps",
    "__BBAUTOREV_ACTED_UPON",
    "__BBAUTOREV_SEEN",
    "__BBHANDLERS_MC",
    "__BBINSRCREV",
    "__BBSRCREV_SEEN",
];

/// The built-in table of renamed variables: old name, new name or sentence.
pub fn renamed_variables() -> &'static [(&'static str, &'static str)] {
    &RENAMED
}

impl Store {
    /// An empty store.
    pub fn new(context: Rc<Context>) -> Self {
        let state = State {
            override_vars: Rc::new(["OVERRIDES", "FILE"].into_iter().map(Rc::from).collect()),
            renames: Rc::new(RENAMED.iter().map(|(old, new)| ((*old).into(), (*new).into())).collect()),
            ..State::default()
        };
        Store(Rc::new(Inner { context, state: RefCell::new(state), wrapper: RefCell::default() }))
    }

    /// The context it shares with its copies.
    pub fn context(&self) -> &Rc<Context> {
        &self.0.context
    }

    /// The services of its surroundings.
    pub fn host(&self) -> &dyn Host {
        &*self.0.context.host
    }

    /// An independent copy that shares what neither changes.
    pub fn copy(&self) -> Store {
        let mut state = self.state();
        state.freeze();
        let copy = State {
            top: Map::default(),
            parents: state.parents.clone(),
            base: state.parents.clone(),
            own: 0,
            cache: FxHashMap::default(),
            flag_cache: FxHashMap::default(),
            overrides: None,
            in_overrides: false,
            override_vars: state.override_vars.clone(),
            filters: state.filters.clone(),
            renames: state.renames.clone(),
            tracking: state.tracking,
            history: state.history.clone(),
            includes: state.includes.clone(),
        };
        let context = self.0.context.clone();
        Store(Rc::new(Inner { context, state: RefCell::new(copy), wrapper: RefCell::default() }))
    }

    /// Puts all layers into one, for a store of which many copies will be made: each read walks all of them.
    pub fn flatten(&self) {
        let mut state = self.state();
        let mut map = Map::default();
        for layer in state.maps() {
            for (name, var) in layer {
                map.entry(name.clone()).or_insert_with(|| var.clone());
            }
        }
        state.top = Map::default();
        state.own = 0;
        state.parents = Some(Rc::new(Layer { map, parent: None }));
        state.base = state.parents.clone();
    }

    /// True if both handles are the same store.
    pub fn same(&self, other: &Store) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// A handle that doesn't keep the store alive.
    pub fn downgrade(&self) -> WeakStore {
        WeakStore(Rc::downgrade(&self.0))
    }

    /// The Python side's own object for this store.
    pub fn wrapper(&self) -> RefMut<'_, Option<Box<dyn Any>>> {
        self.0.wrapper.borrow_mut()
    }

    pub(super) fn state(&self) -> RefMut<'_, State> {
        self.0.state.borrow_mut()
    }

    /// The names of all variables: those with anything set, and those that only exist through an active override. No order.
    pub fn keys(&self) -> Result<Vec<Rc<str>>, super::DataError> {
        let overrides = self.need_overrides()?;
        let state = self.state();
        let mut names: FxHashMap<&Rc<str>, bool> = FxHashMap::default();
        for map in state.maps() {
            for (name, var) in map {
                names.entry(name).or_insert_with(|| !var.is_empty() || overrides.any_active(&var.overrides));
            }
        }
        Ok(names.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.clone()).collect())
    }

    /// Whether a name is one of [`Store::keys`]; `overrides` are the store's.
    pub fn is_key(&self, name: &str, overrides: &Overrides) -> bool {
        let state = self.state();
        state.find(name).is_some_and(|var| !var.is_empty() || overrides.any_active(&var.overrides))
    }

    /// Whether a filter was set for a variable or for what it is a variant of.
    pub fn has_filter(&self, name: &str) -> bool {
        let filters = self.state().filters.clone();
        !filters.is_empty() && filters.contains_key(name.split(':').next().unwrap_or(name))
    }

    /// The names that contain `${`, whose expansion is one of the last steps of reading a recipe.
    pub fn keys_to_expand(&self) -> Result<Vec<Rc<str>>, super::DataError> {
        let overrides = self.need_overrides()?;
        let state = self.state();
        let mut names: FxHashMap<&Rc<str>, &Rc<Var>> = FxHashMap::default();
        for map in state.maps() {
            for (name, var) in map.iter().filter(|(name, _)| name.contains("${")) {
                names.entry(name).or_insert(var);
            }
        }
        // Those with active overrides come last: the first whose name can't be expanded is told.
        let mut keys: Vec<(bool, &Rc<str>)> = Vec::new();
        for (name, var) in names {
            let overridden = overrides.any_active(&var.overrides);
            if overridden || !var.is_empty() {
                keys.push((overridden, name));
            }
        }
        keys.sort();
        Ok(keys.into_iter().map(|(_, name)| name.clone()).collect())
    }

    /// The names set since the last copy was made (BitBake's `localkeys`).
    pub fn local_keys(&self) -> Vec<Rc<str>> {
        let state = self.state();
        let mut names: FxHashSet<Rc<str>> = state.top.keys().cloned().collect();
        let mut layer = state.parents.as_ref();
        while let Some(current) = layer.filter(|layer| !state.is_base(layer)) {
            names.extend(current.map.keys().cloned());
            layer = current.parent.as_ref();
        }
        names.into_iter().collect()
    }

    /// Every name the store has an entry for, deleted ones included. No order.
    pub fn all_names(&self) -> Vec<Rc<str>> {
        let state = self.state();
        let mut names: FxHashSet<&Rc<str>> = FxHashSet::default();
        for map in state.maps() {
            names.extend(map.keys());
        }
        names.into_iter().cloned().collect()
    }

    /// A number that tells this store from all others that exist.
    pub fn address(&self) -> usize {
        Rc::as_ptr(&self.0).cast::<()>() as usize
    }

    /// Everything known of one variable.
    pub fn find(&self, name: &str) -> Option<Rc<Var>> {
        self.state().find(name).cloned()
    }

    /// Passes on a message.
    pub fn log(&self, level: Level, message: &str) {
        self.host().log(level, message);
    }

    /// Switches the recording of history.
    pub fn set_tracking(&self, on: bool) {
        self.state().tracking = on;
    }

    /// True while history is recorded.
    pub fn tracking(&self) -> bool {
        self.state().tracking
    }

    /// The recorded changes of a variable.
    pub fn history(&self, name: &str) -> Vec<Event> {
        self.state().history.of(name).to_vec()
    }

    /// Changes the recorded history by hand.
    pub fn edit_history(&self, edit: impl FnOnce(&mut History)) {
        edit(&mut self.state().history);
    }

    /// Enters or leaves a file in the tree of includes.
    pub fn includes(&self, edit: impl FnOnce(&mut IncludeTree)) {
        edit(&mut self.state().includes);
    }

    /// The text of the include tree that `-e` opens with.
    pub fn include_text(&self) -> String {
        self.state().includes.text()
    }

    /// Records a change, if tracking is on and it has an origin.
    pub(super) fn record(
        &self,
        origin: Origin<'_>,
        variable: &str,
        op: &str,
        flag: Option<&str>,
        detail: &Value,
    ) {
        if !self.tracking() {
            return;
        }
        let (file, line, function) = match origin {
            Origin::Hidden => return,
            Origin::Statement { file, line } => (file.clone(), line, None),
            Origin::Engine { function, at } => {
                let file = at.file().rsplit('/').next().unwrap_or_default();
                (file.into(), at.line(), Some(function.into()))
            }
            Origin::Caller => match self.host().caller() {
                Some((file, line, function)) => (file, line, Some(function)),
                None => return,
            },
        };
        let event = Event {
            op: op.into(),
            file,
            line,
            function,
            flag: flag.map(Rc::from),
            detail: detail.to_text().into(),
        };
        self.state().history.record(variable, event);
    }

    /// Sets or removes the filter of a variable (`setVarFilter`).
    pub fn set_filter(&self, name: &str, filter: Option<Value>) {
        let mut state = self.state();
        let filters = Rc::make_mut(&mut state.filters);
        match filter {
            Some(filter) => {
                filters.insert(name.into(), filter);
            }
            None => {
                filters.remove(name);
            }
        }
    }

    /// Changes, in place where possible, an object that only the engine keeps in a variable; made if there is none.
    pub fn with_object<T: Object + Clone + Default, R>(
        &self,
        name: &str,
        change: impl FnOnce(&mut T) -> R,
    ) -> R {
        let mut state = self.state();
        let var = state.make_mut(name);
        if let Some(Value::Object(object)) = &mut var.content
            && let Some(unique) = Rc::get_mut(object)
            && let Some(own) = unique.as_any_mut().downcast_mut::<T>()
        {
            return change(own);
        }
        let mut own = match &var.content {
            Some(Value::Object(object)) => object.as_any().downcast_ref::<T>().cloned().unwrap_or_default(),
            _ => T::default(),
        };
        let result = change(&mut own);
        var.content = Some(Value::Object(Rc::new(own)));
        result
    }

    /// Reads and changes a variable that only the engine uses. Expanded values stay valid, since none can refer to it.
    pub fn update_internal(&self, name: &str, update: impl FnOnce(Option<&Value>) -> Option<Value>) {
        let mut state = self.state();
        let new = update(state.find(name).and_then(|var| var.content.as_ref()));
        if let Some(new) = new {
            state.make_mut(name).content = Some(new);
        }
    }
}

/// A handle that doesn't keep its store alive.
#[derive(Clone)]
pub struct WeakStore(Weak<Inner>);

impl WeakStore {
    /// The store, if it still exists.
    pub fn upgrade(&self) -> Option<Store> {
        self.0.upgrade().map(Store)
    }
}

impl State {
    pub fn maps(&self) -> impl Iterator<Item = &Map> {
        let mut layer = self.parents.as_deref();
        std::iter::once(&self.top).chain(std::iter::from_fn(move || {
            let current = layer?;
            layer = current.parent.as_deref();
            Some(&current.map)
        }))
    }

    pub fn find(&self, name: &str) -> Option<&Rc<Var>> {
        self.maps().find_map(|map| map.get(name))
    }

    /// The variable as it is in the store that this one was made a copy of.
    pub fn find_below(&self, name: &str) -> Option<&Rc<Var>> {
        let mut layer = self.base.as_deref();
        while let Some(current) = layer {
            if let Some(var) = current.map.get(name) {
                return Some(var);
            }
            layer = current.parent.as_deref();
        }
        None
    }

    /// The variable, to be changed: its entry in the top layer, made from the visible one if need be.
    pub fn make_mut(&mut self, name: &str) -> &mut Var {
        if !self.top.contains_key(name) {
            let var = self.find(name).cloned().unwrap_or_default();
            self.top.insert(name.into(), var);
        }
        // The entry was made just above.
        Rc::make_mut(self.top.entry(name.into()).or_default())
    }

    /// Forgets what a change of `name` may have changed: everything, or for the engine's own notes just those.
    pub fn changed(&mut self, name: &str) {
        if NOTES.contains(&name) {
            self.cache.remove(name);
        } else {
            self.clear_cache();
        }
    }

    pub fn clear_cache(&mut self) {
        if !self.cache.is_empty() {
            self.cache.clear();
        }
        if !self.flag_cache.is_empty() {
            self.flag_cache.clear();
        }
    }

    fn is_base(&self, layer: &Rc<Layer>) -> bool {
        self.base.as_ref().is_some_and(|base| Rc::ptr_eq(base, layer))
    }

    /// Moves the top layer below, where copies can share it.
    fn freeze(&mut self) {
        if self.top.is_empty() {
            return;
        }
        let mut map = std::mem::take(&mut self.top);
        self.own += 1;
        if self.own > MAX_OWN {
            while let Some(layer) = self.parents.clone().filter(|layer| !self.is_base(layer)) {
                for (name, var) in &layer.map {
                    map.entry(name.clone()).or_insert_with(|| var.clone());
                }
                self.parents = layer.parent.clone();
            }
            self.own = 1;
        }
        self.parents = Some(Rc::new(Layer { map, parent: self.parents.take() }));
    }
}
