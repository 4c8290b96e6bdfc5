//! From the targets to everything they need: each name is given its providers, and those their dependencies in turn.

use std::rc::Rc;

use rustc_hash::FxHashSet;

use super::close_matches::close_matches;
use super::index::{Catalog, RecipeId};
use super::items::{ItemId, ItemTable};
use super::message::{Message, NoProvider};
use super::preferences::{Assumed, Preferences, PreferredProviders};
use super::record::{RecipeRecord, TaskRecord};
use super::resolve_error::{MalformedDependency, ResolveError};

/// How to treat what cannot be resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResolvePolicy {
    /// Give up when a target of the user cannot be built; false with `--continue`.
    pub halt: bool,
    /// Leave holes where something is missing, for those who only look (`-g`, `-e`).
    pub allow_incomplete: bool,
}

/// Runs the Python of `calculate_extra_depends`, by which a recipe depends on others that it cannot name.
pub trait ExtraDepends {
    /// Names to add to the recipe's DEPENDS; `world` is what the target `world` stands for.
    ///
    /// Fails with Python's words.
    fn extra_depends(
        &mut self,
        record: &RecipeRecord,
        catalog: &Catalog,
        world: &[String],
    ) -> Result<Vec<String>, String>;
}

/// No recipe has extra dependencies.
impl ExtraDepends for () {
    fn extra_depends(&mut self, _: &RecipeRecord, _: &Catalog, _: &[String]) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }
}

/// What a configuration needs for its targets, built up name by name.
pub struct Resolver<'c> {
    catalog: &'c Catalog,
    prefs: &'c dyn Preferences,
    preferred: &'c PreferredProviders,
    assumed: &'c Assumed,
    policy: ResolvePolicy,
    build: ItemTable,
    run: ItemTable,
    external: FxHashSet<ItemId>,
    /// Recipes in the order in which they came up.
    recipes: Vec<RecipeId>,
    seen: FxHashSet<RecipeId>,
    failed: FxHashSet<RecipeId>,
    mcdepends: Vec<String>,
    /// Names already noted for having several providers.
    told_several: FxHashSet<String>,
    /// Names already noted for having none, at build or at run time.
    told_missing: FxHashSet<(String, bool)>,
    /// Everything there was to say, in order.
    pub messages: Vec<Message>,
}

/// A dependency chain from the missing name up, shared between the branches that fail for the same reason.
struct Chain {
    name: Rc<str>,
    below: Option<Rc<Chain>>,
}

impl Chain {
    fn names(&self) -> Vec<String> {
        std::iter::successors(Some(self), |link| link.below.as_deref())
            .map(|link| link.name.to_string())
            .collect()
    }
}

/// One step of taking out whatever cannot be built. A stack of these, because chains can be long.
enum Removal {
    Recipe(RecipeId, Option<Rc<Chain>>),
    /// A name lost the given provider and fails if that was its last.
    Lost {
        runtime: bool,
        item: ItemId,
        recipe: RecipeId,
        below: Option<Rc<Chain>>,
    },
    Item {
        runtime: bool,
        item: ItemId,
        below: Option<Rc<Chain>>,
    },
    /// After everything that depends on the item is out: give up if the user asked for it.
    GiveUp {
        item: ItemId,
        chain: Rc<Chain>,
    },
}

impl<'c> Resolver<'c> {
    /// A resolver that has resolved nothing yet.
    pub fn new(
        catalog: &'c Catalog,
        prefs: &'c dyn Preferences,
        preferred: &'c PreferredProviders,
        assumed: &'c Assumed,
        policy: ResolvePolicy,
    ) -> Resolver<'c> {
        Resolver {
            catalog,
            prefs,
            preferred,
            assumed,
            policy,
            build: ItemTable::default(),
            run: ItemTable::default(),
            external: FxHashSet::default(),
            recipes: Vec::new(),
            seen: FxHashSet::default(),
            failed: FxHashSet::default(),
            mcdepends: Vec::new(),
            told_several: FxHashSet::default(),
            told_missing: FxHashSet::default(),
            messages: Vec::new(),
        }
    }

    /// Recipes that provide `item` at build time, the one to use first; empty if it is unresolved or assumed.
    pub fn providers(&self, item: &str) -> &[RecipeId] {
        self.build.providers(item)
    }

    /// Recipes that provide `item` at run time, the one to use first.
    pub fn runtime_providers(&self, item: &str) -> &[RecipeId] {
        self.run.providers(item)
    }

    /// Every recipe that came up and did not fail, in order.
    pub fn recipes(&self) -> impl Iterator<Item = RecipeId> {
        self.recipes.iter().copied().filter(|id| !self.failed.contains(id))
    }

    /// Whether a recipe came up but cannot be built.
    pub fn has_failed(&self, recipe: RecipeId) -> bool {
        self.failed.contains(&recipe)
    }

    /// The words of `[mcdepends]` of all tasks that came up, each once.
    pub fn mcdepends(&self) -> &[String] {
        &self.mcdepends
    }

    /// The recipe first in line for every build-time name, in the order in which the names came up.
    pub fn provider_map(&self) -> impl Iterator<Item = (&str, RecipeId)> {
        let table = &self.build;
        table
            .wanted
            .iter()
            .filter_map(|item| table.providers[*item].first().map(|recipe| (&*table.names[*item], *recipe)))
    }

    /// Adds a target of the user.
    ///
    /// Fails if nothing provides it and the policy is to halt.
    pub fn add_target(&mut self, item: &str, extra: &mut dyn ExtraDepends) -> Result<(), ResolveError> {
        match self.add_provider(item, extra) {
            Err(ResolveError::NoProvider(_)) if !self.policy.halt => self.remove_build_item(item)?,
            result => result?,
        }
        let id = self.build.intern(item);
        self.external.insert(id);
        Ok(())
    }

    /// Finds providers for every name that came up, until no new one does.
    pub fn resolve(&mut self, extra: &mut dyn ExtraDepends) -> Result<(), ResolveError> {
        loop {
            let mut added = 0;
            for item in self.build.unresolved(self.assumed) {
                match self.add_provider(&item, extra) {
                    Ok(()) => added += 1,
                    Err(ResolveError::NoProvider(_)) => {
                        if self.policy.allow_incomplete {
                            continue;
                        }
                        let id = self.build.intern(&item);
                        if self.policy.halt && self.external.contains(&id) {
                            return Err(ResolveError::NoProvider(item.to_string()));
                        }
                        self.remove_build_item(&item)?;
                    }
                    Err(error) => return Err(error),
                }
            }
            for item in self.run.unresolved(self.assumed) {
                match self.add_runtime_provider(&item, extra) {
                    Ok(()) => added += 1,
                    Err(ResolveError::NoProvider(_)) => {
                        let item = self.run.intern(&item);
                        self.remove(Removal::Item { runtime: true, item, below: None })?;
                    }
                    Err(error) => return Err(error),
                }
            }
            if added == 0 {
                return Ok(());
            }
        }
    }

    fn add_provider(&mut self, item: &str, extra: &mut dyn ExtraDepends) -> Result<(), ResolveError> {
        if self.assumed.contains(item) || !self.build.providers(item).is_empty() {
            return Ok(());
        }
        let candidates = self.catalog.providers(item);
        if candidates.is_empty() {
            let close_matches = self.close_matches(item)?;
            let reasons = self.skip_reasons(item, false);
            return Err(self.nothing_provides(item, false, reasons, close_matches));
        }
        let mut eligible =
            self.catalog.eligible(candidates, item, self.prefs, self.preferred, &mut self.messages);
        eligible.recipes.retain(|id| !self.failed.contains(id));
        if eligible.recipes.is_empty() {
            let reasons = vec![format!("No eligible PROVIDERs exist for '{item}'")];
            return Err(self.nothing_provides(item, false, reasons, Vec::new()));
        }
        if eligible.recipes.len() > 1 && eligible.preferred == 0 {
            self.tell_several(item, false, &eligible.recipes);
        }
        let id = self.build.intern(item);
        for recipe in eligible.recipes {
            if !self.failed.contains(&recipe) {
                self.build.add_provider(id, recipe);
                self.add_recipe(recipe, extra)?;
            }
        }
        Ok(())
    }

    fn add_runtime_provider(&mut self, item: &str, extra: &mut dyn ExtraDepends) -> Result<(), ResolveError> {
        if self.assumed.contains(item) || !self.run.providers(item).is_empty() {
            return Ok(());
        }
        let candidates = self.runtime_candidates(item)?;
        if candidates.is_empty() {
            let reasons = self.skip_reasons(item, true);
            return Err(self.nothing_provides(item, true, reasons, Vec::new()));
        }
        let mut eligible =
            self.catalog.eligible_at_runtime(&candidates, item, self.prefs, &mut self.messages);
        eligible.recipes.retain(|id| !self.failed.contains(id));
        if eligible.recipes.is_empty() {
            let reasons = vec![format!("No eligible RPROVIDERs exist for '{item}'")];
            return Err(self.nothing_provides(item, true, reasons, Vec::new()));
        }
        if (eligible.recipes.len() > 1 && eligible.preferred == 0) || eligible.preferred > 1 {
            self.tell_several(item, true, &eligible.recipes);
        }
        if eligible.preferred > 1 {
            return Err(ResolveError::NoProvider(item.to_string()));
        }
        let id = self.run.intern(item);
        for recipe in eligible.recipes {
            if !self.failed.contains(&recipe) {
                self.run.add_provider(id, recipe);
                self.add_recipe(recipe, extra)?;
            }
        }
        Ok(())
    }

    fn runtime_candidates(&mut self, item: &str) -> Result<Vec<RecipeId>, ResolveError> {
        self.catalog.runtime_providers(item).map_err(|word| {
            self.messages.push(Message::BadPackagesDynamic(word));
            ResolveError::NoProvider(item.to_string())
        })
    }

    /// Takes in a recipe: notes what it and its tasks need.
    fn add_recipe(&mut self, recipe: RecipeId, extra: &mut dyn ExtraDepends) -> Result<(), ResolveError> {
        if !self.seen.insert(recipe) {
            return Ok(());
        }
        self.recipes.push(recipe);
        let record = self.catalog.record(recipe);
        let more = if record.extra_depends.is_empty() {
            Vec::new()
        } else {
            let world = self.catalog.world(None);
            extra
                .extra_depends(record, self.catalog, &world)
                .map_err(|message| ResolveError::ExtraDepends { file: record.file.clone(), message })?
        };
        for task in &record.tasks {
            self.add_task(recipe, record, task)?;
        }

        let needs: Vec<ItemId> = distinct(record.depends.iter().chain(&more).map(String::as_str))
            .map(|name| self.build.intern(name))
            .collect();
        for item in &needs {
            self.build.dependees[*item].push(recipe);
        }
        let runtime_needs: Vec<ItemId> =
            record.all_runtime_depends().into_iter().map(|name| self.run.intern(name)).collect();
        for item in &runtime_needs {
            self.run.dependees[*item].push(recipe);
        }
        // A recipe that cannot be built any more stops asking for the rest.
        if self.build.want_all(&needs) && self.run.want_all(&runtime_needs) {
            return Ok(());
        }
        self.remove(Removal::Recipe(recipe, None))
    }

    fn add_task(
        &mut self,
        recipe: RecipeId,
        record: &RecipeRecord,
        task: &TaskRecord,
    ) -> Result<(), MalformedDependency> {
        for (flag, value, table) in
            [("depends", &task.depends, &mut self.build), ("rdepends", &task.rdepends, &mut self.run)]
        {
            let value = value.as_deref().unwrap_or("");
            for word in value.split_whitespace() {
                let name = word.split_once(':').filter(|(_, task)| !task.contains(':')).map(|(name, _)| name);
                let Some(name) = name else {
                    return Err(MalformedDependency::Task {
                        file: record.file.clone(),
                        task: task.name.clone(),
                        flag,
                        word: word.to_string(),
                        value: value.to_string(),
                    });
                };
                let item = table.intern(name);
                table.want(item);
                if table.task_dependees[item].last() != Some(&recipe) {
                    table.task_dependees[item].push(recipe);
                }
            }
        }
        for word in task.mcdepends.as_deref().unwrap_or("").split_whitespace() {
            if word.matches(':').count() != 4 {
                let (file, task, word) = (record.file.clone(), task.name.clone(), word.to_string());
                return Err(MalformedDependency::Multiconfig { file, task, word });
            }
            if !self.mcdepends.iter().any(|known| known == word) {
                self.mcdepends.push(word.to_string());
            }
        }
        Ok(())
    }

    fn remove_build_item(&mut self, item: &str) -> Result<(), ResolveError> {
        let item = self.build.intern(item);
        self.remove(Removal::Item { runtime: false, item, below: None })
    }

    /// Takes out something that cannot be built, and all that needs it.
    fn remove(&mut self, first: Removal) -> Result<(), ResolveError> {
        let mut stack = vec![first];
        while let Some(removal) = stack.pop() {
            let mut next = match removal {
                Removal::Recipe(recipe, below) => self.fail_recipe(recipe, &below),
                Removal::Lost { runtime, item, recipe, below } => {
                    let table = if runtime { &mut self.run } else { &mut self.build };
                    let before = table.providers[item].len();
                    table.providers[item].retain(|id| *id != recipe);
                    let lost_last = before > 0 && table.providers[item].is_empty();
                    Vec::from_iter(lost_last.then_some(Removal::Item { runtime, item, below }))
                }
                Removal::Item { runtime, item, below } => self.fail_item(runtime, item, below),
                Removal::GiveUp { item, chain } => {
                    if self.policy.halt && self.external.contains(&item) {
                        let target = self.build.names[item].to_string();
                        let chain = chain.names();
                        self.messages.push(Message::RequiredTarget { target: target.clone(), chain });
                        return Err(ResolveError::NoProvider(target));
                    }
                    Vec::new()
                }
            };
            next.reverse();
            stack.append(&mut next);
        }
        Ok(())
    }

    fn fail_recipe(&mut self, recipe: RecipeId, below: &Option<Rc<Chain>>) -> Vec<Removal> {
        if !self.failed.insert(recipe) {
            return Vec::new();
        }
        let lost = |table: &ItemTable, runtime| -> Vec<Removal> {
            let provided = |item: &&ItemId| table.providers[**item].contains(&recipe);
            let lost = |item: &ItemId| Removal::Lost { runtime, item: *item, recipe, below: below.clone() };
            table.wanted.iter().filter(provided).map(lost).collect()
        };
        let mut next = lost(&self.build, false);
        next.extend(lost(&self.run, true));
        next
    }

    fn fail_item(&mut self, runtime: bool, item: ItemId, below: Option<Rc<Chain>>) -> Vec<Removal> {
        let table = if runtime { &mut self.run } else { &mut self.build };
        table.failed[item] = true;
        let chain = Rc::new(Chain { name: Rc::clone(&table.names[item]), below });
        let mut next: Vec<Removal> = table.dependees[item]
            .iter()
            .chain(&table.task_dependees[item])
            .map(|recipe| Removal::Recipe(*recipe, Some(Rc::clone(&chain))))
            .collect();
        let target = table.names[item].to_string();
        self.messages.push(Message::Unbuildable { target, chain: chain.names(), runtime });
        if !runtime {
            next.push(Removal::GiveUp { item, chain });
        }
        next
    }

    fn nothing_provides(
        &mut self,
        item: &str,
        runtime: bool,
        reasons: Vec<String>,
        close_matches: Vec<String>,
    ) -> ResolveError {
        if self.told_missing.insert((item.to_string(), runtime)) {
            let table = if runtime { &self.run } else { &self.build };
            let dependees =
                table.dependees(item).iter().map(|id| self.catalog.record(*id).file.clone()).collect();
            let item = item.to_string();
            self.messages.push(Message::NoProvider(NoProvider {
                item,
                runtime,
                dependees,
                reasons,
                close_matches,
            }));
        }
        ResolveError::NoProvider(item.to_string())
    }

    fn tell_several(&mut self, item: &str, runtime: bool, recipes: &[RecipeId]) {
        if self.told_several.insert(item.to_string()) {
            let candidates = recipes.iter().map(|id| self.catalog.record(*id).pn.clone()).collect();
            self.messages.push(Message::MultipleProviders { item: item.to_string(), candidates, runtime });
        }
    }

    /// Why recipes that would provide `item` were skipped.
    fn skip_reasons(&self, item: &str, runtime: bool) -> Vec<String> {
        skip_reasons(self.catalog, item, runtime)
    }

    /// Names like `item`, and who provides it at run time only.
    fn close_matches(&mut self, item: &str) -> Result<Vec<String>, ResolveError> {
        let skipped = self.catalog.skipped().map(|(_, record)| record.pn.as_str());
        let names = self.catalog.provided_names().chain(skipped);
        let mut found: Vec<String> = close_matches(item, names).into_iter().map(String::from).collect();
        for recipe in self.runtime_candidates(item)? {
            let line = format!("{} RPROVIDES {item}", self.catalog.record(recipe).pn);
            if !found.contains(&line) {
                found.push(line);
            }
        }
        Ok(found)
    }
}

/// Why recipes that would provide `item` were skipped, one line for each.
pub fn skip_reasons(catalog: &Catalog, item: &str, runtime: bool) -> Vec<String> {
    let reason = |record: &RecipeRecord| {
        let why = record.skipped.as_deref()?;
        let pn = &record.pn;
        if pn == item {
            return Some(format!("{pn} was skipped: {why}"));
        }
        let has = |names: &[String]| names.iter().any(|name| name == item);
        if runtime {
            let packages =
                record.packages.iter().any(|package| package.name == item || has(&package.rprovides));
            (packages || has(&record.rprovides))
                .then(|| format!("{pn} RPROVIDES {item} but was skipped: {why}"))
        } else {
            has(&record.provides).then(|| format!("{pn} PROVIDES {item} but was skipped: {why}"))
        }
    };
    catalog.skipped().filter_map(|(_, record)| reason(record)).collect()
}

/// The names in order, each once.
fn distinct<'n>(names: impl Iterator<Item = &'n str>) -> impl Iterator<Item = &'n str> {
    let mut seen = FxHashSet::default();
    names.filter(move |name| seen.insert(*name))
}
