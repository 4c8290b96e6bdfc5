//! The names that somebody needs, and the recipes found for each.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::index::RecipeId;
use super::preferences::Assumed;

/// A name's place in an [`ItemTable`].
pub(super) type ItemId = usize;

/// Names somebody needs, and the recipes found for each.
#[derive(Clone, Debug, Default)]
pub(super) struct ItemTable {
    pub(super) names: Vec<Rc<str>>,
    index: FxHashMap<Rc<str>, ItemId>,
    /// Recipes that provide the name; the first is used. Empty while unresolved and once failed.
    pub(super) providers: Vec<Vec<RecipeId>>,
    /// Recipes that list the name in DEPENDS (or RDEPENDS and RRECOMMENDS).
    pub(super) dependees: Vec<Vec<RecipeId>>,
    /// Recipes with a task that names it in `[depends]` (or `[rdepends]`).
    pub(super) task_dependees: Vec<Vec<RecipeId>>,
    pub(super) failed: Vec<bool>,
    /// The names that have to be resolved, in the order in which they came up. What only a failed recipe needs may be in
    /// the table without being here.
    pub(super) wanted: Vec<ItemId>,
    is_wanted: Vec<bool>,
}

impl ItemTable {
    pub(super) fn intern(&mut self, name: &str) -> ItemId {
        if let Some(id) = self.index.get(name) {
            return *id;
        }
        let id = self.names.len();
        let name: Rc<str> = name.into();
        self.names.push(Rc::clone(&name));
        self.index.insert(name, id);
        self.providers.push(Vec::new());
        self.dependees.push(Vec::new());
        self.task_dependees.push(Vec::new());
        self.failed.push(false);
        self.is_wanted.push(false);
        id
    }

    pub(super) fn want(&mut self, item: ItemId) {
        if !std::mem::replace(&mut self.is_wanted[item], true) {
            self.wanted.push(item);
        }
    }

    /// Wants the items in turn, up to the first that failed already; then the answer is false.
    pub(super) fn want_all(&mut self, items: &[ItemId]) -> bool {
        items.iter().all(|item| {
            self.want(*item);
            !self.failed[*item]
        })
    }

    pub(super) fn providers(&self, name: &str) -> &[RecipeId] {
        self.index.get(name).map_or(&[], |id| &self.providers[*id])
    }

    /// The recipes that list the name among their dependencies.
    pub(super) fn dependees(&self, name: &str) -> &[RecipeId] {
        self.index.get(name).map_or(&[], |id| &self.dependees[*id])
    }

    pub(super) fn add_provider(&mut self, item: ItemId, recipe: RecipeId) {
        self.want(item);
        if !self.providers[item].contains(&recipe) {
            self.providers[item].push(recipe);
        }
    }

    /// Names without a provider that have not failed and are not taken as provided.
    pub(super) fn unresolved(&self, assumed: &Assumed) -> Vec<Rc<str>> {
        let open = |id: &&ItemId| self.providers[**id].is_empty() && !self.failed[**id];
        self.wanted
            .iter()
            .filter(open)
            .map(|id| Rc::clone(&self.names[*id]))
            .filter(|name| !assumed.contains(name))
            .collect()
    }
}
