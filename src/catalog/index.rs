//! All records of one configuration, and who provides each name.

use std::sync::{Arc, OnceLock};

use rustc_hash::{FxHashMap, FxHashSet};

use super::record::{RecipeRecord, RecipeVersion};
use crate::lang::pattern::{Pattern, literal_start};

/// A record's place in its [`Catalog`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecipeId(u32);

impl RecipeId {
    /// The place as an index into [`Catalog::records`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The recipes of one configuration (the default one or a multiconfig), and every name they provide.
///
/// The order of the records is kept wherever BitBake leaves the order to chance, so that equal input gives equal output.
#[derive(Clone, Debug)]
pub struct Catalog {
    records: Arc<[RecipeRecord]>,
    by_file: FxHashMap<String, RecipeId>,
    /// Recipes that may be built, by PN, and the PNs in order of first appearance.
    by_pn: FxHashMap<String, Vec<RecipeId>>,
    pns: Vec<String>,
    providers: FxHashMap<String, Vec<RecipeId>>,
    pn_provides: FxHashMap<String, Vec<String>>,
    runtime_providers: FxHashMap<String, Vec<RecipeId>>,
    packages: FxHashMap<String, Vec<RecipeId>>,
    packages_dynamic: Vec<DynamicPackages>,
    skipped: Vec<RecipeId>,
}

/// One word of PACKAGES_DYNAMIC and the recipes that have it.
#[derive(Clone, Debug)]
struct DynamicPackages {
    word: String,
    recipes: Vec<RecipeId>,
    /// What every match starts with. It rules out nearly all patterns before they need compiling.
    start: String,
    /// Compiled at first use.
    pattern: OnceLock<Option<Pattern>>,
}

impl DynamicPackages {
    fn new(word: &str) -> DynamicPackages {
        // A plus sign stands for itself, since it occurs in names.
        let word = word.replace('+', "\\+");
        DynamicPackages { start: literal_start(&word), word, recipes: Vec::new(), pattern: OnceLock::new() }
    }

    /// Whether the word matches a name; `Err` if it has to be asked and is no regular expression.
    fn matches(&self, name: &str) -> Result<bool, String> {
        if !name.starts_with(&self.start) {
            return Ok(false);
        }
        let pattern = self.pattern.get_or_init(|| Pattern::matching(&self.word).ok());
        pattern.as_ref().map(|pattern| pattern.is_match(name)).ok_or_else(|| self.word.clone())
    }
}

impl Catalog {
    /// Indexes the records, skipped ones included, in the order in which recipes were collected.
    pub fn new(records: impl Into<Arc<[RecipeRecord]>>) -> Catalog {
        let records = records.into();
        let mut catalog = Catalog {
            records: Arc::clone(&records),
            by_file: FxHashMap::default(),
            by_pn: FxHashMap::default(),
            pns: Vec::new(),
            providers: FxHashMap::default(),
            pn_provides: FxHashMap::default(),
            runtime_providers: FxHashMap::default(),
            packages: FxHashMap::default(),
            packages_dynamic: Vec::new(),
            skipped: Vec::new(),
        };
        let mut dynamic: FxHashMap<&str, usize> = FxHashMap::default();
        for (id, record) in (0u32..).map(RecipeId).zip(records.iter()) {
            catalog.by_file.insert(record.file.clone(), id);
            if record.skipped.is_some() {
                catalog.skipped.push(id);
                continue;
            }
            catalog.add(id, record);
            for word in &record.packages_dynamic {
                let place = *dynamic.entry(word).or_insert_with(|| {
                    catalog.packages_dynamic.push(DynamicPackages::new(word));
                    catalog.packages_dynamic.len() - 1
                });
                catalog.packages_dynamic[place].recipes.push(id);
            }
        }
        catalog
    }

    fn add(&mut self, id: RecipeId, record: &RecipeRecord) {
        if !self.by_pn.contains_key(&record.pn) {
            self.pns.push(record.pn.clone());
        }
        push(&mut self.by_pn, &record.pn, id);
        for name in record.all_provides() {
            push(&mut self.providers, name, id);
            if !self.provided_by(&record.pn).iter().any(|known| known == name) {
                push(&mut self.pn_provides, &record.pn, name.to_string());
            }
        }
        for package in &record.packages {
            push(&mut self.packages, &package.name, id);
        }
        let of_packages = record.packages.iter().flat_map(|package| &package.rprovides);
        for name in record.rprovides.iter().chain(of_packages) {
            if slice(&self.runtime_providers, name).last() != Some(&id) {
                push(&mut self.runtime_providers, name, id);
            }
        }
    }

    /// All records, skipped ones included.
    pub fn records(&self) -> &[RecipeRecord] {
        &self.records
    }

    /// The record at a place.
    pub fn record(&self, id: RecipeId) -> &RecipeRecord {
        &self.records[id.index()]
    }

    /// The records that may be built, in order.
    pub fn buildable(&self) -> impl Iterator<Item = (RecipeId, &RecipeRecord)> {
        self.ids().filter(|(_, record)| record.skipped.is_none())
    }

    /// The skipped records, in order.
    pub fn skipped(&self) -> impl Iterator<Item = (RecipeId, &RecipeRecord)> {
        self.skipped.iter().map(|id| (*id, self.record(*id)))
    }

    fn ids(&self) -> impl Iterator<Item = (RecipeId, &RecipeRecord)> {
        (0u32..).map(RecipeId).zip(self.records.iter())
    }

    /// The record of a virtual file name, skipped or not.
    pub fn find(&self, file: &str) -> Option<RecipeId> {
        self.by_file.get(file).copied()
    }

    /// Names of all recipes that may be built, in order of first appearance.
    pub fn recipe_names(&self) -> impl Iterator<Item = &str> {
        self.pns.iter().map(String::as_str)
    }

    /// The recipes called `pn`.
    pub fn recipes_named(&self, pn: &str) -> &[RecipeId] {
        slice(&self.by_pn, pn)
    }

    /// The recipes that provide `item` at build time.
    pub fn providers(&self, item: &str) -> &[RecipeId] {
        slice(&self.providers, item)
    }

    /// Every name that something provides at build time, in no particular order.
    pub fn provided_names(&self) -> impl Iterator<Item = &str> {
        self.providers.keys().map(String::as_str)
    }

    /// What the recipes called `pn` provide together.
    pub fn provided_by(&self, pn: &str) -> &[String] {
        self.pn_provides.get(pn).map_or(&[], Vec::as_slice)
    }

    /// The recipes that provide `item` at run time: by RPROVIDES or as a package, else by PACKAGES_DYNAMIC.
    ///
    /// Fails with the offending word if PACKAGES_DYNAMIC has to be asked and one is no regular expression.
    pub fn runtime_providers(&self, item: &str) -> Result<Vec<RecipeId>, String> {
        let mut found = slice(&self.runtime_providers, item).to_vec();
        found.extend_from_slice(slice(&self.packages, item));
        if found.is_empty() {
            for dynamic in &self.packages_dynamic {
                if dynamic.matches(item)? {
                    found.extend_from_slice(&dynamic.recipes);
                }
            }
        }
        let mut seen = FxHashSet::default();
        found.retain(|id| seen.insert(*id));
        Ok(found)
    }

    /// PE, PV and PR of a recipe.
    pub fn version(&self, id: RecipeId) -> &RecipeVersion {
        &self.record(id).version
    }
}

/// Adds `value` under `key`. Most names repeat, so a string for the key is only made for a new one.
fn push<T>(map: &mut FxHashMap<String, Vec<T>>, key: &str, value: T) {
    match map.get_mut(key) {
        Some(values) => values.push(value),
        None => {
            map.insert(key.to_string(), vec![value]);
        }
    }
}

fn slice<'m>(map: &'m FxHashMap<String, Vec<RecipeId>>, key: &str) -> &'m [RecipeId] {
    map.get(key).map_or(&[], Vec::as_slice)
}
